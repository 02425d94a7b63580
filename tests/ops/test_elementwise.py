"""Add, Sub, Mul, Div, Pow, Sqrt, Relu, Sigmoid, Clip, Softmax, Cast, Identity, Dropout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import OPERATORS, Known
from refnet.ops.cast import cast
from refnet.ops.clip import clip
from refnet.ops.div import div
from refnet.ops.pow import pow
from refnet.ops.relu import relu
from refnet.ops.sigmoid import sigmoid
from refnet.ops.softmax import softmax
from tests import oracle
from tests.comparison import assert_within, gamma

EXPONENTIAL = 2  # the last place of exp, a little more than half a unit
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic_is_rounded_once_and_broadcasts_both_ways(op):
    rng = np.random.default_rng(0)
    a, b = oracle.exact(rng.normal(size=(3, 1))), oracle.exact(rng.normal(size=(2, 1, 4)))
    exact = {"Add": a + b, "Sub": a - b, "Mul": a * b, "Div": a / b}[op]
    y = OPERATORS[op].compute(oracle.floats(a), oracle.floats(b))
    assert_within(y, exact, 2.0**-53 * abs(oracle.floats(exact)))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_integers_stay_integers(op):
    assert OPERATORS[op].compute(np.array([6]), np.array([3])).dtype == np.int64


def test_integers_divide_towards_zero():
    assert div(np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])).tolist() == [3, -3, -3, 3]


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow"])
def test_shapes_that_do_not_broadcast_are_refused(op):
    with pytest.raises(
        ShapeError, match=r"shapes \(64,\) and \(1, 64, 7, 7\) do not broadcast; expected equal extents"
    ):
        OPERATORS[op].output_shape(Known((64,)), Known((1, 64, 7, 7)))


def test_a_power_keeps_the_dtype_of_its_base():
    assert pow(np.float32([2.0]), np.array(3)).dtype == np.float32
    assert pow(np.array([2]), np.array(3.0)).tolist() == [8]


@given(seeds)
def test_sigmoid_is_right_to_a_few_roundings(seed):
    x = np.random.default_rng(seed).normal(scale=20, size=9)
    expected = oracle.sigmoid(x)
    assert_within(sigmoid(x), expected, gamma(EXPONENTIAL + 2) * oracle.floats(expected))


@given(st.integers(1, 9), seeds)
def test_softmax_is_right_to_a_few_roundings(n, seed):
    x = np.random.default_rng(seed).normal(size=(2, n))
    expected = oracle.softmax_last_axis(x)
    # Above and below the line stand exponentials: of x - max, rounded by at most u times itself, which exp turns
    # into a relative error. Then n - 1 additions and a division.
    terms = 2 * (np.ptp(x) + EXPONENTIAL) + n
    assert_within(softmax(x, axis=-1), expected, gamma(terms) * oracle.floats(expected))


def test_softmax_does_not_overflow():
    assert softmax(np.array([1e4, 1e4, -1e4]), axis=0).tolist() == [0.5, 0.5, 0.0]


def test_softmax_refuses_an_axis_that_is_not_there():
    with pytest.raises(ShapeError, match="axis = 2; expected -2 to 1 for 2 axes"):
        OPERATORS["Softmax"].output_shape(Known((1, 5)), axis=2)


@pytest.mark.parametrize("count", [1, 33])  # NumPy has other instructions for many
def test_relu_passes_nan_on_and_knows_no_minus_zero(count):
    assert np.isnan(relu(np.array([np.nan] * count))).all()
    assert not np.signbit(relu(np.array([-0.0, -1.0, -np.inf] * count))).any()


@pytest.mark.parametrize("count", [1, 33])
def test_clip_passes_nan_on_and_keeps_minus_zero(count):
    assert np.isnan(clip(np.array([np.nan] * count), np.array(0.0), np.array(1.0))).all()
    assert np.signbit(clip(np.array([-0.0] * count), np.array(0.0), np.array(1.0))).all()


def test_clip_holds_infinity_to_the_largest_of_float32_where_a_bound_is_absent():
    largest = float(np.finfo(np.float32).max)
    assert clip(np.array([-np.inf, np.inf])).tolist() == [-largest, largest]
    assert clip(np.array([-np.inf, np.inf]), np.array(0.0)).tolist() == [0, largest]
    assert clip(np.array([1e39])).tolist() == [1e39]  # finite here


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_over_no_elements_is_empty(axis):
    assert softmax(np.zeros((3, 0)), axis=axis).shape == (3, 0)


def test_clip_takes_the_upper_bound_where_the_bounds_cross():
    assert clip(np.array([-5.0, 0.0, 5.0]), np.array(2.0), np.array(1.0)).tolist() == [1, 1, 1]


def test_clip_without_bounds_is_the_input():
    x = np.array([-5.0, 5.0])
    assert_within(clip(x), x)


def test_clip_accepts_a_bound_in_a_vector_of_one_and_keeps_the_shape():
    assert clip(np.array(3.0), None, np.array([1.0])).shape == ()


def test_clip_refuses_bounds_that_are_no_number():
    with pytest.raises(ShapeError, match=r"low has shape \(2,\); expected one number"):
        OPERATORS["Clip"].output_shape(Known((5,)), Known((2,)))


def test_clip_costs_one_comparison_a_bound():
    assert [OPERATORS["Clip"].flops((5,), Known((5,)), *bounds) for bounds in ([], [Known(())], [Known(())] * 2)] == [
        0,
        5,
        10,
    ]


def test_cast_truncates_towards_zero():
    assert cast(np.array([-1.9, 1.9]), to="int32").tolist() == [-1, 1]


def test_a_cast_between_floats_leaves_the_precision_to_the_engine():
    x = np.array([0.1])
    assert cast(x, to="float16") is x


def test_cast_refuses_other_dtypes():
    with pytest.raises(UnsupportedModelError, match="to = 'complex64'; refnet implements float16, float32, float64"):
        OPERATORS["Cast"].output_shape(Known((5,)), to="complex64")


@pytest.mark.parametrize("op", ["Identity", "Dropout"])
def test_nothing_happens_at_inference(op):
    x = np.array([1.0])
    assert OPERATORS[op].compute(x) is x
    assert OPERATORS[op].flops((1,), Known((1,))) == 0


@pytest.mark.parametrize(
    ("op", "count"),
    [
        ("Add", 1),
        ("Sub", 1),
        ("Mul", 1),
        ("Div", 1),
        ("Pow", 1),
        ("Sqrt", 1),
        ("Relu", 1),
        ("Sigmoid", 3),
        ("Softmax", 5),
    ],
)
def test_costs_an_element(op, count):
    assert OPERATORS[op].flops((2, 3), Known((2, 3))) == 6 * count


def test_powers_have_the_same_bits_alone_and_among_others() -> None:
    x, exponent = np.linspace(0.1, 9, 37, dtype=np.float32), np.float32([-1.3])
    together = OPERATORS["Pow"].compute(x, exponent)
    assert together.dtype == np.float32
    assert np.array_equal(together, [OPERATORS["Pow"].compute(x[i : i + 1], exponent)[0] for i in range(37)])
    assert OPERATORS["Pow"].compute(np.array(2.0), np.array(3.0)).shape == ()
