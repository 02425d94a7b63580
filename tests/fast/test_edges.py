"""Zeros with a sign, infinities, NaN and integers: the fast engine gives what the reference gives, or refuses."""

from dataclasses import replace

import numpy as np
import pytest

import refnet.fast
from refnet import ModelError, ShapeError, UnsupportedModelError, reference
from refnet.graph import Graph, Node, Tensor

IC, OC = 16, 32  # whole blocks of the kernels
CONV = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
SIZES = {"direct": 1, "winograd": 3}
BIG = float(np.finfo(np.float32).max)


def graph_of(nodes, constants, shape, *, outputs=None, dtype="float32"):
    constants = {name: np.asarray(value) for name, value in constants.items()}
    given = tuple(Tensor(name, "float32", ()) for name in outputs or [nodes[-1].output])
    return Graph("edges", (Tensor("x", dtype, shape),), given, tuple(nodes), constants)


def assert_same_bits(graph, x, names=None):
    """Equal where the numbers are exact in both engines, the sign of zero included; NaN is NaN."""
    exact, fast = reference.run(graph, {"x": x}), refnet.fast.compile(graph, threads=1).run({"x": x})
    for name in names or exact:
        expected = exact[name].astype(fast[name].dtype)
        assert np.array_equal(fast[name], expected, equal_nan=True), name
        assert np.array_equal(np.signbit(fast[name]) & (fast[name] == 0), np.signbit(expected) & (expected == 0)), name


def convolution(size, weight, *activation, bias=None, constants=()):
    """x -> Conv -> activation; its weight is `weight` in the middle of the filter, channel by channel."""
    filters = np.zeros((OC, IC, size, size), np.float32)
    filters[np.arange(OC), np.arange(OC) % IC, size // 2, size // 2] = weight
    inputs = ("x", "w") if bias is None else ("x", "w", "b")
    nodes = [Node("conv", "Conv", inputs, "c", {**CONV, "padding": (size // 2,) * 4}), *activation]
    held = {"w": filters, **dict(constants)} | ({} if bias is None else {"b": np.full(OC, bias, np.float32)})
    return graph_of(nodes, held, (1, IC, 6, 6))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_fused_relu_gives_zero_and_not_minus_zero(size):
    relu = Node("relu", "Relu", ("c",), "r")
    inverse = Node("inverse", "Div", ("one", "r"), "y")
    graph = convolution(size, 1.0, relu, inverse, constants={"one": np.float32([1])}.items())
    assert_same_bits(graph, np.full((1, IC, 6, 6), -2, np.float32))
    assert np.isposinf(refnet.fast.compile(graph, threads=1).run({"x": -np.ones((1, IC, 6, 6), np.float32)})["y"]).all()


def test_a_fused_relu_gives_zero_for_a_sum_that_overflows():
    graph = convolution(1, BIG, Node("relu", "Relu", ("c",), "y"))
    x = np.full((1, IC, 6, 6), -4, np.float32)
    assert not refnet.fast.compile(graph, threads=1).run({"x": x})["y"].any()


def test_a_fused_relu_passes_nan_and_infinity_on():
    x = np.zeros((1, IC, 6, 6), np.float32)
    x[0, :, 0, :3] = np.nan, np.inf, -np.inf
    graph = convolution(1, 0.0, Node("relu", "Relu", ("c",), "y"))
    assert np.isnan(refnet.fast.compile(graph, threads=1).run({"x": x})["y"][0, :, 0, :3]).all()


@pytest.mark.parametrize("slope", [0.0, -0.0, -2.0, 0.5])
def test_a_fused_prelu_multiplies_whatever_its_slope(slope):
    prelu = Node("prelu", "PRelu", ("c", "s"), "y")
    graph = convolution(1, 1.0, prelu, constants={"s": np.full((OC, 1, 1), slope, np.float32)}.items())
    assert_same_bits(graph, np.linspace(-3, 3, IC * 36, dtype=np.float32).round().reshape(1, IC, 6, 6))


@pytest.mark.parametrize("slope", [np.nan, np.inf, -np.inf])
def test_a_slope_that_is_not_finite_is_multiplied_by_as_well(slope):
    prelu = Node("prelu", "PRelu", ("c", "s"), "y")
    graph = convolution(1, 1.0, prelu, constants={"s": np.full((OC, 1, 1), slope, np.float32)}.items())
    assert_same_bits(graph, np.linspace(-3, 3, IC * 36, dtype=np.float32).round().reshape(1, IC, 6, 6))


def test_a_bias_of_minus_zero_makes_no_minus_zero():
    inverse = Node("inverse", "Div", ("one", "c"), "y")
    graph = convolution(1, 1.0, inverse, bias=-0.0, constants={"one": np.float32([1])}.items())
    assert_same_bits(graph, np.full((1, IC, 6, 6), -0.0, np.float32))


@pytest.mark.parametrize(
    ("op", "number", "x"),
    [("Div", 1e-40, 1e-10), ("Div", 3e38, 1e38), ("Mul", 1e-40, 1e20), ("Mul", 1e38, 1e-10)],
)
def test_a_scaling_that_float32_does_not_hold_in_full_is_not_folded(op, number, x):
    scaling = Node("scaling", op, ("c", "n"), "y")
    graph = convolution(1, 1.0, scaling, constants={"n": np.float32(number)}.items())
    given = np.full((1, IC, 6, 6), x, np.float32)
    exact = reference.run(graph, {"x": given})["y"]
    assert np.isfinite(exact).all()
    error = abs(refnet.fast.compile(graph, threads=1).run({"x": given})["y"] - exact)
    assert (error <= 4 * 2.0**-24 * abs(exact) + 2.0**-149).all()


def test_dead_channels_of_a_batch_normalisation_are_folded():
    """Their products may underflow: at most 2**-149 |x| each."""
    gamma = np.array([1, 1e-20, 1e-30, 1e-38, 1e-42, 0] * OC, np.float32)[:OC]
    rest = {
        "gamma": gamma,
        "beta": np.ones(OC, np.float32),
        "mean": np.ones(OC, np.float32),
        "var": np.ones(OC, np.float32),
    }
    norm = Node("norm", "BatchNormalization", ("c", *rest), "y", {"epsilon": 1e-5})
    graph = convolution(1, 1.0, norm, constants=rest.items())
    engine = refnet.fast.compile(graph, threads=1)
    assert not [cost.name for cost in engine.costs if cost.kernel.startswith("definition")]
    given = np.full((1, IC, 6, 6), 1e4, np.float32)
    exact = reference.run(graph, {"x": given})["y"]
    assert (abs(engine.run({"x": given})["y"] - exact) <= 4 * 2.0**-24 * abs(exact) + 2.0**-149 * 1e4).all()


def test_two_scalings_whose_product_leaves_the_range_are_not_merged():
    twice = [Node("a", "Mul", ("c", "n"), "m"), Node("b", "Mul", ("m", "n"), "y")]
    graph = convolution(1, 1.0, *twice, constants={"n": np.float32(1e-20)}.items())
    given = np.full((1, IC, 6, 6), 1e20, np.float32)
    exact = reference.run(graph, {"x": given})["y"]
    error = abs(refnet.fast.compile(graph, threads=1).run({"x": given})["y"] - exact)
    assert (error <= 4 * 2.0**-24 * abs(exact)).all()


def test_a_scale_of_zero_is_folded():
    scaling = Node("scaling", "Mul", ("c", "n"), "y")
    graph = convolution(1, 1.0, scaling, constants={"n": np.float32(0)}.items())
    assert_same_bits(graph, np.ones((1, IC, 6, 6), np.float32))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_weight_that_folding_makes_too_large_is_refused(size):
    scaling = Node("scaling", "Mul", ("c", "n"), "y")
    graph = convolution(size, 1e30, scaling, constants={"n": np.float32(1e20)}.items())
    with pytest.raises(UnsupportedModelError, match=r"a weight is 1e\+50 once the scaling beside its layer is folded"):
        refnet.fast.compile(graph, threads=1)


def test_an_input_of_float64_is_refused():
    graph = graph_of([Node("n", "Identity", ("x",), "y")], {}, (1, 4), dtype="float64")
    with pytest.raises(UnsupportedModelError, match=r"input 'x' declares float64.*use engine='reference'"):
        refnet.fast.compile(graph, threads=1)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_integers_and_truth_values_go_through_as_they_are(dtype):
    graph = graph_of([Node("n", "Identity", ("x",), "y")], {}, (1, 4), outputs=["x", "y"], dtype=dtype)
    x = np.array([[0, 1, 2**24 + 1, -3]]).astype(dtype)
    for name, value in refnet.fast.compile(graph, threads=1).run({"x": x}).items():
        assert value.dtype == np.dtype(dtype), name
        assert np.array_equal(value, x), name


@pytest.mark.parametrize("to", ["float32", "float64", "float16"])
def test_integers_are_cast_once(to):
    """To float16 in one rounding; to float64 in the engine's precision."""
    nodes = [Node("cast", "Cast", ("x",), "f", {"to": to}), Node("half", "Mul", ("f", "h"), "y")]
    graph = graph_of(nodes, {"h": np.float32([0.5])}, (1, 3), dtype="int64")
    assert_same_bits(graph, np.array([[2**24 + 1, -7, 2051 if to == "float16" else 2**40 + 2**15 + 1]]))


def integers_inside(*nodes, constants=(), shape=(1, 2, 3, 4), output="y"):
    """x * 16777217 as an int64, then the nodes, then floats again."""
    start = [Node("to", "Cast", ("x",), "i", {"to": "int64"}), Node("more", "Mul", ("i", "n"), "m")]
    end = [Node("back", "Cast", (output,), "out", {"to": "float32"})]
    return graph_of([*start, *nodes, *end], {"n": np.array([2**24 + 1]), **dict(constants)}, shape)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([Node("add", "Add", ("m", "m"), "y")], {}),
        ([Node("add", "Add", ("m", "i"), "s"), Node("sub", "Sub", ("s", "m"), "y")], {}),
        ([Node("relu", "Relu", ("m",), "r"), Node("d", "Div", ("r", "two"), "y")], {"two": np.array([2])}),
        ([Node("mean", "ReduceMean", ("m",), "y", {"axes": (2, 3), "keepdims": 1})], {}),
        ([Node("pow", "Pow", ("m", "two"), "y")], {"two": np.array([2])}),
        (
            [Node("up", "Resize", ("m", "s"), "u", {"mode": "nearest", "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}),
             Node("d", "Sub", ("u", "one"), "y")],
            {"s": np.float32([1, 1, 2, 2]), "one": np.array([1])},
        ),
    ],
)  # fmt: skip
def test_integers_inside_a_graph_stay_integers(nodes, constants):
    x = np.arange(-12, 12, dtype=np.float32).reshape(1, 2, 3, 4)
    assert_same_bits(integers_inside(*nodes, constants=constants.items()), x)


def test_a_product_of_integer_matrices_stays_one():
    nodes = [Node("mm", "MatMul", ("m", "w"), "p"), Node("sub", "Sub", ("p", "one"), "y")]
    constants = {"w": np.array([[2**20 + 1], [3]]), "one": np.array([1])}
    assert_same_bits(integers_inside(*nodes, constants=constants.items(), shape=(1, 2)), np.float32([[3, -5]]))


def test_integers_are_given_out_in_their_own_dtype():
    graph = integers_inside(Node("add", "Add", ("m", "i"), "y"))
    graph = replace(graph, outputs=(Tensor("y", "int64", ()),))
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    y = refnet.fast.compile(graph, threads=1).run({"x": x})["y"]
    assert y.dtype == np.int64
    assert np.array_equal(y, reference.run(graph, {"x": x})["y"])


def test_an_index_beyond_its_axis_is_an_error_that_names_the_node():
    nodes = [Node("cast", "Cast", ("x",), "i", {"to": "int64"}), Node("pick", "Gather", ("t", "i"), "y", {"axis": 0})]
    graph = graph_of(nodes, {"t": np.arange(5.0, dtype=np.float32)}, (1, 2))
    engine = refnet.fast.compile(graph, threads=1)
    assert engine.run({"x": np.float32([[1, -1]])})["y"].tolist() == [[1, 4]]
    for run in (engine.run, lambda feeds: reference.run(graph, feeds)):
        with pytest.raises(ShapeError, match=r"node 'pick' \(Gather\): indices reach outside an axis of 5"):
            run({"x": np.float32([[1, 5]])})


def test_nothing_is_said_where_numbers_are_not_finite():
    nodes = [Node("root", "Sqrt", ("x",), "r"), Node("inverse", "Div", ("one", "r"), "y")]
    graph = graph_of(nodes, {"one": np.float32([1])}, (1, 4))
    assert_same_bits(graph, np.float32([[-1, 0, 4, np.inf]]))  # a RuntimeWarning would fail the test


def test_an_integer_divided_by_a_constant_zero_is_a_fault_of_the_model():
    nodes = [Node("s", "Shape", ("x",), "s"), Node("d", "Div", ("s", "zero"), "y")]
    graph = graph_of(nodes, {"zero": np.array([0])}, (1, 4))
    with pytest.raises(ModelError, match=r"node 'd' \(Div\): an integer is divided by zero"):
        refnet.fast.compile(graph, threads=1)
