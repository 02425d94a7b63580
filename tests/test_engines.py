"""The fast engine behind the same face as the reference: the same network, to rounding; the same bits, always."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet import Network, UsageError
from refnet.audit.compare import compare
from refnet.audit.oracle import OnnxRuntime
from refnet.fast import compile
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph
from refnet.zoo.samples import sample_crops, sample_images, sample_paths
from refnet.zoo.synthetic import synthetic_model
from tests import localdata

RELATIVES = ["models/mobilefacenet-arcface-mxnet.onnx", "models/mobilefacenet-arcface-opset19.onnx"]


@pytest.fixture(scope="module")
def fast(narrow: Graph) -> Network:
    return Network(narrow, threads=1)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([sample_images()] * 8)[:32].astype(np.float32)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_fast_is_the_default_and_float32(fast: Network, images: np.ndarray) -> None:
    assert fast.engine == "fast"
    assert fast(images[:1]).dtype == np.float32


def test_the_fast_engine_is_within_rounding_of_the_reference(fast: Network, narrow: Graph, images: np.ndarray) -> None:
    exact = Network(narrow, engine="reference")(images[:4])
    error = np.linalg.norm(fast(images[:4]) - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert error.max() < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 9, 17, 32])
def test_an_image_has_the_same_bits_at_every_place_of_every_batch(
    fast: Network, images: np.ndarray, count: int
) -> None:
    alone = np.concatenate([fast(images[i : i + 1]) for i in range(4)])
    expected = alone[np.arange(count) % 4]
    assert np.array_equal(fast(images[:count]), expected)
    assert np.array_equal(fast(images[:count][::-1]), expected[::-1])


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_threads_change_no_bit(fast: Network, narrow: Graph, images: np.ndarray, threads: int, count: int) -> None:
    assert np.array_equal(Network(narrow, threads=threads)(images[:count]), fast(images[:count]))


@pytest.mark.parametrize("threads", [1, 2])
def test_low_memory_changes_no_bit(fast: Network, narrow: Graph, images: np.ndarray, threads: int) -> None:
    assert np.array_equal(Network(narrow, threads=threads, memory="low")(images[:3]), fast(images[:3]))


@pytest.mark.parametrize("threads", [1, 2])
def test_weights_that_were_let_go_come_back_as_they_were(
    fast: Network, narrow: Graph, images: np.ndarray, threads: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("refnet.fast.plan.PART_BYTES", 1 << 16)
    low = [compile(narrow, threads=threads, memory="low", cache=True) for _ in range(2)]
    assert low[0].plan.packed.mapping is None  # just packed
    assert low[1].plan.packed.mapping is not None  # mapped from the cache
    assert len(low[1].plan.parts) > 3
    expected = fast(images[:3])
    for engine in low:
        for _ in range(2):
            assert np.array_equal(engine.run({"data": images[:3]})["fc1"], expected)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's account of mapped memory")
def test_a_low_plan_leaves_little_of_its_weights_in_memory(
    narrow: Graph, images: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("refnet.fast.plan.PART_BYTES", 1 << 20)
    compile(narrow, memory="low", cache=True)
    engine = compile(narrow, memory="low", cache=True)
    engine.run({"data": images[:1]})
    (mapped,) = re.findall(r"\.packed\n(?:.*\n)*?Rss: +(\d+) kB", Path("/proc/self/smaps").read_text())
    assert int(mapped) << 10 < engine.plan.weights.nbytes / 3  # the system maps neighbours along with what is read


def test_runs_are_repeated_to_the_bit(fast: Network, images: np.ndarray) -> None:
    assert len({digest(fast(images[:3])) for _ in range(5)}) == 1


def test_many_python_threads_may_call_one_network(narrow: Graph, images: np.ndarray) -> None:
    network = Network(narrow, threads=2)
    expected = [network(images[i : i + 2]) for i in range(4)]
    wrong: list[int] = []

    def call(i: int) -> None:
        for _ in range(5):
            if not np.array_equal(network(images[i : i + 2]), expected[i]):
                wrong.append(i)

    callers = [threading.Thread(target=call, args=(i % 4,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(narrow: Graph, images: np.ndarray, threads: int) -> None:
    with pytest.raises(UsageError, match=f"threads = {threads}; expected at least 1"):
        Network(narrow, threads=threads)(images[:1])


def test_without_compilation_the_command_line_works_and_says_once_that_it_is_slow(tmp_path: Path) -> None:
    small = tmp_path / "small.onnx"
    write_model(synthetic_model(0, width=Fraction(1, 64), units=(1, 1, 1, 1)), small, like="mxnet", spatial=1)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    sample = str(sample_paths()[0])
    command = [sys.executable, "-m", "refnet", "compare", sample, sample, "--model", str(small)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("similarity 1.0")
    assert done.stderr.count("NUMBA_DISABLE_JIT is set: the fast engine runs as plain Python") == 1
    assert "compiling" not in done.stderr
    assert "Traceback" not in done.stderr


SCRIPT = """
import hashlib, sys
import refnet
from refnet.zoo.samples import sample_images
networks = refnet.load(sys.argv[1]), refnet.load(sys.argv[1])
print(hashlib.sha256(networks[0](sample_images()[:3]).tobytes()).hexdigest())
networks[1](sample_images()[:1])
"""

MACHINES = {
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+f16c,+lzcnt"},
    "AVX, no fused multiply-add": {"NUMBA_CPU_NAME": "sandybridge", "NUMBA_CPU_FEATURES": "+sse4.2,+avx,-avx2,-fma"},
    "SSE": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2,-avx,-avx2,-fma"},
}  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_code_for_other_processors_gives_the_same_bits(
    fast: Network, images: np.ndarray, narrow_path: Path, tmp_path: Path, machine: str
) -> None:
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        pytest.skip("compiles for other x86-64 processors")
    environment = {**os.environ, **MACHINES[machine], "REFNET_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(narrow_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest(fast(images[:3]))
    slow = "has no fused multiply-add" in done.stderr
    assert slow == ("-fma" in MACHINES[machine]["NUMBA_CPU_FEATURES"])
    assert done.stderr.count("has no fused multiply-add") == slow


def test_the_bits_are_those_of_the_release(fast: Network, images: np.ndarray) -> None:
    """Pinned: whoever changes this digest changes every embedding, and says so under Numerics in CHANGELOG.md."""
    assert digest(fast(images[:4])) == PINNED


@pytest.mark.parametrize("name", RELATIVES)
def test_trained_relatives_agree_with_onnxruntime_and_keep_their_bits(name: str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    network = refnet.load(localdata.path(name), threads=2)
    pixels = network.contract.prepare(sample_crops())
    result = compare(network, pixels, OnnxRuntime(localdata.path(name)))
    assert result.agrees, result.summary
    both = network(pixels)
    assert np.array_equal(both, np.concatenate([network(pixels[:1]), network(pixels[1:])]))


def test_the_detector_agrees_with_onnxruntime() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    path = localdata.path("models/face_detection_yunet_2023mar.onnx")
    result = compare(refnet.load(path), sample_crops(640, 640).astype(np.float32), OnnxRuntime(path))
    assert result.agrees, result.summary


@pytest.mark.full
def test_the_full_network_is_as_near_to_float64_as_onnxruntime_twice_over(tmp_path: Path) -> None:
    """And keeps its bits in batches and with threads."""
    from refnet.zoo.make import make_model

    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    path = tmp_path / "model.onnx"
    make_model(path)
    crops = sample_images().astype(np.float32)
    exact = refnet.load(path, engine="reference")(crops)
    network = refnet.load(path, threads=1)
    ours = network(crops)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"data": crop[np.newaxis]})[0] for crop in crops])
    errors = [np.linalg.norm(side - exact, axis=1) / np.linalg.norm(exact, axis=1) for side in (ours, theirs)]
    assert errors[0].max() < 2.5 * errors[1].max()
    assert np.array_equal(ours, np.concatenate([network(crop[np.newaxis]) for crop in crops]))
    assert np.array_equal(ours, refnet.load(path, threads=2)(crops))
    assert digest(ours) == PINNED_FULL


PINNED = "1a30dfbb3e1211bb6647acd5b2ee14ed4021560263497796bb4cecceb176d821"
PINNED_FULL = "d33ca47200a2316a433f5f043790db48fa3a4cd1620e568e6f196cb2f721a1a3"
