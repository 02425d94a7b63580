"""Which cards are meant: names, aliases, patterns, lists in files."""

import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from refnet.errors import InputError, UsageError
from refnet.opening import read_text, reading
from refnet.zoo.cards import Card, cards


def select(patterns: Iterable[str]) -> tuple[Card, ...]:
    """Cards that match, each once, in the order asked for.

    Parameters
    ----------
    patterns : of str
        Names, aliases, or shell patterns of them (`fnmatch`, capitals count); each may be several, between commas.

    Raises
    ------
    UsageError
        If a pattern matches no card.
    """
    found: dict[str, Card] = {}
    for pattern in (part.strip() for text in patterns for part in text.split(",")):
        matching = [card for card in cards() if any(fnmatchcase(name, pattern) for name in card.names)]
        if not matching:
            raise UsageError(f"no model matches {pattern!r}; known are {', '.join(card.name for card in cards())}")
        found.update((card.name, card) for card in matching)
    return tuple(found.values())


def read_list(path: Path) -> tuple[str, ...]:
    """Patterns in a file as Open Model Zoo's `models.lst`: a line's first word, in a shell's quoting; `#` comments.

    Raises
    ------
    InputError
        If the file cannot be read, or a quote is not closed; names the line.
    """
    with reading(f"the list {path}", InputError, "cannot be read"):
        lines = read_text(path).splitlines()
    patterns = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"the list {path}, line {number}: {str(error).lower()}") from error
        patterns += words[:1]
    return tuple(patterns)
