"""`refnet embed`: many images, interruptions, and what is said of those that failed."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.errors import UsageError

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of noise, one file that is none, and the model."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n in range(COUNT):
        (folder / f"in{n % 3}").mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"in{n % 3}" / f"{n:03}.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def model(narrow_path: Path) -> Path:
    return narrow_path


@pytest.fixture(scope="module")
def expected(folder: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    output = tmp_path_factory.mktemp("expected") / "out.npz"
    assert main(["embed", str(folder), "-m", str(model), "-o", str(output)]) == 0
    return output.read_bytes()


@pytest.mark.parametrize(
    "options",
    [("--batch", "1"), ("--batch", "7", "--threads", "2"), ("--workers", "4", "--memory", "low"), ("--no-cache",)],
)
def test_no_option_changes_a_bit(
    folder: Path, model: Path, expected: bytes, tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = tmp_path / "out.npz"
    shuffled = sorted(folder.rglob("*.png"), key=lambda path: path.name[::-1])
    assert main(["embed", *map(str, shuffled), str(folder), "-m", str(model), "-o", str(output), *options]) == 0
    assert output.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_a_run_that_is_killed_goes_on_where_it_was(folder: Path, model: Path, expected: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.npz"
    command = [
        sys.executable, "-c", "import sys; from refnet.cli import main; sys.exit(main(sys.argv[1:]))",
        "embed", str(folder), "-m", str(model), "-o", str(output), "--batch", "2",
    ]  # fmt: skip
    chance, kills, ledger = random.Random(0), 0, tmp_path / "out.npz.partial"
    for _ in range(20):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not ledger.exists() and process.poll() is None:
            time.sleep(0.01)
        try:
            assert process.wait(timeout=chance.uniform(0.02, 0.15)) == 0
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    else:
        assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert kills > 0
    assert output.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_what_failed_is_named_and_listed_and_the_rest_is_done(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "page\n.jpg").write_text("<html>")
    output, failures = tmp_path / "out.csv", tmp_path / "failed.csv"
    status = main(
        [
            "embed",
            str(folder / "in1"),
            str(tmp_path / "photos"),
            "-m",
            str(model),
            "-o",
            str(output),
            "--failures",
            str(failures),
        ]
    )
    assert status == 1
    said = capsys.readouterr().err
    assert "page\\n.jpg: not an image that can be read" in said
    assert "1 of 14 images have no embedding" in said
    with failures.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["name"].endswith("page\n.jpg")
    assert len(output.read_text().splitlines()) == 14


def test_a_list_on_stdin_or_in_a_file_is_as_good_as_arguments(
    folder: Path, model: Path, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, output = tmp_path / "list.txt", tmp_path / "out.npz"
    listed.write_text("\n".join(str(folder / f"in{n}") for n in range(3)))
    assert main(["embed", "--list", str(listed), "-m", str(model), "-o", str(output)]) == 0
    assert output.read_bytes() == expected
    with listed.open() as lines:
        monkeypatch.setattr("sys.stdin", lines)
        assert main(["embed", "-", "-m", str(model), "-o", str(output)]) == 0
    assert output.read_bytes() == expected


def test_an_unfinished_output_of_another_model_is_refused_until_restarted(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.npz"
    command = ["embed", str(folder), "-m", str(model), "-o", str(output)]
    with monkeypatch.context() as patch:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("refnet.cli.embed.write_rows", interrupt)
        assert main(command) == 130
    assert (tmp_path / "out.npz.partial").exists()
    assert main([*command, "--engine", "reference"]) == 2
    assert (
        "engine was 'fast', and is 'reference'); finish it with the same, or begin anew with --restart"
        in capsys.readouterr().err
    )
    assert main([*command, "--restart"]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "out.txt"], 2, "the suffix is '.txt'"),
        (["-o", "absent/out.npz"], 2, "there is no folder absent"),
        (["-o", "out.npz", "--failures", "absent/f.csv"], 2, "there is no folder absent"),
        (["-o", "out.npz", "--failures", "./out.npz"], 2, "--failures is out.npz, which this output needs itself"),
        (["-o", "out.npz", "--failures", "out.npz.partial"], 2, "which this output needs itself"),
        (["-o", "n" * 250 + ".npz"], 2, "file name too long"),
        (["-o", "out.npz", "--failures", "n" * 300], 2, "file name too long"),
        (["--failures", "/proc/f.csv"], 2, "cannot write /proc/f.csv"),
        (["--batch", "0"], 2, "--batch is 0; expected at least 1"),
        (["--workers", "-1"], 2, "--workers is -1; expected at least 1"),
        (["--list", "absent.txt"], 4, "absent.txt: the list cannot be read: no such file or directory"),
    ],
)
def test_bad_usage_is_said_before_any_work(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], status: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["embed", str(folder), "-m", str(model), *arguments]) == status
    assert message in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_list_of_failures_that_cannot_be_written_costs_no_embedding(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    output, failures = tmp_path / "out.npz", tmp_path / "f.csv"
    command = ["embed", str(folder), str(tmp_path / "bad.png"), "-m", str(model), "-o", str(output)]
    embed = import_module("refnet.cli.embed")

    def full(path: Path, _: object) -> None:
        raise UsageError(f"cannot write {path}: no space left on device")

    def again(*_: object, **__: object) -> None:
        raise AssertionError("an image is embedded again")

    with monkeypatch.context() as patch:
        patch.setattr(embed, "_write_failures", full)
        assert main([*command, "--failures", str(failures)]) == 2
    assert (tmp_path / "out.npz.partial").exists()
    with monkeypatch.context() as patch:
        patch.setattr("refnet.network.Network.__call__", again)
        assert main([*command, "--failures", str(failures)]) == 1
    assert len(failures.read_text().splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "f.csv", "out.npz"]


FULL = """
import resource, sys
from refnet.cli import main
from refnet.errors import UsageError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [0, 20_000, 100_000])
def test_a_disk_that_fills_up_ends_the_run_in_a_sentence_and_loses_nothing(
    folder: Path, model: Path, expected: bytes, tmp_path: Path, limit: int
) -> None:
    output = tmp_path / "out.npz"
    command = ["embed", str(folder), "-m", str(model), "-o", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "refnet: cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert main(command) == 0
    assert output.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_no_input_at_all_is_a_usage_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "-m", str(model)]) == 2
    assert "no image is given" in capsys.readouterr().err
