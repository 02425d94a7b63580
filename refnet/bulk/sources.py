"""Which images there are: files, folders at any depth, patterns and lists, told one by one.

Nothing is read but names, and no list of them is kept: a folder of a hundred million photographs starts at once.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from refnet.errors import InputError
from refnet.faces.image import SUFFIXES

_PATTERN = frozenset("*?[")


def image_names(inputs: Iterable[str]) -> Iterator[str]:
    """Tell the images meant by the inputs, in their order; what is in a folder in the order of its names.

    Parameters
    ----------
    inputs : files, folders, and patterns such as ``photos/**/*.jpg``
        A folder means its images, at any depth, known by their suffix. A file is meant whatever its name is. What
        exists under a name with ``*?[`` in it is itself, and no pattern.

    Raises
    ------
    InputError
        If an input is not there, a pattern matches nothing, or a folder holds no image or cannot be read.
    """
    for entry in inputs:
        if os.path.isdir(entry):  # noqa: PTH112 - which may raise
            yield from _some(_in_folder(entry), f"no images found in {entry}; looked for {', '.join(sorted(SUFFIXES))}")
        elif os.path.lexists(entry):
            yield entry
        elif _PATTERN.intersection(entry) and "\0" not in entry:  # which glob raises for, and no file has in its name
            found = (name for name in sorted(glob.glob(entry, recursive=True)) if not os.path.isdir(name))  # noqa: PTH112, PTH207
            yield from _some(found, f"no file matches {entry}")
        else:
            raise InputError(f"{entry}: no such file or folder")


def _in_folder(folder: str) -> Iterator[str]:
    """The images of a folder and of the folders in it; links to folders are not followed."""
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read: {(error.strerror or str(error)).lower()}") from error
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry.path)
        elif Path(entry.name).suffix.lower() in SUFFIXES and not os.path.isdir(entry.path):  # noqa: PTH112
            yield entry.path


def _some(names: Iterator[str], otherwise: str) -> Iterator[str]:
    """The names, or an error if there is none."""
    count = 0
    for count, name in enumerate(names, 1):  # noqa: B007
        yield name
    if not count:
        raise InputError(otherwise)
