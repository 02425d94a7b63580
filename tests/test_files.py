"""A file is whole or not there."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from refnet import UsageError, files
from refnet.files import digest, replacing, sha256, sweep

needs_flock = pytest.mark.skipif(files.fcntl is None, reason="needs fcntl")
WRITER = """
import sys
from pathlib import Path
from refnet.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(target: Path) -> subprocess.Popen[str]:
    """A process that is in the midst of writing a file; it ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.send_signal(signal.SIGKILL)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, content: bytes = b"new") -> None:
    with replacing(target) as file:
        file.write(content)


def test_the_name_is_taken_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    with replacing(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="invalid literal"), replacing(target) as file:
        file.write(b"half" + bytes([int("could not be a number")]))
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a folder"), replacing(tmp_path):
        pass
    with pytest.raises(UsageError, match="no such file or directory"), replacing(tmp_path / "a" / "b"):
        pass


@needs_flock
def test_what_a_killed_writer_left_is_swept_by_the_next_of_the_same_name(tmp_path: Path) -> None:
    for name in ("x.npz", "x.npz.abcdefgh", "other", "x[0].npz"):
        kill(writer(tmp_path / name))
    assert len(names(tmp_path)) == 4
    write(tmp_path / "x.npz")
    assert len(names(tmp_path)) == 4
    assert not list(tmp_path.glob(".x.npz.????????.part"))
    write(tmp_path / "x[0].npz")
    assert [name.rpartition(".")[0][:-9] for name in names(tmp_path) if name.endswith(".part")] == [
        ".other",
        ".x.npz.abcdefgh",
    ]
    sweep(tmp_path)
    assert names(tmp_path) == ["x.npz", "x[0].npz"]


@needs_flock
def test_a_living_writer_keeps_its_part_and_finishes(tmp_path: Path) -> None:
    target = tmp_path / "x"
    process = writer(target)
    with replacing(target) as file:  # another one of this process, which lives as well
        file.write(b"ours")
        write(target)
        sweep(tmp_path)
        assert len(names(tmp_path)) == 3
    assert target.read_bytes() == b"ours"
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert target.read_bytes() == b"half"
    assert names(tmp_path) == ["x"]


@needs_flock
def test_a_download_to_be_resumed_and_other_files_are_not_swept(tmp_path: Path) -> None:
    kept = [".x.0123456789ab.part", ".x.abcdefgh.part.txt", "x.abcdefgh.part", ".x.ABCDEFGH.part", ".x.part"]
    for name in kept:
        (tmp_path / name).write_bytes(b"kept")
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (tmp_path / ".x.linkedto.part").symlink_to("elsewhere")
    write(tmp_path / "x")
    sweep(tmp_path)
    assert names(tmp_path) == sorted([*kept, ".x.linkedto.part", "elsewhere", "x"])


@needs_flock
@pytest.mark.parametrize("reason", ["no flock", "no locks on this file system", "locks of this machine alone"])
def test_where_a_lock_proves_nothing_nothing_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    kill(writer(tmp_path / "x"))
    (left,) = names(tmp_path)
    if reason == "no flock":
        monkeypatch.setattr(files, "fcntl", None)
    elif reason == "no locks on this file system":
        monkeypatch.setattr(files, "fcntl", SimpleNamespace(flock=refuse, LOCK_EX=2, LOCK_NB=4))
    else:
        monkeypatch.setattr(files, "_locks_reach_everyone", lambda _: False)
    write(tmp_path / "x")
    assert names(tmp_path) == [left, "x"]
    assert (tmp_path / "x").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("kind", "options", "reach"),
    [
        ("ext4", "rw,relatime", True),
        ("nfs4", "rw,vers=4.2,local_lock=none,addr=192.0.2.1", True),
        ("nfs", "rw,vers=3,local_lock=all,addr=192.0.2.1", False),
        ("nfs", "rw,vers=3,nolock,local_lock=none", False),
        ("cifs", "rw,vers=3.0,nobrl", False),
        ("lustre", "rw,localflock", False),
        ("fuse.sshfs", "rw,user_id=0", False),
        ("fuseblk", "rw,user_id=0", True),  # a local disk
    ],
)
def test_locks_that_stay_on_one_machine_are_told_by_the_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, reach: bool
) -> None:
    (tmp_path / "x").write_bytes(b"")
    device = (tmp_path / "x").stat().st_dev
    mounts = (
        "22 27 0:9999 / /other rw - fuse.other none rw,nolock\n"
        f"23 27 {os.major(device)}:{os.minor(device)} / /a\\040place rw,noatime shared:1 - {kind} host:/share {options}\n"
    )
    monkeypatch.setattr(Path, "read_text", lambda *_: mounts)
    with (tmp_path / "x").open("rb") as file:
        assert files._locks_reach_everyone(file.fileno()) is reach


def test_a_part_that_is_swept_between_its_making_and_its_lock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real = [], files.tempfile.mkstemp

    def mkstemp(**how: Any) -> tuple[int, str]:
        made.append(real(**how))
        if len(made) == 1:
            sweep(tmp_path)
        return made[-1]

    monkeypatch.setattr("refnet.files.tempfile.mkstemp", mkstemp)
    write(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert len(made) == (2 if files.fcntl else 1)
    assert names(tmp_path) == ["x"]


@needs_flock
def test_processes_that_write_one_name_at_once_sweep_no_one_who_lives(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from refnet.files import replacing
for turn in range(200):
    with replacing(Path(sys.argv[1])) as file:
        file.write(sys.argv[2].encode() * 10_000)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "x"), letter]) for letter in ("a", "b", "c", "d")
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    assert names(tmp_path) == ["x"]
    content = (tmp_path / "x").read_bytes()
    assert content == content[:1] * 10_000


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes")
@pytest.mark.parametrize(("private", "mode"), [(False, 0o644), (True, 0o600)])
def test_a_private_file_is_its_owners_alone(tmp_path: Path, private: bool, mode: int) -> None:
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "x", private=private):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_sha256_is_the_digest_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"refnet")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"refnet").hexdigest()


def test_a_file_is_read_once_for_its_digest_until_anything_about_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "x", []

    def counting(file: BinaryIO, algorithm: str) -> object:
        read.append(algorithm)
        return real(file, algorithm)

    real, now = hashlib.file_digest, time.time_ns
    monkeypatch.setattr("refnet.files.hashlib.file_digest", counting)
    monkeypatch.setattr("refnet.files.time.time_ns", lambda: now() + 10**10)  # the file is ten seconds old
    path.write_bytes(b"refnet")
    assert sha256(path) == sha256(path) == hashlib.sha256(b"refnet").hexdigest()
    assert digest(path, "sha384") == hashlib.sha384(b"refnet").hexdigest()
    assert read == ["sha256", "sha384"]
    time.sleep(0.02)
    path.write_bytes(b"tenfer")  # the same size, the same inode
    assert sha256(path) == hashlib.sha256(b"tenfer").hexdigest()
    times = path.stat().st_mtime_ns
    time.sleep(0.02)
    path.write_bytes(b"fernet")
    os.utime(path, ns=(times, times))  # whoever sets the clock back changes another one
    assert sha256(path) == hashlib.sha256(b"fernet").hexdigest()
    (tmp_path / "y").write_bytes(b"netref")
    (tmp_path / "y").replace(path)
    assert sha256(path) == hashlib.sha256(b"netref").hexdigest()


def test_a_file_that_just_changed_is_read_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now = tmp_path / "x", time.time_ns()
    monkeypatch.setattr("refnet.files._state", lambda _: (1, 2, 3, now, now))  # a clock too coarse to tell
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        assert sha256(path) == hashlib.sha256(content).hexdigest()
