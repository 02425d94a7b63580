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


def test_a_constant_that_several_nodes_read_is_written_once(tmp_path: Path) -> None:
    drawing = Drawing()
    c = drawing.constant(np.float32([[[3]], [[5]], [[7]]]))
    below = drawing.node("Sub", [c, "data"])
    y = drawing.node("Div", [c, drawing.node("Relu", [drawing.node("Add", [drawing.node("Mul", [below, below]), c])])])
    assert_kept(drawing.graph(y, below), tmp_path / "shared.xml")
    text = (tmp_path / "shared.xml").read_text()
    assert text.count(f'names="{c}"') == 1
    assert (tmp_path / "shared.bin").stat().st_size == 2 * 3 * 4  # as it is, and as the shift that an Add becomes
    write_openvino(drawing.graph(y, below), tmp_path / "half.xml", precision="fp16")
    assert "constant0" in read_openvino(tmp_path / "half.xml").source.notes[0]
    assert (tmp_path / "half.bin").stat().st_size == 2 * 3 * 2


def test_a_slope_that_other_nodes_read_in_another_shape_has_its_name_once(tmp_path: Path) -> None:
    drawing = Drawing()
    c = drawing.constant(np.float32([[[0.5]], [[0.25]], [[2]]]))
    first = drawing.node("PRelu", ["data", c])
    y = drawing.node("PRelu", [drawing.node("Sub", [c, first]), c])
    assert_kept(drawing.graph(y, first), tmp_path / "slope.xml")
    assert (tmp_path / "slope.xml").read_text().count(f'names="{c}"') == 1


@pytest.mark.parametrize("op", ["PRelu", "Reshape", "Flatten", "Conv", "Relu"])
def test_a_layer_may_read_nothing_but_constants(tmp_path: Path, op: str) -> None:
    drawing = Drawing()
    large = drawing.constant(np.linspace(-1, 1, 3 * 43 * 43).reshape(1, 3, 43, 43))  # larger than what is folded
    drawing.constants |= {"shape": np.array([3, 1, 43, 43]), "rows": np.array([-1, 1])}
    more: list[str] = {
        "PRelu": [drawing.constant(np.float32([[[0.5]], [[0.25]], [[2]]]))],
        "Conv": [drawing.constant(np.ones((3, 3, 1, 1)))],
        "Reshape": ["shape"],
    }.get(op, [])
    said: dict[str, dict[str, Attribute]] = {"Reshape": {"allow_zero": 0}, "Flatten": {"axis": 2}, "Conv": WINDOW}
    made = drawing.node(op, [large, *more], **said.get(op, {}))
    column = drawing.node("MatMul", [made, drawing.constant(np.full((43 if op != "Flatten" else 43 * 43, 1), 2**-6))])
    first = drawing.node("Reshape", [column, "rows"], allow_zero=0)
    y = drawing.node("MatMul", [drawing.node("Reshape", ["data", "rows"], allow_zero=0), drawing.node("Flatten", [first], axis=0)],
                     (96, 3 if op == "Flatten" else 129))  # fmt: skip
    assert_kept(drawing.graph(y), tmp_path / "constant.xml")


def test_a_large_slope_is_read_back(tmp_path: Path) -> None:
    slope = np.linspace(-1, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    data, output = (Tensor(name, "float32", slope.shape) for name in ("data", "y"))
    graph = Graph(
        "large", (data,), (output,), (Node("y", "PRelu", ("data", "s"), "y"),), {"s": slope.astype(np.float32)}
    )
    write_openvino(graph, tmp_path / "large.xml")
    x = np.random.default_rng(1).normal(size=slope.shape).astype(np.float32)
    assert np.array_equal(
        reference.run(read_openvino(tmp_path / "large.xml"), {"data": x})["y"], reference.run(graph, {"data": x})["y"]
    )


def test_layers_that_folding_makes_take_no_name_of_a_tensor(tmp_path: Path) -> None:
    drawing = Drawing()
    weight, two, c = (
        drawing.constant(np.eye(3).reshape(3, 3, 1, 1)),
        drawing.constant(np.array(2)),
        drawing.constant(np.array(1)),
    )
    one, other = "conv/WithoutBiases", "sum/mul"
    drawing.nodes = [
        Node("one", "Relu", ("data",), one),
        Node("conv", "Conv", (one, weight, "bias"), "convolved", WINDOW),
        Node("other", "Sigmoid", ("convolved",), other),
        Node("times", "Mul", (other, two), "doubled"),
        Node("sum", "Add", ("doubled", c), "shifted"),
        Node("end", "Mul", ("shifted", other), "multiplied"),
        Node("last", "Mul", ("multiplied", one), "y"),
    ]
    drawing.constants["bias"] = np.float32([1, 2, 3])
    drawing.shapes["y"] = SHAPE
    assert_kept(drawing.graph("y"), tmp_path / "names.xml")


@pytest.mark.parametrize(("axis", "extents"), [(0, (1, 96)), (2, (6, 16)), (-1, (24, 4)), (4, (96, 1))])
def test_any_axis_may_be_flattened_and_the_batch_stays_free(
    tmp_path: Path, axis: int, extents: tuple[int, int]
) -> None:
    node = Node("y", "Flatten", ("data",), "y", {"axis": axis})
    data, output = Tensor("data", "float32", (None, *SHAPE[1:])), Tensor("y", "float32", (None, None))
    write_openvino(Graph("flat", (data,), (output,), (node,), {}), tmp_path / "flat.xml")
    x = np.arange(96, dtype=np.float32).reshape(SHAPE)
    for images in (x, np.concatenate([x, x, x])):
        y = reference.run(read_openvino(tmp_path / "flat.xml"), {"data": images})["y"]
        theirs = openvino.Core().compile_model(tmp_path / "flat.xml", "CPU")({"data": images})["y"]
        assert np.array_equal(y, images.reshape([-1, extents[1]] if axis else (*extents[:1], -1)))
        assert np.array_equal(theirs, y)


def test_a_tensor_may_have_no_axes(tmp_path: Path) -> None:
    data, output = Tensor("data", "float32", ()), Tensor("y", "float32", ())
    nodes = (
        Node("a", "Relu", ("data",), "a"),
        Node("b", "Reshape", ("a", "ones"), "b", {"allow_zero": 0}),
        Node("y", "Reshape", ("b", "none"), "y", {"allow_zero": 0}),
    )
    shapes = {"ones": np.array([1, 1]), "none": np.zeros(0, dtype=np.int64)}
    write_openvino(Graph("scalar", (data,), (output,), nodes, shapes), tmp_path / "scalar.xml")
    x = np.array(3, dtype=np.float32)
    y = reference.run(read_openvino(tmp_path / "scalar.xml"), {"data": x})["y"]
    theirs = openvino.Core().compile_model(tmp_path / "scalar.xml", "CPU")({"data": x})["y"]
    assert y == theirs == 3
    assert y.shape == theirs.shape == ()


def test_a_tensor_without_elements_is_refused(tmp_path: Path) -> None:
    data, output = Tensor("data", "float32", (1, 0)), Tensor("y", "float32", (1, 0))
    graph = Graph("empty", (data,), (output,), (Node("y", "Relu", ("data",), "y"),), {})
    with pytest.raises(UnsupportedModelError, match=r"tensor 'data' has shape \(1, 0\); .* extents of at least 1"):
        write_openvino(graph, tmp_path / "empty.xml")


@pytest.mark.parametrize("steps", [[("Mul", 1e30), ("Mul", 1e30)], [("Div", 0)], [("Add", 1e38), ("Mul", 1e38)]])
def test_a_constant_that_folding_makes_infinite_is_refused(tmp_path: Path, steps: list[tuple[str, float]]) -> None:
    drawing, at = Drawing(), "data"
    for op, value in steps:
        at = drawing.node(op, [at, drawing.constant(np.array(value))])
    with pytest.raises(
        UnsupportedModelError, match=r"constant '.*' is infinite or NaN, of itself or where linear layers"
    ):
        write_openvino(drawing.graph(at), tmp_path / "infinite.xml")
    assert not list(tmp_path.iterdir())
