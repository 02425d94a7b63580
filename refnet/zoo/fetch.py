"""Have a card's file in a folder: found there, copied from elsewhere, or downloaded.

Nothing is downloaded unless this is called. A file gets its name when its size and digests are the card's.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refnet.errors import MissingExtraError, ModelError, UsageError
from refnet.zoo.cache import refuse_unsupported
from refnet.zoo.cards import Card, ModelFile
from refnet.zoo.identify import which
from refnet.zoo.place import place


@dataclass(frozen=True)
class How:
    """How to download.

    Attributes
    ----------
    mirrors : tuple of str
        Instead of the card's: URLs of the file itself (they end in its name), or of a folder that holds it.
    retries : int
        Further tries at each mirror, after what may be over in a moment.
    timeout_seconds : float
        How long a server may be silent.
    backoff_seconds : float
        The longest wait before the first further try; doubles each time, up to 30 s. What is waited is drawn below it.
    offline : bool
        Do not use the network.
    """

    mirrors: tuple[str, ...] = ()
    retries: int = 4
    timeout_seconds: float = 30.0
    backoff_seconds: float = 1.0
    offline: bool = False


@dataclass(frozen=True)
class Fetched:
    """Where the file is, which of the card's it is, and how it came: "there", "copied" or "downloaded"."""

    path: Path
    file: ModelFile
    how: str


def mirrors_from_environment() -> tuple[str, ...]:
    """`$REFNET_MIRRORS`: URLs with white space between them."""
    return tuple(os.environ.get("REFNET_MIRRORS", "").split())


def offline_from_environment() -> bool:
    """`$REFNET_OFFLINE`: anything but nothing, 0, no and false."""
    return os.environ.get("REFNET_OFFLINE", "").strip().lower() not in ("", "0", "no", "false")


def fetch(
    card: Card,
    name: str,
    folder: Path,
    how: How,
    *,
    elsewhere: Sequence[Path] = (),
    advance: Callable[[int], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Have the card's file of that name in `folder`.

    Parameters
    ----------
    card : Card
    name : str
        Of a file; where the card knows several binaries of one name, any of them will do, the first is asked for first.
    folder : Path
        Made if it is not there.
    how : How
    elsewhere : paths
        Where the right file may lie already; then it is copied.
    advance : (bytes) -> None
        Told how much of the file is there, whenever that changes; less than before where it is begun anew.
    tell : (sentence) -> None
        Told what goes wrong on the way.

    Raises
    ------
    UnsupportedModelError
        If refnet refuses the model.
    ModelError
        If no digest of it is known, no mirror gives the file, or the network may not be used.
    UsageError
        If the folder or the disk does not take it, or a mirror's address is none.
    MissingExtraError
        If the libraries that download are not installed.
    """
    refuse_unsupported(card)
    files = [file for file in card.files if file.name == name]
    target = folder / name
    if not any(file.digests for file in files):
        raise ModelError(
            f"the digest of {name} is not known, so nothing could tell the right file from another: it is not fetched. "
            f"Get it from {card.home}, and give its path to --model."
        )
    if there := there_is(target, files):
        return Fetched(target, there, "there")
    for path in elsewhere:
        if found := there_is(path, files):
            _make(folder)
            place(path, target, found)
            return Fetched(target, found, "copied")
    if how.offline:
        expected = " or ".join(_described(file) for file in files)
        raise ModelError(
            f"{name} is not at {target}, and the network may not be used (--offline or $REFNET_OFFLINE). "
            f"Put the file there, or `refnet models import FILE`; it has {expected}."
        )
    try:
        from refnet.zoo.mirrors import download
    except ImportError as error:
        raise MissingExtraError(
            f"downloading needs {error.name}, which is not installed; install it with: pip install 'refnet[fetch]'"
        ) from error
    _make(folder)
    return download(card, target, files, how, advance, tell)


def there_is(path: Path, files: Sequence[ModelFile]) -> ModelFile | None:
    """Which of the files lies at `path`, if one does."""
    return which(path, files) if path.is_file() else None


def _described(file: ModelFile) -> str:
    """Size and digest, in words."""
    algorithm, value = next(iter(file.digests.items()), ("digest", "not known"))
    return f"{file.size_bytes:,} bytes and {algorithm} {value} ({file.note})"


def _make(folder: Path) -> None:
    """Make the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {(error.strerror or str(error)).lower()}") from error
