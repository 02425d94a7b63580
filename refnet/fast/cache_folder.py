"""Where the fast engine keeps what it made once and can make again: compiled kernels and packed weights.

All of it may be deleted at any time. A folder that cannot be written costs time and nothing else: it is said once,
and everything is made anew.
"""

import functools
import hashlib
import logging
import os
import shutil
from pathlib import Path

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
