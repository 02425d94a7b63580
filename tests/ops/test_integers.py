"""Integers and truth values: the dtypes and the values that the ONNX specification gives, or a refusal."""

import numpy as np
import pytest

from refnet.errors import InputError, ModelError, ShapeError, UnsupportedModelError
from refnet.graph import Graph, Node, Tensor
from refnet.ops import OPERATORS, Known
from refnet.ops.cast import cast
from refnet.ops.div import div
from refnet.ops.dtypes import in_declared_dtype
from refnet.ops.inference import infer
from refnet.ops.pow import pow
from refnet.ops.reduce_mean import reduce_mean
from refnet.reference import run

each_integer = pytest.mark.parametrize("dtype", [np.int32, np.int64])


def one_node(op, *dtypes, **attributes):
    """A graph of one operator whose inputs are declared in these dtypes, (1, 4) each."""
    inputs = tuple(Tensor(f"x{i}", dtype, (1, 4)) for i, dtype in enumerate(dtypes))
    node = Node("n", op, tuple(tensor.name for tensor in inputs), "y", attributes)
    return Graph("one", inputs, (Tensor("y", "float32", ()),), (node,), {})


@each_integer
def test_a_mean_of_integers_is_truncated_and_does_not_overflow(dtype):
    limits = np.iinfo(dtype)
    x = np.array([[-1, -2, -2], [2, 3, 3], [limits.max] * 3, [limits.min] * 3, [limits.max, limits.min, 0]], dtype)
    y = reduce_mean(x, axes=(1,), keepdims=0)
    assert y.dtype == dtype
    assert y.tolist() == [-1, 2, limits.max, limits.min, 0]


def test_a_mean_of_integers_is_that_of_python_integers():
    x = np.random.default_rng(0).integers(-(2**63), 2**63, (200, 7))
    exact = [sum(map(int, row)) for row in x]
    assert reduce_mean(x, axes=(1,), keepdims=0).tolist() == [abs(s) // 7 * (1 if s > 0 else -1) for s in exact]


def test_a_mean_over_nothing_is_refused():
    with pytest.raises(ShapeError, match="a mean over no elements is undefined"):
        OPERATORS["ReduceMean"].output_shape(Known((3, 0)), axes=(1,))


@each_integer
def test_the_least_integer_is_divided_like_the_others(dtype):
    least = np.iinfo(dtype).min
    assert div(np.array([least, least, least], dtype), np.array([2, 3, -1], dtype)).tolist() == [
        least // 2, -(-least // 3), least,
    ]  # fmt: skip


def test_an_integer_divided_by_zero_is_an_error_that_names_the_node():
    graph = one_node("Div", "int64", "int64")
    with pytest.raises(InputError, match=r"node 'n' \(Div\): an integer is divided by zero"):
        run(graph, {"x0": np.array([[1, 2, 3, 4]]), "x1": np.array([[1, 0, 1, 1]])})


@each_integer
def test_integers_to_a_float_power_are_truncated(dtype):
    y = pow(np.array([2, 3, 10, 17], dtype), np.float32([1.5]))
    assert y.dtype == dtype
    assert y.tolist() == [2, 5, 31, 70]


@each_integer
def test_integers_to_a_negative_power_are_truncated(dtype):
    y = pow(np.array([1, -1, -1, 2, -3], dtype), np.array([-1, -1, -2, -1, -3], dtype))
    assert y.tolist() == [1, -1, 1, 0, 0]


def test_integer_powers_are_exact_and_wrap_as_products_do():
    assert pow(np.array([3]), np.array([39])).tolist() == [3**39]  # no float64
    assert pow(np.int32([70000]), np.array(2)).tolist() == [70000**2 - 2**32]
    assert pow(np.int32([3]), np.array([21])).tolist() == [(3**21 + 2**31) % 2**32 - 2**31]


@pytest.mark.parametrize("to", ["int32", "int64"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_integers_do_not_hold_becomes_the_least(dtype, to):
    least = np.iinfo(to).min
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -float(least), float(least), 2.9, -2.9], dtype)
    assert cast(x, to=to).tolist() == [least] * 7 + [2, -2]


def test_integers_become_floats_as_the_dtype_rounds_them():
    x = np.array([2**24 + 1, 70000, 2049])
    assert cast(x, to="float32").tolist() == [2**24, 70000, 2049]
    assert cast(x, to="float16").tolist() == [np.inf, np.inf, 2048]
    assert cast(x, to="float16").dtype == np.float32


@pytest.mark.parametrize(
    ("op", "dtypes", "attributes", "message"),
    [
        ("Sqrt", ["int64"], {}, "its input has dtype int64; refnet implements float"),
        ("Softmax", ["int32"], {"axis": 1}, "its input has dtype int32; refnet implements float"),
        ("Add", ["bool", "bool"], {}, "its input has dtype bool; refnet implements float, int32, int64"),
        ("Cast", ["uint8"], {"to": "float32"}, "its input has dtype uint8"),
        ("Pow", ["float32", "bool"], {}, "its input has dtype bool"),
    ],
)
def test_dtypes_that_an_operator_does_not_take_are_refused(op, dtypes, attributes, message):
    with pytest.raises(UnsupportedModelError, match=rf"node 'n' \({op}\): {message}"):
        infer(one_node(op, *dtypes, **attributes), {f"x{i}": (1, 4) for i in range(len(dtypes))})


@pytest.mark.parametrize(
    ("op", "dtypes", "attributes", "message"),
    [
        ("Concat", ["float32", "int64"], {"axis": 0}, "inputs are of dtypes float and int64; expected one dtype: add a Cast"),
        ("Mul", ["int32", "int64"], {}, "inputs are of dtypes int32 and int64"),
        ("Gather", ["float32", "float32"], {}, "indices or extents have dtype float; expected int32 or int64"),
    ],
)  # fmt: skip
def test_dtypes_that_do_not_fit_each_other_are_refused(op, dtypes, attributes, message):
    with pytest.raises(ModelError, match=rf"node 'n' \({op}\): {message}"):
        infer(one_node(op, *dtypes, **attributes), {"x0": (1, 4), "x1": (1, 4)})


def test_every_dtype_follows_from_the_graph():
    nodes = (
        Node("a", "Cast", ("x",), "a", {"to": "int32"}),
        Node("b", "Mul", ("a", "a"), "b"),
        Node("c", "Shape", ("b",), "c"),
        Node("d", "Cast", ("b",), "d", {"to": "float16"}),
    )
    graph = Graph("g", (Tensor("x", "float32", (1, 2)),), (Tensor("d", "float32", ()),), nodes, {})
    known = infer(graph, {"x": (1, 2)})
    assert [known[name].dtype for name in "xabcd"] == ["float", "int32", "int32", "int64", "float"]


def test_the_reference_gives_integers_in_their_own_dtype():
    graph = one_node("Mul", "int32", "int32")
    y = run(graph, {"x0": np.array([[2**16, 3, -1, 0]]), "x1": np.array([[2**16, 3, 5, 7]])})["y"]
    assert y.dtype == np.int32
    assert y.tolist() == [[0, 9, -5, 0]]


@pytest.mark.parametrize("given", [np.array([0.5]), np.array([2**31]), np.array([True])])
def test_an_input_that_declares_integers_takes_nothing_else(given):
    with pytest.raises(ShapeError, match=rf"input 'ids' has dtype {given.dtype}.*; the model declares int32"):
        in_declared_dtype("ids", "int32", given)
    assert in_declared_dtype("ids", "int32", np.array([2**31 - 1])).dtype == np.int32
    assert in_declared_dtype("pixels", "float32", given) is given
