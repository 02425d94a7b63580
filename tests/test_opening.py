"""Only regular files are opened, and whatever a library raises over one becomes an error with the file's name."""

import errno
import os
import socket
from pathlib import Path

import pytest

from refnet.errors import InputError, ModelError, UsageError
from refnet.opening import NotRegularError, exists, open_regular, read_bytes, read_text, reading


@pytest.fixture
def irregular(tmp_path: Path) -> dict[str, Path]:
    """A pipe without a writer, a socket, a folder, a link to itself, a device without end."""
    paths = {name: tmp_path / name for name in ("pipe", "socket", "folder", "link")}
    os.mkfifo(paths["pipe"])
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(paths["socket"]))
    paths["folder"].mkdir()
    paths["link"].symlink_to("link")
    return {**paths, "device": Path("/dev/zero")}


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("pipe", NotRegularError, "not a regular file"),
        ("socket", NotRegularError, "not a regular file"),
        ("device", NotRegularError, "not a regular file"),
        ("folder", IsADirectoryError, "it is a folder"),
        ("link", OSError, "symbolic links"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(
    irregular: dict[str, Path], name: str, kind: type[OSError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        open_regular(irregular[name])


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "x" * 300])
def test_a_name_that_no_file_can_have_is_an_oserror_and_does_not_exist(name: str) -> None:
    with pytest.raises(OSError, match="name"):
        open_regular(name)
    assert not exists(name)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_bytes(path, 7) == b"a\r\nb\rc\n"
    assert read_text(path) == "a\nb\nc\n"
    with pytest.raises(OSError, match="more than 6 bytes") as caught:
        read_bytes(path, 6)
    assert caught.value.errno == errno.EFBIG


def test_no_room_is_made_for_bytes_that_a_file_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with open_regular(path) as file:
        assert file.read(1 << 60) == b"abc"
        assert file.read(1 << 60) == b""


class Panic(BaseException):
    """As libraries in Rust raise it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no\nnumber"), r"x: damaged \(no number\)"),
        (ZeroDivisionError(), r"x: damaged \(ZeroDivisionError\)"),
        (MemoryError(), r"x: damaged \(it asks for more memory than there is\)"),
        (RecursionError("maximum"), r"x: damaged \(it is nested too deep\)"),
        (SystemError("tile"), r"x: damaged \(tile\)"),
        (OSError("image file is truncated"), r"x: damaged \(image file is truncated\)"),
        (PermissionError(errno.EACCES, "Permission denied"), r"x: cannot be read \(permission denied\)"),
        (Panic("index out of range"), r"x: damaged \(index out of range\)"),
        (InputError("the part is gone"), r"x: the part is gone"),
        (InputError("x: named already"), r"^x: named already"),
    ],
)
def test_whatever_is_raised_becomes_the_readers_error(error: BaseException, said: str) -> None:
    with pytest.raises(InputError, match=said), reading("x", InputError, "damaged"):
        raise error


def test_errors_of_ours_keep_their_kind_and_an_interrupt_is_none() -> None:
    with pytest.raises(UsageError, match="x: no"), reading("x", ModelError):
        raise UsageError("no")
    with pytest.raises(KeyboardInterrupt), reading("x", ModelError):
        raise KeyboardInterrupt
