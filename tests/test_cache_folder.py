"""Files and folders that nobody but the user can have written."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from refnet import UsageError
from refnet import cache_folder as own
from refnet.cache_folder import cache_folder, check_own_folder, make_own_folder, open_own

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes of files")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away and become someone else"
)
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's own with a file in it, three deep."""
    made = tmp_path / "a" / "b" / "c"
    make_own_folder(made)
    (made / "file").write_bytes(b"content")
    (made / "file").chmod(0o600)
    return made


def read(path: Path) -> bytes:
    with open_own(path) as file:
        return file.read()


def test_the_environment_says_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", "/somewhere")
    assert cache_folder("kernels") == Path("/somewhere/kernels")
    monkeypatch.setenv("REFNET_CACHE_DIR", "")
    assert cache_folder("kernels").parts[-2:] == ("refnet", "kernels")


def test_folders_are_made_for_the_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_own_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b")] == [0o700, 0o700]
    make_own_folder(tmp_path / "a" / "b")


def test_a_file_of_the_users_own_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(folder / "file") == b"content"
    monkeypatch.chdir(folder)
    assert read(Path("file")) == b"content"
    assert read(Path("../c/./file")) == b"content"


def test_others_may_read(folder: Path) -> None:
    for path in (folder / "file", folder, folder.parent):
        path.chmod(0o755)
    assert read(folder / "file") == b"content"


@pytest.mark.parametrize("place", ["file", ".", "..", "../.."])
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_what_others_can_write_to_is_refused(
    folder: Path, place: str, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "_is_private_group", lambda *_: False)
    fault = (folder / place).resolve()
    fault.chmod(mode)
    message = rf"{fault} can be written by other users \(mode {mode:04o}\); chmod go-w {fault}, or let REFNET_CACHE_DIR name a folder of your own$"
    with pytest.raises(UsageError, match=message):
        open_own(folder / "file")
    if place != "file":
        with pytest.raises(UsageError, match=message):
            make_own_folder(folder)


def test_a_sticky_folder_on_the_way_is_like_tmp_and_the_last_one_is_not(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    assert read(folder / "file") == b"content"
    folder.chmod(0o1777)
    with pytest.raises(UsageError, match=r"can be written by other users \(mode 1777\)"):
        open_own(folder / "file")


def test_a_link_on_the_way_is_followed_and_so_is_what_leads_to_its_target(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "absolute").symlink_to(tmp_path / "link" / "c")
    assert read(tmp_path / "absolute" / "file") == b"content"
    (tmp_path / "a").chmod(0o777)
    with pytest.raises(UsageError, match=rf"{tmp_path}/a can be written"):
        open_own(tmp_path / "absolute" / "file")


def test_a_folder_out_of_which_a_link_can_be_exchanged_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "link").symlink_to(folder)
    with pytest.raises(UsageError, match=rf"{tmp_path}/open can be written"):
        open_own(tmp_path / "open" / "link" / "file")


def make_link(path: Path) -> None:
    path.with_name("target").write_bytes(b"content")
    path.symlink_to("target")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)
    path.chmod(0o600)


@pytest.mark.parametrize("make", [make_link, make_pipe, Path.mkdir, lambda _: None])
def test_only_a_regular_file_is_opened(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "other")
    with pytest.raises((OSError, UsageError), match=r"symbolic links|not a regular file|No such file|directory"):
        open_own(folder / "other")


def test_a_missing_folder_and_links_in_circles_are_errors_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_own_folder(tmp_path / "missing")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="symbolic links"):
        check_own_folder(tmp_path / "circle")


@needs_root
@pytest.mark.parametrize("place", ["file", ".", "..", "../.."])
def test_what_belongs_to_another_user_is_refused(folder: Path, place: str) -> None:
    fault = (folder / place).resolve()
    os.chown(fault, NOBODY, NOBODY)
    with pytest.raises(UsageError, match=rf"{fault} belongs to another user \(uid {NOBODY}, and .* as uid 0\)"):
        open_own(folder / "file")


@needs_root
def test_a_link_of_another_user_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    os.chown(tmp_path / "link", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(UsageError, match=rf"{tmp_path}/link belongs to another user"):
        open_own(tmp_path / "link" / "file")


@needs_root
def test_another_user_than_root_trusts_the_way_that_root_made_and_no_file_of_roots() -> None:
    with tempfile.TemporaryDirectory() as made:  # not in pytest's folder, which is closed to others
        folder = Path(made, "own")
        Path(made).chmod(0o711)
        folder.mkdir()
        (folder / "roots").write_bytes(b"")
        (folder / "mine").write_bytes(b"")
        for path in (folder, folder / "mine"):
            os.chown(path, NOBODY, NOBODY)
        script = f"""
import os, sys
from pathlib import Path
from refnet.cache_folder import open_own
from refnet.errors import UsageError
os.setuid({NOBODY})
open_own(Path(sys.argv[1], "mine"))
try:
    open_own(Path(sys.argv[1], "roots"))
except UsageError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == (
            f"{folder}/roots belongs to another user (uid 0, and this process runs as uid {NOBODY}); "
            "let REFNET_CACHE_DIR name a folder of your own"
        )


@pytest.mark.skipif(os.name != "posix", reason="there are no such groups")
@pytest.mark.parametrize(
    ("user", "name", "members", "private"),
    [
        (1000, "ann", [], True),
        (1000, "ann", ["ann"], True),
        (1000, "ann", ["bea"], False),
        (1000, "staff", [], False),
        (1001, "ann", [], False),
        (0, "root", [], False),
    ],
)
def test_a_group_of_the_user_alone_is_nobody_else(
    monkeypatch: pytest.MonkeyPatch, user: int, name: str, members: list[str], private: bool
) -> None:
    import grp
    import pwd
    from types import SimpleNamespace

    accounts = {1000: ("ann", 1000), 1001: ("bea", 1001), 0: ("root", 1000)}
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=accounts[uid][0], pw_gid=accounts[uid][1]))
    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
    assert own._is_private_group(1000, user) is private
