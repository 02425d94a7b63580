"""Where refnet keeps what it would be slow to make or to fetch again, and whether it is the user's own.

Compiled kernels that are read back are run, and packed weights are taken for those of the model. So these files count
only where nobody else can have written them: file and folder belong to the user, are writable by nobody else, and lie
in folders in which nobody else can replace them. Root can do all of that anyway, and is trusted.

On Windows, whose files have no such owner and mode, nothing is checked: the user's cache folder is closed to others by
its access control list.
"""

import os
import stat
from io import FileIO
from pathlib import Path

import platformdirs

from refnet.errors import UsageError

try:
    import grp
    import pwd
except ImportError:  # Windows, where nothing is checked
    pass

_CHECKED = hasattr(os, "geteuid")
_ROOT = 0
_ELSEWHERE = "let REFNET_CACHE_DIR name a folder of your own"


def cache_folder(kind: str) -> Path:
    """The folder for things of a kind, in `$REFNET_CACHE_DIR`, else the user's cache folder; it need not exist yet."""
    return Path(os.environ.get("REFNET_CACHE_DIR") or platformdirs.user_cache_path("refnet")) / kind


def make_own_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for the user alone (mode 0700).

    Raises
    ------
    UsageError
        If others could write there (see `check_own_folder`), or it is there already and is not the user's.
    OSError
        If it cannot be made.
    """
    for folder in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        folder.mkdir(0o700, exist_ok=True)
    check_own_folder(path)


def check_own_folder(path: Path) -> None:
    """Refuse a folder in which anyone but the user could put or replace a file.

    It has to belong to the user and to be writable by nobody else; a group of which only the user is a member is nobody
    else. Every folder and symbolic link on the way to it has
    to belong to the user or to root; a folder on the way may be writable by others only if it is sticky, as /tmp is.

    Raises
    ------
    UsageError
        Naming the folder or link at fault, and what is wrong with it.
    OSError
        If there is no such folder.
    """
    if not _CHECKED:
        return
    path = path.absolute()
    _refuse(path, path.stat(), own=True)  # also fails where links go round in circles
    _check_way(path)


def open_own(path: Path) -> FileIO:
    """Open a file for reading, unbuffered, that nobody but the user can have written.

    The owner and mode are those of the open file, so that nothing can be exchanged between the check and the reading. A
    symbolic link is not followed, and nothing but a regular file is opened.

    Raises
    ------
    UsageError
        If the file is not regular, belongs to another user, or can be written by others, or its folder is refused by
        `check_own_folder`.
    OSError
        If it cannot be opened, or is a symbolic link.
    """
    check_own_folder(path.parent)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = FileIO(os.open(path, flags), "rb")
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a regular file")
        if _CHECKED:
            _refuse(path, status, own=True)
    except BaseException:
        file.close()
        raise
    return file


def _check_way(path: Path) -> None:
    """Refuse an absolute path of which someone else could exchange a component."""
    if path != path.parent:
        _check_way(path.parent)
    status = path.lstat()
    _refuse(path, status, own=False)
    if stat.S_ISLNK(status.st_mode):
        _check_way(path.parent / path.readlink())


def _refuse(path: Path, status: os.stat_result, *, own: bool) -> None:
    """Refuse what belongs to others or what they can write to.

    `own`: it has to be the user's; else root's will do, and so will a sticky folder that anyone writes to.
    """
    user, mode = os.geteuid(), stat.S_IMODE(status.st_mode)
    if status.st_uid != user and (own or status.st_uid != _ROOT):
        raise UsageError(
            f"{path} belongs to another user (uid {status.st_uid}, and this process runs as uid {user}); {_ELSEWHERE}"
        )
    others = stat.S_IWOTH if _is_private_group(status.st_gid, user) else stat.S_IWGRP | stat.S_IWOTH
    if stat.S_ISLNK(status.st_mode) or not mode & others:  # the mode of a link means nothing
        return
    if own or not mode & stat.S_ISVTX:
        raise UsageError(f"{path} can be written by other users (mode {mode:04o}); chmod go-w {path}, or {_ELSEWHERE}")


def _is_private_group(group: int, user: int) -> bool:
    """Whether a group is one user's alone: their own, of their name, without other members; never root's.

    Systems that give every user such a group make files with mode 0664.
    """
    if user == _ROOT:
        return False
    try:
        account, entry = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    return account.pw_gid == group and entry.gr_name == account.pw_name and set(entry.gr_mem) <= {account.pw_name}
