"""What docs/report.md says of the report is so."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from refnet.audit.report import explained, fed
from refnet.audit.report.schema import schema
from refnet.cli import audit

PAGE = (Path(__file__).parents[1] / "docs" / "report.md").read_text()


def test_the_table_names_every_part_of_the_document() -> None:
    told = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    names = {name for cell in told for name in re.findall(r"`(\w+)`", cell)}
    assert names | {"schema_version", "histogram_edges"} == set(schema()["properties"])


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"the first {fed.MOST})" in PAGE
    assert f"`--float64-images` ({audit.FLOAT64_IMAGES})" in PAGE
    assert f"`--explain` ({audit.EXPLAINED})" in PAGE
    assert f"moves by {explained.STRIDE_PX} pixels" in PAGE
    assert f"stop at {explained.POINTS} points" in PAGE


def test_its_example_validates_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps({"schema_version": 2}))
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    with pytest.raises(jsonschema.ValidationError):
        exec(example, names)


def test_its_commands_name_options_that_there_are() -> None:
    options = set(re.findall(r"--[a-z0-9-]+", PAGE)) - {"--landmarks"}
    source = Path(audit.__file__).read_text() + (Path(audit.__file__).parent / "options.py").read_text()
    for option in options:
        assert option.removeprefix("--").replace("-", "_") in source.replace("-", "_"), option
