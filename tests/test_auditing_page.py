"""docs/auditing.md: its commands print what it says they print, and its sentences quote what was printed."""

import re
import runpy
from pathlib import Path

import pytest

from refnet.evaluation.intervals import wilson

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "auditing.md").read_text("utf-8")
TOOL = runpy.run_path(str(ROOT / "tools" / "write_auditing.py"))
AUDIT = PAGE[PAGE.index("## An audit, from the file to the sentence") :]
BLOCKS = [block for block in TOOL["BLOCK"].finditer(PAGE) if block["command"]]


def steady(text: str) -> list[str]:
    """The lines without what time and another runtime or linear algebra library change."""
    words = [line for line in text.splitlines() if not line.startswith("integrated gradients")]
    return [re.sub(r"\d(\.\d+)?e-\d\d|\d\.\d\d$|onnxruntime \S+|in \d+\.\d s", "#", line) for line in words]


def test_the_page_says_what_its_commands_print(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert steady(TOOL["written"](PAGE, tmp_path)) == steady(PAGE), "run: python tools/write_auditing.py"
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"model.onnx", "make_pairs.py", "faces", "pairs.csv", "threshold.json", "why"}
    assert {path.name for path in (tmp_path / "why").iterdir()} == {
        "explanation.png",
        "explanation.npz",
        "explanation.json",
    }


def test_its_integrated_gradients_are_complete() -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("integrated gradients")]
    assert line.endswith(": complete")


def test_what_may_be_written_quotes_what_was_printed() -> None:
    printed = "\n".join(block["output"] for block in BLOCKS)
    (table,) = re.findall(r"\| may be written .*?\n\n", AUDIT, flags=re.DOTALL)
    allowed = "\n".join(row.split("|")[1] for row in table.strip().splitlines()[2:])
    for number in re.findall(r"\b0\.\d{3,}\b", allowed):
        assert number in printed, number
    (digest,) = re.findall(r"sha256 (\w+)\.\.\.", allowed)
    assert f"sha256 {digest}" in printed
    assert ", ".join(re.findall(r"noise .*", printed)).endswith("from 80")
    assert ", ".join(re.findall(r"rotation .*", printed)).endswith("from 10")


def test_its_small_calculations_are_right() -> None:
    assert "Wilson's interval reaches 0.023 " in PAGE
    assert wilson(3, 380)[1] == pytest.approx(0.023, abs=5e-4)
    assert "that is 0.63: two of\nthree strangers" in PAGE
    assert pytest.approx(0.63, abs=5e-3) == 1 - (1 - 1e-4) ** 10_000
    pairs, of_one = 100 * 99 // 2, 99
    assert f"100 persons make {pairs:,} impostor pairs, but one odd face is in {of_one} of them" in PAGE
