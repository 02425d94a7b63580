"""Files that others made: only regular ones are opened, and whatever is wrong with one ends in an error of ours.

A pipe makes whoever opens it wait for its writer, a device may never end, and a library that reads a damaged file raises
what it likes. Neither may end a run with a traceback, or never.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO, TextIOWrapper
from pathlib import Path

from refnet.errors import RefnetError

TEXT_BYTES = 1 << 28  # of a file that is read whole as text: lists, tables, landmarks
_ROOM_BYTES = 1 << 20  # up to which it does not matter
_LONGEST_REASON = 200  # letters of what a library says


class NotRegularError(OSError):
    """A pipe, a device or a socket where a file is expected."""


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular file for reading, in binary; anything else is refused without waiting for it.

    Raises
    ------
    OSError
        What the system says; also where there is something else than a regular file, or no file can have such a name.
    """
    try:
        _refuse_irregular(os.stat(path), path)  # noqa: PTH116 - a path as it was given; opening a device may do something
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # a NUL, or a letter that stands for no byte of a name
        raise OSError(errno.EINVAL, "no file can have such a name", str(path)) from error
    try:
        _refuse_irregular(os.fstat(descriptor), path)
        return _Reader(FileIO(descriptor))
    except BaseException:
        os.close(descriptor)
        raise


def open_text(path: str | Path, encoding: str = "utf-8", errors: str = "strict") -> TextIOWrapper:
    """The same as text, with the ends of lines as they are."""
    return TextIOWrapper(open_regular(path), encoding=encoding, errors=errors, newline="")


def read_bytes(path: str | Path, limit_bytes: int = TEXT_BYTES) -> bytes:
    """The content of a regular file that may not be larger than a limit.

    Raises
    ------
    OSError
        As `open_regular`, and if the file is larger.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit_bytes:
            raise OSError(errno.EFBIG, f"it has more than {limit_bytes:,} bytes", str(path))
        return file.read()


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The text of a regular file of at most `TEXT_BYTES`, every end of a line as a newline."""
    return read_bytes(path).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def exists(path: str | Path) -> bool:
    """Whether there is something of this name; False, where `Path.exists` raises, for names that cannot be looked at."""
    return os.path.exists(path)  # noqa: PTH110


@contextmanager
def reading(path: object, kind: type[RefnetError], otherwise: str = "damaged or unreadable") -> Iterator[None]:
    """The boundary of a reader: whatever is raised while it parses a file becomes `kind`, with the file's name.

    Errors of refnet's own stay what they are; the file's name is put before those that do not begin with it. Computing
    is no reading: a fault of ours must not pass for a damaged file.

    Parameters
    ----------
    path : what the file is called
    kind : ModelError or InputError
    otherwise : what to say before the library's reason
    """
    try:
        yield
    except RefnetError as error:
        if str(error).startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error}") from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        if isinstance(error, FileNotFoundError):
            raise kind(f"{path}: no such file") from error
        if isinstance(error, OSError) and error.strerror:
            raise kind(f"{path}: cannot be read ({said_by_system(error)})") from error
        raise kind(f"{path}: {otherwise} ({reason(error)})") from error


def said_by_system(error: OSError) -> str:
    """What the operating system says, as a clause."""
    return (error.strerror or str(error)).lower()


def reason(error: BaseException) -> str:
    """What a library says of a file, as a clause of bounded length."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    said = " ".join(str(error).split())[:_LONGEST_REASON]
    return said or type(error).__name__


class _Reader(BufferedReader):
    """A file of which no more is asked than it has.

    `BufferedReader.read` makes room for as many bytes as it is asked for; libraries ask for what a damaged header says.
    """

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, up to a number of them."""
        if size is not None and size > _ROOM_BYTES:
            size = min(size, max(os.fstat(self.fileno()).st_size - self.tell(), 0))
        return super().read(size)


def _refuse_irregular(status: os.stat_result, path: str | Path) -> None:
    """Raise OSError for what is no regular file."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(errno.EINVAL, "not a regular file", str(path))
