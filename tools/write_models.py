"""Write the table of docs/models.md from the model cards.

    python tools/write_models.py

Between `<!-- cards -->` and `<!-- /cards -->` stands what `table` returns; a test compares the two.
"""

import re
from pathlib import Path

from refnet.zoo import Card, cards

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
BLOCK = re.compile(r"<!-- cards -->\n(.*?)\n<!-- /cards -->", re.DOTALL)


def main() -> None:
    """Replace the table."""
    text, count = BLOCK.subn(lambda _: f"<!-- cards -->\n{table()}\n<!-- /cards -->", PAGE.read_text("utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} blocks named cards; expected one")
    PAGE.write_text(text, "utf-8")


def table() -> str:
    """Every card in a row, every file in a line of it."""
    head = ["| name | what it is | licence | file, bytes, SHA-256 | published accuracy |", "|---|---|---|---|---|"]
    return "\n".join(head + [row(card) for card in cards()])


def row(card: Card) -> str:
    """One card."""
    names = f"`{card.name}`" + "".join(f"<br>also `{alias}`" for alias in card.aliases)
    what = card.title + ("<br>**refused**: quantised" if card.refused else "")
    files = "<br>".join(
        f"{file.name} ({file.note}), {file.size_bytes:,}, `{file.sha256[:16]}...`" for file in card.files
    )
    figures = "<br>".join(f"{figure.dataset} {figure.value:.5g} ({figure.protocol})" for figure in card.figures)
    return f"| {names} | {what} | {card.licence} | {files} | {figures or 'none'} |"


if __name__ == "__main__":
    main()
