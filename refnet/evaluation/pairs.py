"""Labelled pairs of faces: which images there are, which two make a pair, and whether they are of one person.

Two forms are read: InsightFace's pickles (``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin``), and tables that name the
images of a folder: LFW's ``pairs.txt``, or a CSV file with the columns ``a``, ``b``, ``same`` and, it may be, ``group``.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.evaluation.safe_pickle import finished, read_safely
from refnet.evaluation.tables import MOST_NAMED, Table, read_csv, read_lfw
from refnet.faces.image import read_crop
from refnet.graph import Array


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
    if path.suffix.lower() not in _READERS:
        raise UsageError(f"{path}: the suffix is {path.suffix!r}; expected {', '.join(_READERS)}")
    if path.suffix.lower() == ".bin" and images is not None:
        raise UsageError(f"{path} holds its images itself; --images belongs to a table of names")
    found = _READERS[path.suffix.lower()](path, images or path.parent)
    genuine = int(found.same.sum())
    if genuine in (0, len(found.same)):
        kind = "one person" if genuine else "different persons"
        raise InputError(f"{path}: all {len(found.same)} pairs are of {kind}; accuracy needs pairs of both kinds")
    return found


def _read_bin(path: Path, _: Path) -> PairSet:
    """InsightFace's pickle of (images, same); pair k is images 2k and 2k + 1.

    The images have no names. They are given their number and the beginning of their SHA-256, so that saved embeddings
    of one set are never taken for those of another.
    """
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
            return read_crop(io.BytesIO(encoded[index]), height, width)
        except InputError as error:
            raise InputError(f"{path}: image {index} (pair {index // 2}): {error}") from None

    count = len(same)
    names = tuple(f"{number:05d}-{hashlib.sha256(item).hexdigest()[:12]}" for number, item in enumerate(encoded))
    first = np.arange(count) * 2
    return PairSet(path.name, names, crop, first, first + 1, np.array([bool(value) for value in same]))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))


def _read_table(read: Callable[[Path, Path], Table]) -> Callable[[Path, Path], PairSet]:
    """The reader of a set of pairs whose table `read` reads."""

    def reader(path: Path, images: Path) -> PairSet:
        table = read(path, images)
        if not table.pairs:
            raise InputError(f"{path}: there is no pair in it")
        groups = tuple(pair.group for pair in table.pairs)
        return PairSet(
            name=path.name,
            images=tuple(map(str, table.files)),
            crop=lambda index, height, width: read_crop(table.files[index], height, width),
            first=np.array([pair.first for pair in table.pairs]),
            second=np.array([pair.second for pair in table.pairs]),
            same=np.array([pair.same for pair in table.pairs]),
            groups=groups if any(groups) else None,
            people=table.people,
        )

    return reader


_READERS = {".bin": _read_bin, ".txt": _read_table(read_lfw), ".csv": _read_table(read_csv)}


def check_crops(pairs: PairSet, height: int, width: int) -> None:
    """Decode every image once, one at a time, so that a damaged one is known before hours of computing.

    Raises
    ------
    InputError
        Naming the images that cannot be decoded or have another size than the network takes, up to a bound.
    """
    failed: list[str] = []
    for index in range(len(pairs.images)):
        try:
            pairs.crop(index, height, width)
        except InputError as error:
            failed.append(str(error))
    if failed:
        more = f"; and {len(failed) - MOST_NAMED:,} more" if len(failed) > MOST_NAMED else ""
        raise InputError(
            f"{len(failed):,} of {len(pairs.images):,} images of {pairs.name} cannot be used: "
            + "; ".join(failed[:MOST_NAMED])
            + more
        )


def crops(pairs: PairSet, height: int, width: int, batch: int) -> Iterator[Array]:
    """All images, decoded, a batch at a time: (B, 3, H, W) uint8."""
    for start in range(0, len(pairs.images), batch):
        indices = range(start, min(start + batch, len(pairs.images)))
        yield np.stack([pairs.crop(index, height, width) for index in indices])
