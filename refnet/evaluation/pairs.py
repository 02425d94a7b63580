"""Labelled pairs of faces: which images there are, which two make a pair, and whether they are of one person.

Two forms are read: InsightFace's pickles (``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin``), and tables that name the
images of a folder: LFW's ``pairs.txt``, or a CSV file with the columns ``a``, ``b``, ``same`` and, it may be, ``group``.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.evaluation.safe_pickle import finished, read_safely
from refnet.faces.image import read_crop
from refnet.graph import Array

_MOST_NAMED = 5
LFW_SUFFIXES = (".jpg", ".png", ".jpeg", ".webp")


@dataclass(frozen=True)
class PairSet:
    """Pairs of images.

    Attributes
    ----------
    name : str
        Of the file.
    images : names of the images
    crop : (index, height, width) -> (3, H, W) uint8, RGB
        Decodes an image; raises InputError.
    first, second : (P,) int
        Indices of images.
    same : (P,) bool
        Whether the two are of one person.
    groups : name of each pair's group, or None
    people : name of each image's person, or None where the file does not say
    """

    name: str
    images: tuple[str, ...]
    crop: Callable[[int, int, int], Array]
    first: Array
    second: Array
    same: Array
    groups: tuple[str, ...] | None = None
    people: tuple[str, ...] | None = None


def read_pairs(path: Path, images: Path | None = None) -> PairSet:
    """Read a file of pairs; its suffix says which form it has.

    Parameters
    ----------
    path : ``.bin`` (pickle), ``.txt`` (LFW) or ``.csv``
    images : folder of the images that a table names; the table's own folder if it is None

    Raises
    ------
    InputError
        If the file cannot be read, is of another form, names images that are not there, or tells of pairs of one kind
        only.
    """
    readers = {".bin": _read_bin, ".txt": _read_lfw, ".csv": _read_table}
    if path.suffix.lower() not in readers:
        raise UsageError(f"{path}: the suffix is {path.suffix!r}; expected {', '.join(readers)}")
    if path.suffix.lower() == ".bin" and images is not None:
        raise UsageError(f"{path} holds its images itself; --images belongs to a table of names")
    found = readers[path.suffix.lower()](path, images or path.parent)
    genuine = int(found.same.sum())
    if genuine in (0, len(found.same)):
        kind = "one person" if genuine else "different persons"
        raise InputError(f"{path}: all {len(found.same)} pairs are of {kind}; accuracy needs pairs of both kinds")
    return found


def _read_bin(path: Path, _: Path) -> PairSet:
    """InsightFace's pickle of (images, same); pair k is images 2k and 2k + 1."""
    content = read_safely(path)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise InputError(f"{path}: not a verification set; expected a pair (images, same)")
    encoded, same = (
        [finished(item) for item in content[0]] if isinstance(content[0], list | tuple) else None,
        content[1],
    )
    if encoded is None or not isinstance(same, list | tuple) or not all(_is_truth(value) for value in same):
        raise InputError(f"{path}: not a verification set; expected a list of images and a list of truth values")
    if len(encoded) != 2 * len(same) or not same:
        raise InputError(
            f"{path}: {len(encoded)} images for {len(same)} pairs; expected two a pair, and at least one pair"
        )
    for number, item in enumerate(encoded):
        if not (isinstance(item, bytes) or (isinstance(item, np.ndarray) and item.ndim == 1)):
            raise InputError(f"{path}: image {number} is a {type(item).__name__}; expected the bytes of an image file")

    def crop(index: int, height: int, width: int) -> Array:
        try:
            return read_crop(io.BytesIO(bytes(encoded[index])), height, width)
        except InputError as error:
            raise InputError(f"{path}: image {index} (pair {index // 2}): {error}") from None

    count = len(same)
    names = tuple(f"{number:05d}" for number in range(2 * count))
    first = np.arange(count) * 2
    return PairSet(path.name, names, crop, first, first + 1, np.array([bool(value) for value in same]))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))


def _read_lfw(path: Path, images: Path) -> PairSet:
    """LFW's pairs.txt: ``name n m`` for one person, ``name n other m`` for two; a first line of two numbers is a header."""
    lines = [line.split("\t") if "\t" in line else line.split() for line in _text(path).splitlines() if line.strip()]
    if lines and len(lines[0]) <= 2 and all(field.strip().isdigit() for field in lines[0]):
        lines = lines[1:]
    rows = []
    for number, fields in enumerate(lines, 1):
        if len(fields) == 3:
            rows.append(((fields[0], fields[1]), (fields[0], fields[2]), True, ""))
        elif len(fields) == 4:
            rows.append(((fields[0], fields[1]), (fields[2], fields[3]), False, ""))
        else:
            raise InputError(f"{path}: pair {number} has {len(fields)} fields; expected `name n m` or `name n other m`")
    known: dict[tuple[str, str], Path] = {}
    missing: list[str] = []
    for key in dict.fromkeys(key for row in rows for key in row[:2]):
        person, said = key
        if not said.strip().isdigit():
            raise InputError(f"{path}: {person} has the number {said!r}; expected a whole number")
        stem = f"{person}_{int(said):04d}"
        places = [images / person / f"{stem}{suffix}" for suffix in LFW_SUFFIXES]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            missing.append(str(images / person / f"{stem}.jpg"))
        else:
            known[key] = there
    _refuse_missing(path, missing)
    keys = list(known)
    return _table(path, _indexed(rows, keys), [known[key] for key in keys], tuple(person for person, _ in keys))


def _indexed(rows: Sequence[tuple[Any, Any, bool, str]], keys: Sequence[Any]) -> list[tuple[int, int, bool, str]]:
    """Rows with the places of their images instead of their keys."""
    place = {key: n for n, key in enumerate(keys)}
    return [(place[a], place[b], same, group) for a, b, same, group in rows]


def _read_table(path: Path, images: Path) -> PairSet:
    """A CSV file with the columns a, b (files in the folder), same (1, 0, true, false) and, it may be, group."""
    table = csv.DictReader(io.StringIO(_text(path)))
    columns = set(table.fieldnames or ())
    if not {"a", "b", "same"} <= columns:
        raise InputError(f"{path}: columns are {sorted(columns)}; expected a, b, same and, it may be, group")
    truth = {"1": True, "true": True, "0": False, "false": False}
    rows = []
    for number, row in enumerate(table, 1):
        said = (row["same"] or "").strip().lower()
        if said not in truth or not row["a"] or not row["b"]:
            raise InputError(
                f"{path}: pair {number} says a={row['a']!r}, b={row['b']!r}, same={row['same']!r}; same is 1 or 0"
            )
        rows.append((row["a"], row["b"], truth[said], (row.get("group") or "").strip()))
    files = list(dict.fromkeys(name for row in rows for name in row[:2]))
    _refuse_missing(path, [name for name in files if not (images / name).is_file()])
    return _table(path, _indexed(rows, files), [images / name for name in files], None)


def _table(
    path: Path, rows: list[tuple[int, int, bool, str]], files: Sequence[Path], people: tuple[str, ...] | None
) -> PairSet:
    if not rows:
        raise InputError(f"{path}: there is no pair in it")
    seen = {(min(a, b), max(a, b)) for a, b, _, _ in rows}
    if len(seen) != len(rows) or any(a == b for a, b, _, _ in rows):
        raise InputError(f"{path}: a pair occurs twice, or is an image with itself; each pair may count once")
    groups = tuple(group for *_, group in rows)
    return PairSet(
        name=path.name,
        images=tuple(map(str, files)),
        crop=lambda index, height, width: read_crop(files[index], height, width),
        first=np.array([row[0] for row in rows]),
        second=np.array([row[1] for row in rows]),
        same=np.array([row[2] for row in rows]),
        groups=groups if any(groups) else None,
        people=people,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a table of pairs; it is no text") from None


def _refuse_missing(path: Path, missing: Sequence[str]) -> None:
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise InputError(
            f"{path} names images that are not there: {', '.join(missing[:_MOST_NAMED])}{more}. Give their folder with --images"
        )


def crops(pairs: PairSet, height: int, width: int, batch: int) -> Iterator[Array]:
    """All images, decoded, a batch at a time: (B, 3, H, W) uint8."""
    for start in range(0, len(pairs.images), batch):
        indices = range(start, min(start + batch, len(pairs.images)))
        yield np.stack([pairs.crop(index, height, width) for index in indices])
