"""A file is whole or not there."""

import hashlib
from pathlib import Path

import pytest

from refnet import UsageError
from refnet.files import replacing, sha256


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
