"""Folding keeps what a graph computes, also where its arithmetic stretches, copies, or gives out what lies between."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from refnet import reference
from refnet.errors import UnsupportedModelError
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Array, Attribute, Graph, Node, Tensor
from tests.comparison import assert_within

SHAPE = (2, 3, 4, 4)
WINDOW: dict[str, Attribute] = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}


class Drawing:
    """A graph that grows node by node; `shapes` are those of its tensors."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"data": SHAPE}

    def constant(self, value: Array) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=np.float32)
        return name

    def node(self, op: str, inputs: list[str], shape: tuple[int, ...] = SHAPE, **attributes: Attribute) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(Node(name, op, tuple(inputs), name, attributes))
        self.shapes[name] = shape
        return name

    def graph(self, *outputs: str) -> Graph:
        data = Tensor("data", "float32", SHAPE)
        given = tuple(Tensor(name, "float32", self.shapes[name]) for name in outputs)
        return Graph("drawn", (data,), given, tuple(self.nodes), self.constants)


def assert_kept(graph: Graph, path: Path) -> None:
    """What OpenVINO computes of the written file, and refnet of the file read back, is what the graph says."""
    x = np.random.default_rng(5).uniform(-1, 1, SHAPE).astype(np.float32)
    expected = reference.run(graph, {"data": x})
    write_openvino(graph, path)
    theirs = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"data": x})
    ours = reference.run(read_openvino(path), {"data": x})
    assert list(ours) == list(expected)
    for name, exact in expected.items():
        bound = 64 * 2.0**-23 * float(np.abs(exact).max())  # a few roundings of numbers of this size in every layer
        assert_within(np.asarray(theirs[name], dtype=np.float64), exact, bound)
        assert_within(ours[name], exact, bound)


@pytest.mark.parametrize("seed", range(24))
def test_random_arithmetic_is_kept(seed: int, tmp_path: Path) -> None:
    rng, drawing, x = np.random.default_rng(seed), Drawing(), "data"
    for _ in range(int(rng.integers(3, 9))):
        op = str(rng.choice(["Add", "Sub", "Mul", "Div", "BatchNormalization", "Conv", "Identity", "Relu"]))
        channels, size = drawing.shapes[x][1], drawing.shapes[x][2]
        if op in ("Add", "Sub", "Mul", "Div"):
            shape = [(), (1,), (channels, 1, 1), (1, channels, 1, 1), (size,), (3, 1, 1)][int(rng.integers(6))]
            if shape == (3, 1, 1) and channels not in (1, 3):
                continue
            number = drawing.constant(rng.uniform(0.5, 2, shape))
            turned = op != "Div" and bool(rng.integers(2))
            stretched = np.broadcast_shapes(drawing.shapes[x], shape)
            x = drawing.node(op, [number, x] if turned else [x, number], stretched)
        elif op == "BatchNormalization":
            vectors = [drawing.constant(rng.uniform(0.5, 2, channels)) for _ in range(4)]
            x = drawing.node(op, [x, *vectors], drawing.shapes[x], epsilon=1e-5)
        elif op == "Conv":
            outputs = int(rng.integers(1, 4))
            parts = [drawing.constant(rng.uniform(-1, 1, (outputs, channels, 1, 1)))]
            parts += [drawing.constant(rng.uniform(-1, 1, outputs))] if rng.integers(2) else []
            x = drawing.node(op, [x, *parts], (2, outputs, 4, 4), **WINDOW)
        else:
            x = drawing.node(op, [x], drawing.shapes[x])
    x = drawing.node("Relu", [x], drawing.shapes[x])
    assert_kept(drawing.graph(x), tmp_path / "drawn.xml")


def test_a_constant_that_stretches_a_tensor_stays_behind_the_convolution(tmp_path: Path) -> None:
    drawing = Drawing()
    one = drawing.node("Conv", ["data", drawing.constant(np.ones((1, 3, 1, 1)))], (2, 1, 4, 4), **WINDOW)
    many = drawing.node("Mul", [one, drawing.constant(np.arange(1, 6).reshape(5, 1, 1))], (2, 5, 4, 4))
    assert_kept(drawing.graph(many), tmp_path / "stretched.xml")


def test_a_tensor_that_is_given_out_keeps_its_name_though_a_copy_is_read(tmp_path: Path) -> None:
    drawing = Drawing()
    first = drawing.node("Relu", ["data"])
    last = drawing.node("Sigmoid", [drawing.node("Dropout", [first])])
    assert_kept(drawing.graph(first, last), tmp_path / "copied.xml")


def test_a_copy_that_is_given_out_has_the_name_of_the_output(tmp_path: Path) -> None:
    drawing = Drawing()
    first = drawing.node("Relu", ["data"])
    given, last = drawing.node("Identity", [first]), drawing.node("Dropout", [first])
    assert_kept(drawing.graph(drawing.node("Sigmoid", [last]), given), tmp_path / "copied.xml")


def test_a_copy_of_a_weight_is_the_weight(tmp_path: Path) -> None:
    drawing = Drawing()
    weight = drawing.node("Identity", [drawing.constant(np.arange(6).reshape(2, 3, 1, 1))], (2, 3, 1, 1))
    y = drawing.node("Conv", ["data", weight], (2, 2, 4, 4), **WINDOW)
    assert_kept(drawing.graph(y), tmp_path / "weight.xml")


def test_a_tensor_that_is_given_out_twice_is_refused(tmp_path: Path) -> None:
    drawing = Drawing()
    first = drawing.node("Relu", ["data"])
    graph = drawing.graph(first, drawing.node("Identity", [first]))
    with pytest.raises(UnsupportedModelError, match="outputs 'identity1' and 'relu0' are the same tensor"):
        write_openvino(graph, tmp_path / "twice.xml")
    assert not list(tmp_path.iterdir())


def test_an_input_that_is_given_out_is_refused(tmp_path: Path) -> None:
    drawing = Drawing()
    graph = drawing.graph(drawing.node("Relu", ["data"]), drawing.node("Identity", ["data"]))
    with pytest.raises(UnsupportedModelError, match="output 'identity1' is the input itself or a constant"):
        write_openvino(graph, tmp_path / "input.xml")


def test_a_normalization_by_what_is_computed_is_refused(tmp_path: Path) -> None:
    ones, three = np.ones(3, dtype=np.float32), np.array([3], dtype=np.int64)
    nodes = (
        Node("row", "Reshape", ("data", "three"), "row", {"allow_zero": 0}),
        Node("bn", "BatchNormalization", ("data", "ones", "ones", "ones", "row"), "bn", {"epsilon": 0.5}),
    )
    data, bn = Tensor("data", "float32", (1, 3)), Tensor("bn", "float32", (1, 3))
    graph = Graph("computed", (data,), (bn,), nodes, {"ones": ones, "three": three})
    with pytest.raises(UnsupportedModelError, match=r"node 'bn' \(BatchNormalization\) cannot be written"):
        write_openvino(graph, tmp_path / "computed.xml")
