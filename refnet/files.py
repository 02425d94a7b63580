"""Files that are whole or not there: written beside their name, then renamed."""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from refnet.errors import UsageError
from refnet.opening import open_regular

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: Path, *, durable: bool = False, private: bool = False, swept: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the name `path` only when the block ends without an error.

    Until then it is a `.part` beside `path`, locked by its writer. Parts of the same name whose writers were killed are
    deleted first (`sweep`).

    Parameters
    ----------
    durable : bool
        Also wait until the file and its name are on the disk, so that not even a loss of power leaves less than the old
        file or the new one.
    private : bool
        Only the user may read and write the file (mode 0600); else the umask decides.
    swept : bool
        The caller has called `sweep` for the whole folder, which is listed for it.

    Raises
    ------
    UsageError
        If the folder is missing or cannot be written, or `path` is a folder.
    """
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; give a file name")
    try:
        if not swept:
            sweep(path)
        part, file, lock = _locked_part(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()} ({path.parent})") from error
    try:
        with file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if not private:
            part.chmod(0o666 & ~_umask())
        part.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def sweep(path: Path) -> None:
    """Delete the parts of `path` that killed writers left behind; where `path` is a folder, of every file in it.

    A writer holds a lock on its part for as long as it lives, so whoever gets the lock knows that the writer is dead.
    Where that is no proof, nothing is deleted: on systems without `flock`, and on file systems whose locks are missing
    or are not seen by other machines.
    """
    if fcntl is None:
        return
    folder, name = (path, ".+") if path.is_dir() else (path.parent, re.escape(path.name))
    is_part = re.compile(rf"\.{name}\.[a-z0-9_]{{8}}\.part", re.DOTALL)  # downloads to be resumed have other names
    try:
        names = os.listdir(folder)  # noqa: PTH208 - of as many as a hundred thousand files, few become paths
    except OSError:
        return
    for part in (folder / name for name in names if is_part.fullmatch(name)):
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # gone meanwhile, or someone else's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _locks_reach_everyone(descriptor):
                part.unlink()
        except OSError:  # its writer lives, there are no locks here, or it is gone meanwhile
            continue
        finally:
            os.close(descriptor)


def _locked_part(path: Path) -> tuple[Path, BinaryIO, int | None]:
    """A new part of `path`, open for writing, and a second descriptor, which keeps it locked until that is closed."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        if fcntl is None:
            return part, os.fdopen(descriptor, "wb"), None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # someone sweeps it, who came between its making and its lock
            os.close(descriptor)
            continue
        except OSError:  # no locks here, so no one sweeps it
            return part, os.fdopen(descriptor, "wb"), None
        if part.exists():
            return part, os.fdopen(descriptor, "wb"), os.dup(descriptor)
        os.close(descriptor)  # it was swept just before


def _locks_reach_everyone(descriptor: int) -> bool:
    """Whether a lock on an open file is seen by whoever else could have it open.

    Linux says so of a mount: network file systems may be mounted with locks that stay on one machine, and those of FUSE
    stay there unless their driver passes them on, which it does not say.
    """
    device = os.fstat(descriptor).st_dev
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return True  # another system: its locks are believed
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        if before.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            kind, _, options = after.split(" ", 2)
            return not kind.startswith("fuse.") and _LOCAL_LOCKS.isdisjoint(options.split(","))
    return True


_LOCAL_LOCKS = {"nolock", "nobrl", "localflock", "local_lock=flock", "local_lock=all"}  # of NFS, SMB, Lustre


def check_place(path: Path) -> None:
    """Refuse a path that no file can take, before any work is done for it; a file is made beside it, and removed."""
    try:
        if path.is_dir():
            raise UsageError(f"cannot write {path}: it is a folder; give a file name")
        if not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()} ({path.parent})") from error


@contextmanager
def locked(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold a lock that one process has at a time; it ends with the process, however that ends.

    Parameters
    ----------
    path : Path
        The lock's file; made here, and removed at the end.
    busy : str
        What to say if another process has the lock. Without it, that process is waited for.

    Raises
    ------
    UsageError
        If another process has the lock (and `busy` is given), or the file cannot be written.
    """
    while True:
        try:
            file = path.open("a")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
        with file:
            try:
                if (
                    fcntl is not None
                ):  # where there are no such locks, whoever runs two processes has to keep them apart
                    fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            except BlockingIOError:
                raise UsageError(busy) from None
            except OSError as error:
                raise UsageError(f"cannot lock {path}: {(error.strerror or str(error)).lower()}") from error
            if not _still_named(file, path):
                continue  # whoever had the lock has removed the file meanwhile
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _still_named(file: IO[str], path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sha256(*paths: Path) -> str:
    """The SHA-256 of a file, or of files one after the other, in hexadecimal."""
    if len(paths) == 1:
        return digest(paths[0], "sha256")
    joined = hashlib.sha256()
    for path in paths:
        with open_regular(path) as file:
            hashlib.file_digest(file, lambda: joined)
    return joined.hexdigest()


def digest(path: Path, algorithm: str) -> str:
    """A file's digest, in hexadecimal; a file that stays as it is, is read once in a process.

    The file system tells whether it stayed: its device, inode, size, and times of change to the nanosecond. That is not
    relied on where the last change is so young that another one could bear the same time, nor from one process to the
    next: on a decaying disk the bytes change and nothing tells, and what is computed has to come from the bytes whose
    digest it bears.

    Parameters
    ----------
    algorithm : str
        As `hashlib` calls it: "sha256", "sha384".
    """
    with open_regular(path) as file:
        before = _state(file)
        if (algorithm, before) in _digests:
            return _digests[algorithm, before]
        found = hashlib.file_digest(file, algorithm).hexdigest()
        settled = time.time_ns() - max(before[-2:]) > _SETTLED_NS
        if settled and _state(file) == before:
            _digests[algorithm, before] = found
        return found


_SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system, FAT's
_digests: dict[tuple[str, tuple[int, ...]], str] = {}


def _state(file: BinaryIO) -> tuple[int, ...]:
    """What the file system tells of an open file that changes whenever its content does."""
    told = os.fstat(file.fileno())
    return (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The process's file-mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
