"""`refnet embed -o FOLDER`, here and on a cluster: partitions that are the same whoever makes them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import refnet
from refnet.bulk import cluster as cluster_module
from refnet.bulk.cluster import Job, run_on_cluster
from refnet.bulk.partitions import Outcome
from refnet.bulk.prepared import aligned_crops
from refnet.cli import main
from refnet.errors import UsageError
from refnet.provenance import Provenance

embed_module = import_module("refnet.cli.embed")
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


def embed(folder: Path, model: Path, output: Path, *options: str, size: str = SIZE) -> int:
    return main(["embed", str(folder), "-m", str(model), "-o", str(output), "--partition-size", size, *options])


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


def test_partitions_of_another_size_are_refused(
    folder: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "set"
    embed(folder, narrow_path, output)
    before = contents(output)
    assert embed(folder, narrow_path, output, size="16") == 2
    assert "holds partitions of other settings (partition_size was '8', and is '16')" in capsys.readouterr().err
    assert contents(output) == before


def test_a_second_run_into_the_folder_is_refused_from_the_first_moment(
    folder: Path,
    narrow_path: Path,
    tmp_path: Path,
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, computed = tmp_path / "set", embed_module.compute_partition
    refused: list[int] = []

    def computing(*arguments: Any, **options: Any) -> Outcome:
        if not refused:
            refused.append(2)  # not from within the second run
            refused[0] = embed(folder, narrow_path, output, "--engine", "reference", "--restart")
        return computed(*arguments, **options)

    monkeypatch.setattr(embed_module, "compute_partition", computing)
    assert embed(folder, narrow_path, output) == 1
    assert refused == [2]
    assert "set is in use: another process is writing this data set" in capsys.readouterr().err
    assert contents(output) == expected


def test_a_partition_without_a_face_has_no_row_and_the_others_are_made(
    narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, output = tmp_path / "photos", tmp_path / "set"
    photos.mkdir()
    for n in range(8):
        if n in (4, 5, 6, 7):
            Image.new("RGB", (112, 112), (n, 0, 0)).save(photos / f"{n}.png")
        else:
            (photos / f"{n}.png").write_bytes(b"bad")
    for _ in range(2):
        assert embed(photos, narrow_path, output, size="4") == 1
        assert "4 of 8 images have no embedding" in capsys.readouterr().err
    first, second = (pq.read_table(path) for path in sorted(output.iterdir()))
    assert (first.num_rows, second.num_rows) == (0, 4)
    assert first.schema.equals(second.schema)
    said = first.schema.metadata
    assert [name for name, _ in json.loads(said[b"failures"])] == [str(photos / f"{n}.png") for n in range(4)]
    assert pq.read_table(output).num_rows == 4
    for n in (4, 5, 6, 7):
        (photos / f"{n}.png").write_bytes(b"bad")
    assert embed(photos, narrow_path, output, size="4") == 4
    assert "none of 8 images could be read; the partitions in" in capsys.readouterr().err


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


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """The address of a server that is no scheduler: it says something, or takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError), ExitStack() as kept:
                while True:
                    connection = kept.enter_context(listening.accept()[0])
                    if answer is not None:
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "Must include protocol like tcp"),
        ("tcp://127.0.0.1", "missing port number"),
        ("tcp://127.0.0.1:99999", "the port is 99999"),
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("tcp://name.invalid:8786", "Name or service not known|Temporary failure in name resolution"),
        ("other://127.0.0.1:1", "unknown address scheme"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no scheduler of dask|no answer in 2 seconds"),
        (b"\xff" * 1000, "no scheduler of dask"),
        (None, "no answer in 2 seconds"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_address_without_a_scheduler_is_said_in_time(
    address: str | bytes | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 2.0)
    start = time.monotonic()
    with ExitStack() as servers:
        said = address if isinstance(address, str) else servers.enter_context(server(address))
        with pytest.raises(UsageError, match=rf"the scheduler at {said} cannot be reached: .*({reason})"):
            run_on_cluster(said, NO_JOB, [], list)
    assert time.monotonic() - start < 10


def test_a_name_server_that_does_not_answer_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asked.wait(30))
    with pytest.raises(UsageError, match="no answer in 1 seconds"):
        run_on_cluster("tcp://name.example:8786", NO_JOB, [], list)
    asked.set()


NO_JOB = Job("m.onnx", "fast", None, "default", True, aligned_crops, Provenance(*"1234567"), "", 1, 1)


class Cluster:
    """A scheduler and workers on this machine, as processes of their own."""

    def __init__(self, folder: Path, workers: int, environment: dict[str, str] | None = None):
        self._folder, self._environment = folder, environment or {}
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
            if workers:
                client.wait_for_workers(workers, timeout=60)
            self.address: str = client.scheduler.address

    def start(self, kind: str, *options: str) -> None:
        code = f"from distributed.cli.dask_{kind} import main; main()"
        environment = {**os.environ, **self._environment, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *options], stderr=subprocess.DEVNULL, env=environment, cwd=self._folder
            )
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
        while not [*output.glob("*.parquet")]:
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
        while not [*output.glob("*.parquet")]:
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
def test_a_worker_that_runs_other_code_is_refused_whatever_is_installed(
    folder: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = Path(refnet.__file__).parent
    shutil.copytree(package, tmp_path / "other" / "refnet", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "refnet" / "ops" / "conv.py").open("a") as source:
        source.write("\n# another number may come of this\n")
    cluster = Cluster(tmp_path, 1, {"PYTHONPATH": str(tmp_path / "other")})
    try:
        assert embed(folder, narrow_path, tmp_path / "set", "--cluster", cluster.address) == 3
    finally:
        cluster.stop()
    assert "a worker runs other code than the client" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_without_workers_is_said_while_it_is_waited_for_and_then_given_up(
    folder: Path,
    narrow_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_module, "PATIENCE_SECONDS", 3.0)
    cluster = Cluster(tmp_path, 0)
    try:
        assert embed(folder, narrow_path, tmp_path / "set", "--cluster", cluster.address) == 2
    finally:
        cluster.stop()
    said = capsys.readouterr().err
    assert said.index("has no worker; waiting 3 seconds for one") < said.index("has had no worker for 3 seconds")


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
