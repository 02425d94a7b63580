"""Tables that name the images of pairs: LFW's ``pairs.txt``, and CSV files with the columns a, b, same and group.

LFW's form (vis-www.cs.umass.edu/lfw/README.txt): ``name n m`` for two images of one person, ``name n other m`` for
images of two, image n of a person being ``name/name_000n.jpg``. The first line may say how many there are: ``folds
pairs`` or ``pairs``, of each kind and fold. A header that does not fit the rest is an error: the table is cut off, or
another's.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from refnet.errors import InputError
from refnet.opening import read_text, reading

MOST_NAMED = 5  # in a message; the others are counted
LFW_SUFFIXES = (".jpg", ".png", ".jpeg", ".webp")
Image = tuple[str, int]  # of LFW: a person, and a number
Key = TypeVar("Key")
TRUTH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class ListedPair:
    """A line of a table: two indices into its files, whether they are of one person, and a group, or ""."""

    line: int
    first: int
    second: int
    same: bool
    group: str


@dataclass(frozen=True)
class Table:
    """Pairs, the files they are of, and whose each file is where the table says so."""

    pairs: tuple[ListedPair, ...]
    files: tuple[Path, ...]
    people: tuple[str, ...] | None


def read_lfw(path: Path, images: Path) -> Table:
    """Read LFW's form; `images` is the folder of the persons' folders.

    Raises
    ------
    InputError
        If a line is of another form, the header does not fit, an image is missing, or a pair occurs twice.
    """
    lines = [
        (n, line.split("\t") if "\t" in line else line.split()) for n, line in enumerate(_text(path).splitlines(), 1)
    ]
    lines = [(n, [field.strip() for field in fields]) for n, fields in lines if any(map(str.strip, fields))]
    header = lines[0][1] if lines and len(lines[0][1]) <= 2 and all(map(_is_number, lines[0][1])) else None
    rows: list[tuple[int, Image, Image, bool, str]] = []
    for line, fields in lines[1:] if header else lines:
        if len(fields) not in (3, 4):
            raise InputError(
                f"{path}, line {line}: it has {len(fields)} fields; expected `name n m` or `name n other m`"
            )
        person, number, *rest = fields
        other = [person, *rest] if len(rest) == 1 else rest
        for said in (number, other[1]):
            if not _is_number(said):
                raise InputError(f"{path}, line {line}: {said!r} is no number of an image; expected 1, 2, ...")
        rows.append((line, (person, int(number)), (other[0], int(other[1])), len(rest) == 1, ""))
    if header:
        _check_header(path, header, [row[3] for row in rows])
    keys = list(dict.fromkeys(key for row in rows for key in row[1:3]))
    files = _found(path, keys, lambda key: _lfw_places(images, *key))
    return Table(_indexed(path, rows, keys), files, tuple(person for person, _ in keys))


def read_csv(path: Path, images: Path) -> Table:
    """Read a CSV file with the columns a, b (files in the folder `images`), same (1, 0, true, false) and perhaps group.

    Raises
    ------
    InputError
        If it has other columns, a line is of another form, an image is missing, or a pair occurs twice.
    """
    table = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    rows: list[tuple[int, str, str, bool, str]] = []
    try:
        columns = table.fieldnames or ()
        if not {"a", "b", "same"} <= set(columns):
            raise InputError(f"{path}: columns are {sorted(columns)}; expected a, b, same and, it may be, group")
        for row in table:
            if None in row or None in row.values():
                raise InputError(f"{path}, line {table.line_num}: expected {len(columns)} fields, {','.join(columns)}")
            same = TRUTH.get(row["same"].strip().lower())
            if same is None or not row["a"] or not row["b"]:
                raise InputError(
                    f"{path}, line {table.line_num}: a={row['a']!r}, b={row['b']!r}, same={row['same']!r}; expected "
                    "two images, and 1 or 0"
                )
            rows.append((table.line_num, row["a"], row["b"], same, row.get("group", "").strip()))
    except csv.Error as error:
        raise InputError(f"{path}, line {table.line_num}: not a line of a table ({error})") from None
    names = list(dict.fromkeys(name for row in rows for name in row[1:3]))
    return Table(_indexed(path, rows, names), _found(path, names, lambda name: [images / name]), None)


def _text(path: Path) -> str:
    with reading(path, InputError, "not a table of pairs; it is no text"):
        return read_text(path, "utf-8-sig")


def _is_number(field: str) -> bool:
    """Whether it is the number of an image or of pairs: digits, and not too many to be one."""
    return field.isascii() and field.isdigit() and len(field) <= 9


def _check_header(path: Path, header: Sequence[str], same: Sequence[bool]) -> None:
    folds, pairs = (1, int(header[0])) if len(header) == 1 else map(int, header)
    genuine = sum(same)
    if genuine != folds * pairs or len(same) - genuine != folds * pairs:
        raise InputError(
            f"{path}: its first line, {' '.join(header)!r}, says {folds * pairs:,} genuine and as many impostor pairs; "
            f"there are {genuine:,} and {len(same) - genuine:,}. The table is cut off, or the line is not its own"
        )


def _lfw_places(images: Path, person: str, number: int) -> list[Path]:
    return [images / person / f"{person}_{number:04d}{suffix}" for suffix in LFW_SUFFIXES]


def _found(path: Path, keys: Iterable[Key], places: Callable[[Key], list[Path]]) -> tuple[Path, ...]:
    """The first place of each image where there is a file; an error names those that are nowhere."""
    found: list[Path] = []
    missing: list[Path] = []
    for key in keys:
        there = next((place for place in places(key) if _is_file(place)), None)
        if there is None:
            missing.append(places(key)[0])
        else:
            found.append(there)
    if missing:
        more = f" and {len(missing) - MOST_NAMED:,} more" if len(missing) > MOST_NAMED else ""
        raise InputError(
            f"{path} names images that are not there: {', '.join(map(str, missing[:MOST_NAMED]))}{more}. Give their "
            "folder with --images"
        )
    return tuple(found)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - which raises for a name longer than names can be


def _indexed(
    path: Path, rows: Sequence[tuple[int, Key, Key, bool, str]], keys: Sequence[Key]
) -> tuple[ListedPair, ...]:
    """Rows with the places of their images instead of the images; each pair once."""
    place = {key: n for n, key in enumerate(keys)}
    pairs = [ListedPair(line, place[a], place[b], same, group) for line, a, b, same, group in rows]
    seen: dict[frozenset[int], int] = {}
    for pair in pairs:
        if pair.first == pair.second:
            raise InputError(f"{path}, line {pair.line}: an image is paired with itself; that tells nothing of a model")
        before = seen.setdefault(frozenset((pair.first, pair.second)), pair.line)
        if before != pair.line:
            raise InputError(f"{path}, line {pair.line}: the pair of line {before} again; each may count once")
    return tuple(pairs)
