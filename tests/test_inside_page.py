"""What docs/inside.md shows runs."""

import re
from pathlib import Path

import pytest

from refnet.audit.statistics import TensorStatistics

PAGE = (Path(__file__).parents[1] / "docs" / "inside.md").read_text()


def test_the_examples_run(
    monkeypatch: pytest.MonkeyPatch, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "arcfaceresnet100-8.onnx").symlink_to(narrow_path)
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)), {})
    assert re.fullmatch(r"-?0\.\d\d \(3, 112, 112\)\n", capsys.readouterr().out)


def test_every_field_of_the_statistics_is_told() -> None:
    (table,) = re.findall(r"\| field \|.*?\n\n", PAGE, flags=re.S)
    assert set(re.findall(r"`(\w+)`", table)) - {"bin_edges"} == TensorStatistics().to_json().keys()
