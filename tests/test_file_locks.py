"""Locks that end with their process, and places that are tried before work is done for them."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from refnet.errors import UsageError
from refnet.files import check_place, locked


def test_a_lock_is_held_by_one_and_its_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path):
        assert path.exists()
        with pytest.raises(UsageError, match="it is taken"), locked(path, busy="it is taken"):
            pytest.fail("two have the lock")
    assert not [*tmp_path.iterdir()]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from refnet.files import locked
with locked(Path({str(tmp_path / "lock")!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / "lock").exists()
    with locked(tmp_path / "lock", busy="it is taken"):
        pass
    assert not [*tmp_path.iterdir()]


def test_who_waits_for_a_lock_never_shares_it_though_its_file_goes(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with locked(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "it is a folder"),
        ("absent/x", "there is no folder"),
        ("file/x", "there is no folder"),
        ("n" * 250, "file name too long"),
        ("n" * 300, "file name too long"),
    ],
)
def test_a_place_that_takes_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=reason):
        check_place(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_place_is_as_it_was_after_it_was_tried(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("kept")
    check_place(tmp_path / "x")
    check_place(tmp_path / "y")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "kept"}
