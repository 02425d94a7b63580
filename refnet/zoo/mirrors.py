"""Download a file from the first mirror that gives it: tries in turn, one process at a time, the right bytes or none.

Until it is verified, the file is a `.part` beside its name, which the next call goes on with. Needs the extra `fetch`.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
import requests
import tenacity

from refnet.errors import ModelError, UsageError
from refnet.files import sync
from refnet.zoo.cards import Card, ModelFile
from refnet.zoo.download import MirrorError, PassingError, forget, receive, shown
from refnet.zoo.fetch import Fetched, How, there_is
from refnet.zoo.identify import departure, which

_LONGEST_BACKOFF_SECONDS = 30.0
_PROGRESS_BYTES = 1 << 20  # tries that brought that much are not counted: a line that breaks often still gets there


def download(
    card: Card,
    target: Path,
    files: Sequence[ModelFile],
    how: How,
    advance: Callable[[int], None],
    tell: Callable[[str], None],
) -> Fetched:
    """Have one of `files`, which share a name, at `target`; raises and calls back as `refnet.zoo.fetch.fetch` does."""
    refused = []
    with _alone(target, tell), requests.Session() as session:
        if there := there_is(target, files):  # another process was here first
            return Fetched(target, there, "there")
        if target.is_file():
            tell(f"{target} is not {card.name} ({departure(target, files)}); the right file will take its place")
        session.headers["User-Agent"] = "refnet"
        for file, url in _addresses(files, how.mirrors):
            part = target.with_name(f".{target.name}.{next(iter(file.digests.values()))[:12]}.part")
            _check_space(part, file.size_bytes)
            try:
                came = _from_mirror(session, url, part, file, files, how, advance, tell)
            except (PassingError, MirrorError) as error:
                refused.append(f"{shown(url)}: {error}")
                tell(refused[-1])
                continue
            _name(part, target)
            return Fetched(target, came, "downloaded")
    parts = [part.stat().st_size for part in target.parent.glob(f".{target.name}.*.part")]
    kept = f"{max(parts):,} bytes are kept for the next time. " if any(parts) else ""
    reasons = "; ".join(refused) or "its card names no mirror"
    raise ModelError(
        f"{target.name} could not be fetched: {reasons}. {kept}Give another address with --mirror or $REFNET_MIRRORS, or "
        f"get the file from {card.home} and `refnet models import FILE`."
    )


def _from_mirror(
    session: requests.Session,
    url: str,
    part: Path,
    file: ModelFile,
    files: Sequence[ModelFile],
    how: How,
    advance: Callable[[int], None],
    tell: Callable[[str], None],
) -> ModelFile:
    """Bring `part` to the file's size, and say which of `files` it is; one begun before gets a second chance."""
    for begun_before in (part.exists(), False):
        _receive_by_tries(session, url, part, file.size_bytes, how, advance, tell)
        if came := which(part, files):
            return came
        wrong = departure(part, files)
        forget(part)
        if not begun_before:
            break
        tell(f"{shown(url)}: what was begun before and is complete now is not the file; beginning anew")
    raise MirrorError(f"what it sends is not the file: {wrong}")


def _receive_by_tries(
    session: requests.Session,
    url: str,
    part: Path,
    size_bytes: int,
    how: How,
    advance: Callable[[int], None],
    tell: Callable[[str], None],
) -> None:
    """`receive`, and again after what may be over in a moment; waits ever longer, by chance, as asked by the server."""
    backoff = tenacity.wait_random_exponential(multiplier=how.backoff_seconds, max=_LONGEST_BACKOFF_SECONDS)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_seconds if isinstance(error, PassingError) else 0.0
        seconds = max(backoff(state), asked)
        tell(f"{shown(url)}: {error}; trying again in {seconds:.1f} s")
        return seconds

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PassingError),
        stop=tenacity.stop_after_attempt(1 + how.retries),
        wait=wait,
        reraise=True,
    )
    while True:
        before = _size(part)
        try:
            return retrying(
                receive, session, url, part, size_bytes=size_bytes, timeout_seconds=how.timeout_seconds, advance=advance
            )
        except PassingError:
            if _size(part) - before < _PROGRESS_BYTES:
                raise


def _addresses(files: Sequence[ModelFile], mirrors: Sequence[str]) -> Iterator[tuple[ModelFile, str]]:
    """Where to ask, in order, and for which of the card's files."""
    known = [file for file in files if file.digests]
    for url in mirrors:
        if "://" not in url:
            raise UsageError(f"the mirror {url!r} is no URL; expected one such as https://example.org/models")
        whole = url.partition("?")[0].endswith("/" + known[0].name)
        yield known[0], url if whole else f"{url.rstrip('/')}/{known[0].name}"
    if not mirrors:
        yield from ((file, url) for file in known for url in file.mirrors)


def _check_space(part: Path, size_bytes: int) -> None:
    """Refuse early where the rest of the file finds no room."""
    missing = size_bytes - _size(part)
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise UsageError(
            f"{part.parent} has {free:,} bytes free, and {missing:,} more are needed; make room, or choose another place "
            "with --cache-dir or $REFNET_CACHE_DIR"
        )


def _name(part: Path, target: Path) -> None:
    """Give the verified file its name."""
    try:
        sync(part)
        part.replace(target)
        sync(target.parent)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {(error.strerror or str(error)).lower()}") from error
    forget(part)


@contextmanager
def _alone(target: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process downloads this file, and let none begin; ends with the process, however it ends."""
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            tell(f"another process is fetching {target.name}; waiting for it")
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot write in {target.parent}: {reason}") from error
    try:
        yield
    finally:
        lock.release()


def _size(part: Path) -> int:
    """How much is there."""
    return part.stat().st_size if part.exists() else 0
