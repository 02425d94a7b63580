"""Integers and truth values in OpenVINO models: written with their element type, read back as they were, or refused."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from refnet import reference
from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Array, Graph, Node, Tensor
from tests.formats.test_openvino_reader import EDGES, SCALED, between, compute, const, layer, net, write

X = np.array([[[[-7, 7, 8], [-8, 3, 0]]]])


def drawn(nodes: list[Node], constants: dict[str, Array], dtype: str, shape: tuple[int | None, ...] = X.shape) -> Graph:
    """A graph from "data" to the output of its last node; tensors of the same dtype."""
    output = Tensor(nodes[-1].output, dtype, (None,) * 4)
    return Graph("drawn", (Tensor("data", dtype, shape),), (output,), tuple(nodes), constants)


def read_back(graph: Graph, path: Path, x: Array) -> Array:
    """What the graph computes; OpenVINO and refnet compute the same of the file that is written of it."""
    (expected,) = reference.run(graph, {"data": x}).values()
    write_openvino(graph, path)
    again = read_openvino(path)
    (ours,) = reference.run(again, {"data": x}).values()
    theirs = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"data": x})[0]
    assert [tensor.dtype for tensor in (*again.inputs, *again.outputs)] == [str(x.dtype)] * 2
    assert ours.dtype == theirs.dtype == expected.dtype == x.dtype
    assert np.array_equal(ours, expected)
    assert np.array_equal(theirs, expected)
    return expected


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize(
    ("op", "inputs", "constant"),
    [
        ("Add", ("data", "c"), [5]),
        ("Sub", ("c", "data"), [[1], [2]]),
        ("Mul", ("data", "c"), [[-3]]),
        ("Div", ("data", "c"), [[2], [-3]]),
        ("PRelu", ("data", "c"), [[[2]]]),
        ("MatMul", ("data", "c"), [[1, -2], [0, 3], [4, -5]]),
        ("Relu", ("data",), [0]),
    ],
)
def test_integers_keep_their_dtype(
    tmp_path: Path, op: str, inputs: tuple[str, ...], constant: Array, dtype: str
) -> None:
    constants = {"c": np.array(constant, dtype=dtype)} if "c" in inputs else {}
    read_back(drawn([Node("y", op, inputs, "y")], constants, dtype), tmp_path / "i.xml", X.astype(dtype))


def test_quotients_of_integers_are_rounded_towards_zero(tmp_path: Path) -> None:
    graph = drawn([Node("y", "Div", ("data", "two"), "y")], {"two": np.array([2])}, "int64")
    assert read_back(graph, tmp_path / "d.xml", X).reshape(-1).tolist() == [-3, 3, 4, -4, 1, 0]
    assert 'm_pythondiv="false"' in (tmp_path / "d.xml").read_text()


def test_matrices_of_integers_are_multiplied(tmp_path: Path) -> None:
    nodes = [Node("rows", "Flatten", ("data",), "rows", {"axis": 3}), Node("y", "MatMul", ("rows", "c"), "y")]
    matrix = np.array([[1, -2], [0, 3], [4, -5]], dtype=np.int32)
    graph = drawn(nodes, {"c": matrix}, "int32")
    y = read_back(graph, tmp_path / "m.xml", X.astype(np.int32))
    assert np.array_equal(y, X[0, 0] @ matrix)


def test_truth_values_keep_their_dtype(tmp_path: Path) -> None:
    node = Node("y", "Reshape", ("data", "shape"), "y", {"allow_zero": 0})
    graph = drawn([node], {"shape": np.array([3, -1])}, "bool")
    assert read_back(graph, tmp_path / "b.xml", X > 0).tolist() == [[False, True], [True, False], [True, False]]


def test_a_constant_of_truth_values_is_refused(tmp_path: Path) -> None:
    nodes = [Node("y", "Reshape", ("c", "shape"), "y", {"allow_zero": 0})]  # too large to become a constant itself
    graph = drawn(nodes, {"c": np.ones((5000, 1), dtype=bool), "shape": np.array([1, 1, 1, -1])}, "bool")
    with pytest.raises(UnsupportedModelError, match=r"constant 'c' has dtype bool; refnet writes float32, .*int32"):
        write_openvino(graph, tmp_path / "c.xml")
    assert not list(tmp_path.iterdir())


def test_a_dtype_that_openvino_models_are_not_written_of_is_refused(tmp_path: Path) -> None:
    graph = drawn([Node("y", "Flatten", ("data",), "y", {"axis": 1})], {}, "uint8")
    with pytest.raises(
        UnsupportedModelError, match=r"tensor 'data' has dtype uint8; refnet writes float, int64, int32, b"
    ):
        write_openvino(graph, tmp_path / "u.xml")
    assert not list(tmp_path.iterdir())


def integer_net(data: str, *, kind: str = "Divide", extents: str = "1,2,4,4") -> str:
    """A network of int64 in which a layer reads the input and a constant 2."""
    text = net((SCALED[0], const(1, "two", "1,1,1,1", 0, 8, "i64"), *SCALED[2:]), EDGES)
    text = text.replace("Multiply", kind).replace('auto_broadcast="numpy"', data).replace("1,2,4,4", extents)
    for extent in range(4):
        if extents.split(",")[extent] == "?":
            old = "".join(f"<dim>{n}</dim>" for n in (1, 2, 4, 4))
            new = "".join(f"<dim>{'-1' if n == '?' else n}</dim>" for n in extents.split(","))
            text = text.replace(old, new)
    return text.replace("FP32", "I64").replace("f32", "i64")


TWO = np.array([2], dtype="<i8").tobytes()


def test_division_of_integers_is_read_where_it_goes_towards_zero(tmp_path: Path) -> None:
    x = np.arange(-16, 16).reshape(1, 2, 4, 4)
    y = compute(write(tmp_path, integer_net('m_pythondiv="false"'), TWO), x)
    assert y.dtype == np.int64
    assert np.array_equal(y, np.trunc(x / 2))


@pytest.mark.parametrize("extents", ["1,2,4,4", "1,2,?,?"])
@pytest.mark.parametrize("data", ['m_pythondiv="true"', 'auto_broadcast="numpy"'])
def test_division_of_integers_towards_minus_infinity_is_refused(tmp_path: Path, data: str, extents: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"node 'scaled' \(Divide\): m_pythondiv is 'true', which rounds"):
        read_openvino(write(tmp_path, integer_net(data, extents=extents), TWO))


def test_division_of_a_known_shape_is_read_either_way(tmp_path: Path) -> None:
    layers = (
        SCALED[0],
        const(1, "two", "1", 0, 8, "i64"),
        layer(2, "shape", "ShapeOf", 'output_type="i64"', ("1,2,4,4",), "4", version="opset3", precision="I64"),
        layer(3, "half", "Divide", 'm_pythondiv="true"', ("4", "1"), "4", names="half").replace("FP32", "I64"),
        layer(4, "end", "Result", "", ("4",)).replace("FP32", "I64"),
    )
    edges = tuple(
        f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>'
        for a, b, c, d in ((0, 0, 2, 0), (2, 1, 3, 0), (1, 0, 3, 1), (3, 2, 4, 0))
    )
    y = compute(write(tmp_path, net(layers, edges), TWO), np.zeros((1, 2, 4, 4), dtype=np.float32))
    assert y.tolist() == [0, 1, 2, 2]


def test_a_layer_that_makes_another_dtype_than_the_file_says_is_refused(tmp_path: Path) -> None:
    converted = between(layer(9, "y", "Convert", 'destination_type="i32"', ("1,2,4,4",), "1,2,4,4", names="y"), (), 0)
    with pytest.raises(ModelError, match=r"'y' makes a tensor of dtype int32; the file says FP32"):
        read_openvino(write(tmp_path, converted))


def test_integer_matrices_that_are_transposed_are_refused(tmp_path: Path) -> None:
    text = integer_net('transpose_b="true"', kind="MatMul").replace("1,2,4,4", "1,1").replace("1,1,1,1", "1,1")
    text = text.replace("<dim>1</dim><dim>2</dim><dim>4</dim><dim>4</dim>", "<dim>1</dim><dim>1</dim>")
    text = text.replace("<dim>1</dim>" * 4, "<dim>1</dim>" * 2)
    with pytest.raises(UnsupportedModelError, match=r"it transposes one of its inputs, .* for matrices of floats only"):
        read_openvino(write(tmp_path, text, TWO))
