"""docs/models.md says what the cards say, and what the command line has."""

import re
import runpy
from pathlib import Path

import pytest

from refnet.cli import main
from refnet.zoo import cards

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")


def test_the_table_is_what_the_tool_writes() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "write_models.py"))
    (written,) = re.findall(tool["BLOCK"], PAGE)
    assert written == tool["table"](), "run: python tools/write_models.py"


def test_the_table_has_every_card_and_every_file() -> None:
    for card in cards():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{card.name}`")]
        for file in card.files:
            assert f"{file.size_bytes:,}" in row
            assert file.sha256[:16] in row


def test_every_command_and_option_it_shows_exists(capsys: pytest.CaptureFixture[str]) -> None:
    shown = set(re.findall(r"^refnet models (\w+)", PAGE, flags=re.MULTILINE))
    assert shown == {"list", "info", "fetch", "verify", "import", "path", "make"}
    helps = ""
    for command in shown:
        assert main(["models", command, "--help"]) == 0
        helps += capsys.readouterr().out
    for option in re.findall(r"(?<!-)--[a-z][a-z-]+", PAGE):
        assert option in helps, option
