"""Lets docstrings be plain text: what would be markup in them by accident is shown as it stands.

refnet's docstrings are read in the source, where `|w| * |x|` is a product of magnitudes and not markup. Code in
backticks, doctests and the layout of numpydoc keep their meaning; stars, bars and trailing underscores are literal; a
paragraph with an indented line, a formula that goes on in the next line, keeps its lines.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(``.+?``|`[^`]+`_?)")
_MARKUP = re.compile(r"[*|\\]|_(?=\W|$)")
_RULE = re.compile(r"^\s*-{3,}\s*$")


def escaped(line: str) -> str:
    """A line of prose whose every character is literal, but for its code in backticks."""
    parts = _CODE.split(line)
    return "".join(part if i % 2 else _MARKUP.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def paragraphs(lines: list[str]) -> list[list[str]]:
    """The lines between blank ones."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def depth(line: str) -> int:
    """How far a line is indented."""
    return len(line) - len(line.lstrip())


def plain(lines: list[str]) -> list[str]:
    """A docstring's lines as reStructuredText that shows them as they are."""
    out: list[str] = []
    listing = False
    for part in paragraphs(lines):
        if part[0].lstrip().startswith(">>>"):
            out += [*part, ""]
            continue
        if len(part) > 1 and _RULE.match(part[1]):  # a section: parameters are lists, notes are prose
            listing = part[0].strip() not in ("Notes", "References", "Examples", "Warnings")
            out += part[:2]
            part = part[2:]
        if not part:
            continue
        if part[0].lstrip().startswith((">>>", "- ", "* ", ".. ")):
            out += [*part, ""]
        elif not listing and len(part) > 1 and any(depth(line) > depth(part[0]) for line in part[1:]):
            out += [*(f"| {escaped(line)}" for line in part), ""]
        else:
            out += [*(escaped(line) for line in part), ""]
    return out


def process(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Change the docstring in place, before numpydoc reads it."""
    lines[:] = plain(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Go before numpydoc, whose priority is the usual 500."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
