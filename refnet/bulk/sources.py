"""Which images there are: files, folders at any depth, patterns and lists, told one by one.

Nothing is read but names. Those of one folder are held while it is told, a byte more than its length each: a hundred
million photographs in one folder of names of 20 bytes take 2 GB. Folders of folders cost what is open at a time. A
pattern holds all that match it.
"""

import glob
import os
from collections.abc import Iterable, Iterator

from refnet.errors import InputError
from refnet.faces.folders import SUFFIXES, images_in

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
        If an input is not there, a pattern matches nothing, or a folder holds no image or cannot be read. A folder
        within a folder that cannot be read is told as if it were an image, and fails as one.
    """
    for entry in inputs:
        if os.path.isdir(entry):  # noqa: PTH112 (a name that is too long is no folder, and no traceback)
            yield from _some(_in_folder(entry), f"no images found in {entry}; looked for {', '.join(sorted(SUFFIXES))}")
        elif os.path.lexists(entry):
            yield entry
        elif _PATTERN.intersection(entry) and "\0" not in entry:  # which glob raises for, and no file has in its name
            yield from _some(_matching(entry), f"no file matches {entry}")
        else:
            raise InputError(f"{entry}: no such file or folder")


def _in_folder(folder: str) -> Iterator[str]:
    """The images of a folder and of the folders in it."""
    try:
        yield from images_in(folder)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read: {(error.strerror or str(error)).lower()}") from error


def _matching(pattern: str) -> Iterator[str]:
    """The files that match a pattern, in the order of their names."""
    try:
        found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    except RecursionError:
        raise InputError(
            f"{pattern}: folders are too deep for a pattern; give the folder itself, which means its images at any depth"
        ) from None
    return (name for name in found if not os.path.isdir(name))  # noqa: PTH112


def _some(names: Iterator[str], otherwise: str) -> Iterator[str]:
    """The names, or an error if there is none."""
    count = 0
    for count, name in enumerate(names, 1):  # noqa: B007
        yield name
    if not count:
        raise InputError(otherwise)
