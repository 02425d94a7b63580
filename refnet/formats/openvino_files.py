"""The two files of an OpenVINO model, which are replaced together or not at all.

Two names cannot change at one moment. So the old .bin and then the old .xml are put aside (`.NAME.old`, in the same
folder), the new .bin and then the new .xml take their names, and the old ones are deleted. At no moment is an .xml beside
the .bin of another one. A writer that fails puts the old files back; what a killed one has left, the next one puts back.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from refnet.errors import UsageError
from refnet.files import check_place, locked, replacing


@contextmanager
def replacing_both(xml: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open the .xml and its .bin for writing; they take their names only when the block ends without an error.

    One process at a time does so; others wait.

    Raises
    ------
    UsageError
        If one of them cannot be written; then both are as they were.
    """
    weights, placed = xml.with_suffix(".bin"), False
    check_place(xml)
    try:
        with locked(xml.with_name(f".{xml.name}.lock")):
            _settle(xml, weights)
            try:
                with replacing(xml, durable=True) as text, replacing(weights, durable=True) as numbers:
                    yield text, numbers
                    for file in (numbers, text):  # all that can fail for want of room fails before a name changes
                        file.flush()
                        os.fsync(file.fileno())
                    _put_aside(xml, weights)
                    placed = True
            except BaseException:
                if placed and not os.path.lexists(xml):
                    weights.unlink(missing_ok=True)  # the new one; an old one is aside
                raise
            finally:
                _settle(xml, weights)
    except OSError as error:
        raise UsageError(f"cannot write {xml}: {(error.strerror or str(error)).lower()}") from error


def _put_aside(xml: Path, weights: Path) -> None:
    """Take away the old files, the .bin first; for an .xml without one, an empty file tells that it is aside."""
    if os.path.lexists(weights):
        weights.rename(_old(weights))
    elif os.path.lexists(xml):
        _old(weights).touch()
    if os.path.lexists(xml):
        xml.rename(_old(xml))


def _settle(xml: Path, weights: Path) -> None:
    """Delete what is aside if both files are there, else put it back, the .bin first."""
    both = os.path.lexists(xml) and os.path.lexists(weights)
    for path in (weights, xml):
        if both:
            _old(path).unlink(missing_ok=True)
        elif os.path.lexists(_old(path)):
            _old(path).replace(path)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
