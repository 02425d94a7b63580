"""Numbers of very different sizes under one tile: Winograd's error is nobody's fault, and a fault still is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refnet.audit.compare import compare
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.own_tensors import own_tensors
from refnet.audit.report.agreement import Nobody
from refnet.audit.trace_file import IMAGES, TraceFile
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node, Tensor
from refnet.network import Network

CHANNELS, SIDE = 16, 14
FACTOR = 1e4  # every third pixel is so many times larger


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Two convolutions of one tap in the middle, with a PReLU between."""
    rng = np.random.default_rng(0)
    how = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
    nodes = (
        Node("conv1", "Conv", ("data", "w1"), "a", how),
        Node("prelu", "PRelu", ("a", "slope"), "b"),
        Node("conv2", "Conv", ("b", "w2"), "c", how),
    )
    constants = {"slope": np.full((CHANNELS, 1, 1), 0.25, np.float32)}
    for name in ("w1", "w2"):
        weight = np.zeros((CHANNELS, CHANNELS, 3, 3), np.float32)
        weight[:, :, 1, 1] = rng.standard_normal((CHANNELS, CHANNELS)) / CHANNELS**0.5
        constants[name] = weight
    shape = (None, CHANNELS, SIDE, SIDE)
    return Graph("taps", (Tensor("data", "float32", shape),), (Tensor("c", "float32", shape),), nodes, constants)


@pytest.fixture(scope="module")
def images() -> Array:
    x = np.random.default_rng(1).standard_normal((2, CHANNELS, SIDE, SIDE)).astype(np.float32)
    x[:, :, ::3, ::3] *= FACTOR
    return x


def one_percent(weight: Array) -> Array:
    """The weights with one of them, of median size among those that are not zero, a percent larger."""
    changed = weight.copy().reshape(-1)
    used = np.flatnonzero(changed)
    changed[used[np.argsort(abs(changed[used]))[len(used) // 2]]] *= np.float32(1.01)
    return changed.reshape(weight.shape)


def test_the_fast_engine_is_not_blamed(graph: Graph, images: Array) -> None:
    network = Network(graph)
    result = compare(network, images, Nobody(network))
    assert result.agrees, result.summary
    assert max(row.ours_excess for row in result.tensors) < 0.6
    assert max(row.ours_excess for row in result.outputs) < 0.6
    by_a_plain_sum = compare(network, images, Plain(network))
    assert by_a_plain_sum.outputs[0].theirs_excess > 10  # what the same outputs would be called from a runtime of sums


class Plain(Nobody):
    """The fast engine, passed off as a runtime whose convolutions are sums."""

    def __init__(self, network: Network):
        super().__init__(network)
        self.winograd = False


def test_a_fault_of_the_fast_engine_is_still_found(
    graph: Graph, images: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Network(replace(graph, constants={**graph.constants, "w2": one_percent(graph.constants["w2"])}))

    def faulty(_: Network, images: Array) -> Iterator[tuple[str, Array]]:
        return own_tensors(wrong, images)

    monkeypatch.setattr("refnet.audit.compare.own_tensors", faulty)
    network = Network(graph)
    result = compare(network, images, Nobody(network))
    assert [row.name for row in result.tensors if row.ours_excess > 1] == ["c"]


@pytest.mark.parametrize("change", [None, one_percent])
def test_a_trace_of_a_program_that_may_use_it_is_not_blamed_and_its_faults_are(
    graph: Graph, images: Array, tmp_path: Path, change: Callable[[Array], Array] | None
) -> None:
    weight = graph.constants["w1"]
    other = Network(replace(graph, constants={**graph.constants, "w1": change(weight) if change else weight}))
    tensors = dict(own_tensors(other, images))
    np.savez(tmp_path / "t.npz", **tensors, **{IMAGES: images})
    result = compare(Network(graph, engine="reference"), images, TraceFile(tmp_path / "t.npz"))
    assert [row.name for row in result.tensors if row.verdict == "departs"] == (["a"] if change else [])


def test_a_runtime_of_plain_sums_is_held_to_them(graph: Graph, images: Array, tmp_path: Path) -> None:
    """A fault that Winograd's error would hide, beside large pixels, is found in a runtime that has no such error."""
    network = Network(graph, engine="reference")
    tensors = {name: array.astype(np.float32) for name, array in network.stream(images)}
    tensors["a"][:, :, 1::3, 1::3] *= np.float32(1 + 1e-4)
    np.savez(tmp_path / "t.npz", a=tensors["a"], **{IMAGES: images})
    trace = TraceFile(tmp_path / "t.npz")
    assert compare(network, images, trace).tensors[0].verdict == "agrees"
    trace.winograd = False
    assert compare(network, images, trace).tensors[0].verdict == "departs"


def test_onnxruntimes_convolutions_are_plain_sums(graph: Graph, images: Array, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    write_model(graph, tmp_path / "m.onnx")
    runtime = OnnxRuntime(tmp_path / "m.onnx")
    assert not runtime.winograd
    assert compare(Network(graph, engine="reference"), images, runtime).agrees
