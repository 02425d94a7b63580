"""What README.md shows runs, and says what it says."""

import re
from pathlib import Path

import pytest

from refnet.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_runs(
    monkeypatch: pytest.MonkeyPatch, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    (tmp_path / "arcfaceresnet100-8.onnx").symlink_to(narrow_path)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert re.fullmatch(r"\(4, 512\) 0\.\d+ 0\.\d+\n", capsys.readouterr().out)


def test_every_command_it_lists_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = set(re.findall(r"^refnet (\w+)", README, flags=re.M))
    assert {"demo", "models", "inspect", "embed", "compare", "validate", "trace"} <= commands
    for command in commands:
        assert main([command, "--help"]) == 0
    capsys.readouterr()
