"""A file is whole or not there."""

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from refnet import UsageError
from refnet.files import digest, replacing, sha256


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
