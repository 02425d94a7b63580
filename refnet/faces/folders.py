"""The images of a folder and of the folders in it, in the order of their names, told one by one.

The names of one folder have to be there before the first of them is told, since a folder is listed in any order. They
are kept as sorted runs of bytes: the length of a name and one byte more for each, and nothing for the folders that are
done.
"""

import errno
import heapq
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_RUN = 8192  # names that are sorted together


def images_in(folder: str) -> Iterator[str]:
    """Tell the images of a folder, known by their suffix, at any depth; links to folders are not followed.

    A folder below it that cannot be listed is told under its own name, in its place: `why_unlisted` says why.

    Raises
    ------
    OSError
        If `folder` itself cannot be listed.
    """
    open_folders = [_listed(folder)]
    while open_folders:
        for name, is_folder in open_folders[-1]:
            if not is_folder:
                yield name
                continue
            try:
                open_folders.append(_listed(name))
            except OSError:
                yield name
            else:
                break
        else:
            open_folders.pop()


def why_unlisted(name: str) -> str:
    """Why a name from `images_in` leads to no file that could be opened: a sentence, or nothing."""
    try:
        os.scandir(name).close()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"{name}: the path has {len(os.fsencode(name)):,} bytes, more than the system can open; move it up"
        if Path(name).is_dir():
            return f"{name}: the folder cannot be read: {(error.strerror or str(error)).lower()}"
    return ""


def _listed(folder: str) -> Iterator[tuple[str, bool]]:
    """The paths of images and folders in one folder, in the order of their names, and which of them are folders."""
    images, folders = _Names(), _Names()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and not _leads_to_folder(entry):  # noqa: PTH122 - a Path keeps its name for the process
                images.add(entry.name)
    both = heapq.merge(((name, False) for name in images), ((name, True) for name in folders))
    return ((os.path.join(folder, name), is_folder) for name, is_folder in both)  # noqa: PTH118 (a Path for each costs)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to a folder."""
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: no folder, and whoever opens it says so
        return False


class _Names:
    """Names to be told in order, as few bytes."""

    def __init__(self) -> None:
        self._fresh: list[str] = []
        self._runs: list[bytes] = []

    def add(self, name: str) -> None:
        self._fresh.append(name)
        if len(self._fresh) == _RUN:
            self._pack()

    def __iter__(self) -> Iterator[str]:
        if self._fresh:
            self._pack()
        return heapq.merge(*map(_unpacked, self._runs))

    def _pack(self) -> None:
        self._runs.append(os.fsencode("\0".join(sorted(self._fresh))))
        self._fresh = []


def _unpacked(run: bytes) -> Iterator[str]:
    """The names of one run, one at a time."""
    start = 0
    while start <= len(run):
        end = run.find(b"\0", start)
        end = len(run) if end < 0 else end
        yield os.fsdecode(run[start:end])
        start = end + 1
