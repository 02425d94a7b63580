"""Where the fast engine keeps what it made once and can make again: compiled kernels and packed weights.

All of it may be deleted at any time. A folder that cannot be written, or that other users could write to, costs time
and nothing else: it is said once, and everything is made anew, in memory.
"""

import functools
import hashlib
import logging
import os
import shutil
from io import FileIO
from pathlib import Path

from refnet.cache_folder import check_own_folder, open_own
from refnet.errors import UsageError

_log = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent


@functools.cache
def sources_digest() -> str:
    """A digest of every source file of the engine: what any of them makes is another thing after an edit."""
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.rglob("*.py")):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(_SOURCES).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@functools.cache
def say_once(message: str) -> None:
    """Warn of something that the engine goes on without, once in the life of a process."""
    _log.warning(message)


def open_kept(path: Path) -> FileIO | None:
    """A file of the cache, open for reading; None if it is not there or someone else may have written it.

    A file that is not to be trusted is said once. Of a folder, whoever wants to write there says so.
    """
    try:
        check_own_folder(path.parent)
    except (OSError, UsageError):
        return None
    try:
        return open_own(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.info("%s cannot be opened: %s", path, error)
        return None
    except UsageError as error:
        say_once(f"a file of the cache is not used, and is made anew: {error}")
        return None


def last_used(path: Path) -> float:
    """When a file or folder was last marked as used; long ago if it is gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def mark_used(path: Path) -> None:
    """Let a file or folder count as used now."""
    try:
        os.utime(path)
    except OSError:  # someone else's, or gone: then it is merely a candidate for deletion
        return


def remove(path: Path) -> None:
    """Delete a file or folder; whoever has it open keeps it, and whoever deletes it first is welcome."""
    try:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return
