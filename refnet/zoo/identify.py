"""Which published file a file is: by its size, then by its digest, and by nothing else."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from refnet.errors import ModelError
from refnet.files import digest
from refnet.formats.disguises import disguise
from refnet.opening import open_regular, reading
from refnet.zoo.cards import Card, ModelFile, SyntheticFile, cards

_START_BYTES = 1024


@dataclass(frozen=True)
class Identity:
    """The card a file belongs to, and which of its files it is."""

    card: Card
    file: ModelFile | SyntheticFile

    @property
    def note(self) -> str:
        """Which of the card's files."""
        if isinstance(self.file, SyntheticFile):
            return f"synthetic weights, seed {self.file.seed}, spatial = {self.file.spatial}"
        return self.file.note


def identify(path: Path) -> Identity | None:
    """The card that a file is of; None if it is of none. Its name says nothing.

    Raises
    ------
    ModelError
        If there is no file, or it cannot be read.
    """
    for card in cards():
        files: tuple[ModelFile | SyntheticFile, ...] = (*card.files, *card.synthetic)
        for file in files:
            if matches(path, file):
                return Identity(card, file)
    return None


def which(path: Path, files: Iterable[ModelFile]) -> ModelFile | None:
    """The first of `files` that the file at `path` is; None if it is none of them."""
    return next((file for file in files if matches(path, file)), None)


def matches(path: Path, file: ModelFile | SyntheticFile) -> bool:
    """Whether the file at `path` has the size and every known digest; never, if none is known.

    The file is read only if its size is right.
    """
    known = {"sha256": file.sha256} if isinstance(file, SyntheticFile) else file.digests
    try:
        if not known or path.stat().st_size != file.size_bytes:
            return False
        return all(digest(path, algorithm) == value for algorithm, value in known.items())
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def departure(path: Path, files: Iterable[ModelFile]) -> str:
    """What is wrong with a file that is none of `files`, as the end of a sentence."""
    with reading(path, ModelError), open_regular(path) as opened:
        start, size_bytes = opened.read(_START_BYTES), os.fstat(opened.fileno()).st_size
    sizes = sorted({file.size_bytes for file in files})
    if size_bytes not in sizes:
        expected = f"it has {size_bytes:,} bytes; expected {' or '.join(f'{size:,}' for size in sizes)}"
        known = disguise(start, size_bytes)
        return f"{expected}: {known}" if known else expected
    known_digests = [(name, value) for file in files for name, value in file.digests.items()]
    algorithm = "sha256" if "sha256" in dict(known_digests) else known_digests[0][0]
    values = " or ".join(value for name, value in known_digests if name == algorithm)
    return f"its {algorithm} is {digest(path, algorithm)}; expected {values}"
