"""`refnet embed -o FOLDER`, here and on a cluster: partitions that are the same whoever makes them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from refnet.cli import main

distributed = pytest.importorskip("distributed")
COUNT, SIZE = 50, "8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n in range(COUNT):
        pixels = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:03}.png", compress_level=1)
    (folder / "025x.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, narrow_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("expected") / "set"
    assert embed(folder, narrow_path, output) == 1  # one image is none
    return contents(output)


def embed(folder: Path, model: Path, output: Path, *options: str) -> int:
    return main(["embed", str(folder), "-m", str(model), "-o", str(output), "--partition-size", SIZE, *options])


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_the_partitions_hold_what_a_single_file_holds(
    folder: Path, narrow_path: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in expected.items():
        (tmp_path / name).write_bytes(content)
    table = pq.read_table(tmp_path)
    single = tmp_path.parent / "single.parquet"
    assert main(["embed", str(folder), "-m", str(narrow_path), "-o", str(single)]) == 1
    other = pq.read_table(single)
    assert len(expected) == 7
    assert table.num_rows == COUNT
    assert all(table[column].to_pylist() == other[column].to_pylist() for column in ("name", "embedding", "norm"))


def test_what_is_there_is_kept_and_what_is_not_is_made(
    folder: Path, narrow_path: Path, expected: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "set"
    embed(folder, narrow_path, output)
    kept = output / "part-00000001.parquet"
    before = kept.stat().st_mtime_ns
    (output / "part-00000000.parquet").write_bytes(b"damaged")
    (output / "part-00000003.parquet").unlink()
    (output / "part-00000099.parquet").write_bytes(kept.read_bytes())
    assert embed(folder, narrow_path, output, "--batch", "3", "--workers", "1") == 1
    assert contents(output) == expected
    assert kept.stat().st_mtime_ns == before
    assert "50 embeddings in 7 partitions" in capsys.readouterr().err


def test_partitions_of_other_settings_are_refused(
    folder: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "set"
    embed(folder, narrow_path, output)
    before = contents(output)
    assert embed(folder, narrow_path, output, "--engine", "reference") == 2
    assert "holds partitions of other settings (engine was 'fast', and is 'reference')" in capsys.readouterr().err
    assert contents(output) == before


def test_a_cluster_writes_a_folder_only(
    folder: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "embed",
                str(folder),
                "-m",
                str(narrow_path),
                "-o",
                str(tmp_path / "o.npz"),
                "--cluster",
                "tcp://127.0.0.1:1",
            ]
        )
        == 2
    )
    assert "--cluster writes a folder of partitions" in capsys.readouterr().err


def test_a_scheduler_that_is_not_there_is_said_in_time(
    folder: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.bulk.cluster.CONNECT_SECONDS", 1)
    start = time.monotonic()
    assert embed(folder, narrow_path, tmp_path / "set", "--cluster", "tcp://127.0.0.1:1") == 2
    assert "the scheduler at tcp://127.0.0.1:1 cannot be reached" in capsys.readouterr().err
    assert time.monotonic() - start < 20


class Cluster:
    """A scheduler and workers on this machine, as processes of their own."""

    def __init__(self, folder: Path, workers: int):
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start(
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(folder / "s.json"),
        )
        for _ in range(workers):
            self.worker()
        with distributed.Client(scheduler_file=str(folder / "s.json"), timeout=30, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
            self.address: str = client.scheduler.address

    def start(self, kind: str, *options: str) -> None:
        code = f"from distributed.cli.dask_{kind} import main; main()"
        environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
        self.processes.append(
            subprocess.Popen([sys.executable, "-c", code, *options], stderr=subprocess.DEVNULL, env=environment)
        )

    def worker(self) -> None:
        self.start(
            "worker", "--scheduler-file", str(self._folder / "s.json"), "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--host", "127.0.0.1", "--local-directory", str(self._folder),
        )  # fmt: skip

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path, 2)
    yield started
    started.stop()


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(
    folder: Path, narrow_path: Path, expected: dict[str, bytes], tmp_path: Path, cluster: Cluster
) -> None:
    output = tmp_path / "set"

    def kill_a_worker() -> None:
        while not output.exists() or len([*output.iterdir()]) < 1:
            time.sleep(0.01)
        os.kill(cluster.processes[1].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    assert embed(folder, narrow_path, output, "--cluster", cluster.address) == 1
    killer.join()
    assert cluster.processes[1].poll() is not None
    assert contents(output) == expected


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_dies_ends_the_run_and_what_is_finished_stays(
    folder: Path,
    narrow_path: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    cluster: Cluster,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "set"

    def kill_the_scheduler() -> None:
        while not output.exists() or len([*output.iterdir()]) < 1:
            time.sleep(0.01)
        for process in cluster.processes:
            os.kill(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_scheduler)
    killer.start()
    status = embed(folder, narrow_path, output, "--cluster", cluster.address)
    killer.join()
    if status != 1:  # it was not done already
        assert status == 2
        assert "what was finished is kept: run the same command again" in capsys.readouterr().err
    there = contents(output)
    assert all(expected[name] == content for name, content in there.items())
    assert embed(folder, narrow_path, output) == 1
    assert contents(output) == expected


@pytest.mark.filterwarnings("ignore")
def test_a_worker_with_another_model_is_refused(
    folder: Path,
    narrow_path: Path,
    tmp_path: Path,
    cluster: Cluster,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("refnet.provenance.sha256", lambda _: "00" * 32)
    assert embed(folder, narrow_path, tmp_path / "set", "--cluster", cluster.address) == 3
    assert "a worker's model_sha256 is" in capsys.readouterr().err
