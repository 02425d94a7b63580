"""What docs/report.md says of the report is so."""

import re
from pathlib import Path

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
