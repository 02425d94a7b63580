"""The standard streams where they cannot be written: closed, on a full disk, their reader gone.

What a command had to say and could not is exit status 2, whatever else it would have been; a reader that has gone, as
`head` does, is no failure.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, RawIOBase, TextIOWrapper
from typing import TextIO

from refnet.errors import UsageError
from refnet.opening import said_by_system


class ReaderGoneError(Exception):
    """Nobody reads stdout any more."""


def prepare() -> None:
    """Make the streams fit to be written to.

    A stream that was closed gets a descriptor of its own, so that no file is opened under its number: writing to it
    fails, but for stderr, which was closed so as to hear nothing. What the encoding lacks is escaped.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        if sys.stdout is sys.__stdout__ and isinstance(sys.stdout.buffer, RawIOBase):
            # PYTHONUNBUFFERED: half a line that was written would pass for a whole one.
            raw: RawIOBase = sys.stdout.buffer
            sys.stdout = TextIOWrapper(BufferedWriter(raw), sys.stdout.encoding, line_buffering=True)
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def writing() -> Iterator[None]:
    """The boundary of everything that writes to stdout.

    Raises
    ------
    UsageError
        If it cannot be written.
    ReaderGoneError
        If it is a pipe that nobody reads.
    """
    try:
        yield
    except BrokenPipeError as error:
        discard(sys.stdout)
        raise ReaderGoneError from error
    except OSError as error:
        discard(sys.stdout)
        raise UsageError(f"cannot write stdout: {said_by_system(error)}") from error


def discard(stream: TextIO) -> None:
    """Send all that goes to a stream, and what it still holds, nowhere; so that no exit fails over it."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
    except (OSError, ValueError):  # a stream without a descriptor
        return
