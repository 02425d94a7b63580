"""Every vector-Jacobian product: beside central differences, and by hand."""

import inspect
import math

import numpy as np
import pytest

from refnet.errors import UnsupportedModelError
from refnet.ops import OPERATORS
from tests.comparison import assert_within, gamma
from tests.ops.bounds import float32_bound
from tests.ops.cases import CASES, Case, number, positive

WITHOUT = {"Shape"}
NOT_BY = {("Reshape", 1), ("Expand", 1), ("Slice", 1), ("Gather", 1), ("Resize", 1), ("Resize", 2)}
STEP = np.cbrt(np.finfo(np.float64).eps)  # truncation grows as its square, rounding as its inverse: about equal here
SMOOTH = [case for case in CASES if case.inputs[0].dtype.kind == "f" and case.op not in (*WITHOUT, "Cast")]
PAIRS = [
    (case, wrt)
    for case in [*SMOOTH, Case("Pow", (positive(2, 5), number([0.0, 1.0, 2.0, -1.0, 0.5])))]
    for wrt, x in enumerate(case.inputs)
    if x is not None and x.dtype.kind == "f" and (case.op, wrt) not in NOT_BY
]


def vjp(case, wrt, dy, inputs=None):
    inputs = case.inputs_in(np.float64) if inputs is None else inputs
    return OPERATORS[case.op].vjp(wrt, dy, *inputs, **case.attributes)


def directions(case, wrt, seed=0):
    """A cotangent, and a direction in which the input is moved, both of normal numbers."""
    inputs = case.inputs_in(np.float64)
    rng = np.random.default_rng((seed, wrt))
    return rng.normal(size=case.compute(*inputs).shape), rng.normal(size=inputs[wrt].shape)


@pytest.mark.parametrize(("case", "wrt"), PAIRS, ids=str)
def test_the_product_is_what_central_differences_find(case, wrt):
    """(f(x + hv) - f(x - hv)) / 2h has an error of order h**2, and halving the accuracy shows it.

    From twice the step it has four times the error, so a third of what both differ by is the error, to the next
    order; all of it is allowed. Rounding adds what two evaluations may be wrong by, divided by 2h: their bound is
    the one that float32 is held to, in float64's unit. No case lies within a step of a kink: their elements are
    float32 normal numbers, and the steps a hundred thousand times smaller.
    """
    dy, v = directions(case, wrt)
    inputs = case.inputs_in(np.float64)

    def difference(h):
        ends = []
        for side in (h, -h):
            moved = [x + side * v if i == wrt else x for i, x in enumerate(inputs)]
            ends.append(math.fsum((dy * case.compute(*moved)).flat))
        return (ends[0] - ends[1]) / (2 * h)

    dx = vjp(case, wrt, dy)
    found = (dx * v).sum()
    unit = np.finfo(np.float64).eps / np.finfo(np.float32).eps
    evaluation = (abs(dy) * float32_bound(case.op, inputs, case.attributes) * unit).sum()
    products = gamma(1, np.float64) * abs(dy * case.compute(*inputs)).sum()
    rounding = (evaluation + products) / STEP
    product = gamma(dy.size + v.size, np.float64) * abs(dx * v).sum()
    close, far = difference(STEP), difference(2 * STEP)
    bound = abs(close - far) + 2 * rounding + product
    assert abs(close - found) <= bound
    assert bound < 1e-5 * max(1, abs(dx).sum()), "the bound says nothing"


@pytest.mark.parametrize(("case", "wrt"), PAIRS, ids=str)
def test_the_product_has_the_shape_of_its_input_and_is_linear_in_the_cotangent(case, wrt):
    dy, _ = directions(case, wrt)
    other, _ = directions(case, wrt, seed=1)
    dx = vjp(case, wrt, dy)
    assert dx.shape == case.inputs[wrt].shape
    assert dx.dtype == np.float64
    assert_within(vjp(case, wrt, 2 * dy), 2 * dx)
    magnitude = np.abs(vjp(case, wrt, dy)) + np.abs(vjp(case, wrt, other))
    difference = np.abs(vjp(case, wrt, dy + other) - dx - vjp(case, wrt, other))
    assert (difference <= gamma(4 * dy.size, np.float64) * (1 + magnitude.max())).all()


@pytest.mark.parametrize(("case", "wrt"), PAIRS, ids=str)
def test_the_product_leaves_its_inputs_as_they_were(case, wrt):
    inputs = case.inputs_in(np.float64)
    dy, _ = directions(case, wrt)
    before = [None if x is None else x.copy() for x in inputs]
    cotangent = dy.copy()
    vjp(case, wrt, dy, inputs)
    assert np.array_equal(dy, cotangent)
    for x, copy in zip(inputs, before, strict=True):
        assert x is None or np.array_equal(x, copy)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.batched], ids=str)
def test_an_image_has_the_same_gradient_alone_and_in_a_batch(case):
    images, *rest = case.inputs_in(np.float64)
    dy, _ = directions(case, 0)
    batch = vjp(case, 0, dy, [images, *rest])
    for i in range(len(images)):
        mine = [x[i : i + 1] if x is not None and x.shape == images.shape else x for x in rest]
        if case.op == "Resize" and mine[1] is not None:
            mine[1] = np.array([1, *mine[1][1:]])
        assert_within(vjp(case, 0, dy[i : i + 1], [images[i : i + 1], *mine]), batch[i : i + 1], 0)


def test_every_operator_but_the_shape_has_a_product():
    assert {name for name, operator in OPERATORS.items() if operator.vjp is None} == WITHOUT


@pytest.mark.parametrize("operator", [o for o in OPERATORS.values() if o.vjp], ids=lambda operator: operator.name)
def test_the_product_takes_what_the_definition_takes(operator):
    def keywords(function):
        parameters = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    assert list(inspect.signature(operator.vjp).parameters)[:2] == ["wrt", "dy"]
    taken = keywords(operator.vjp)
    assert not taken or taken == keywords(operator.compute)


@pytest.mark.parametrize(("op", "wrt"), sorted(NOT_BY))
def test_what_no_gradient_passes_is_refused(op, wrt):
    case = next(case for case in CASES if case.op == op and len(case.inputs) > wrt)
    with pytest.raises(UnsupportedModelError, match=r"no gradient passes through .*: the result does not follow"):
        vjp(case, wrt, np.ones(case.compute(*case.inputs).shape))


def test_a_cast_to_integers_is_refused_and_one_between_floats_hands_on():
    dy = np.array([1.0, 2.0])
    assert OPERATORS["Cast"].vjp(0, dy, dy, to="float32") is dy
    with pytest.raises(UnsupportedModelError, match="no gradient passes through a cast to int64"):
        OPERATORS["Cast"].vjp(0, dy, dy, to="int64")


# Worked by hand: the operator, its inputs and attributes, dy, and the gradient by each input.
A = np.array
BY_HAND = {
    "Add": ([A([[1.0, 2.0], [3.0, 4.0]]), A([5.0, 6.0])], {}, A([[1.0, 2.0], [3.0, 4.0]]), [A([[1, 2], [3, 4]]), A([4, 6])]),
    "Sub": ([A([1.0, 2.0]), A(5.0)], {}, A([1.0, 2.0]), [A([1, 2]), A(-3)]),
    "Mul": ([A([1.0, 2.0]), A([3.0])], {}, A([5.0, 7.0]), [A([15, 21]), A([19])]),
    "Div": ([A([6.0, 2.0]), A([2.0])], {}, A([1.0, 4.0]), [A([0.5, 2]), A([-3.5])]),
    "Pow": ([A([2.0, 3.0]), A(2.0)], {}, A([1.0, 10.0]), [A([4, 60]), A(4 * np.log(2) + 90 * np.log(3))]),
    "Sqrt": ([A([4.0, 0.25])], {}, A([1.0, 1.0]), [A([0.25, 1])]),
    "Relu": ([A([-1.0, 0.0, 1.0])], {}, A([2.0, 3.0, 4.0]), [A([0, 0, 4])]),
    "PRelu": ([A([-2.0, 0.0, 2.0]), A(0.25)], {}, A([4.0, 3.0, 5.0]), [A([1, 3, 5]), A(-8)]),
    "Sigmoid": ([A([0.0])], {}, A([8.0]), [A([2])]),
    "Softmax": ([A([[0.0, 0.0]])], {"axis": 1}, A([[4.0, 0.0]]), [A([[1, -1]])]),
    "Clip": ([A([-2.0, 0.0, 1.0, 3.0]), A(-1.0), A(1.0)], {}, A([1.0, 2.0, 4.0, 8.0]), [A([0, 2, 4, 0]), A(1), A(8)]),
    "Identity": ([A([1.0])], {}, A([5.0]), [A([5])]),
    "Dropout": ([A([1.0])], {}, A([5.0]), [A([5])]),
    # Two pixels, two taps across, padded left: y0 = w1 x0, y1 = w0 x0 + w1 x1.
    "Conv": (
        [A([[[[2.0, 3.0]]]]), A([[[[5.0, 7.0]]]]), A([0.0])],
        {"padding": (0, 1, 0, 0)},
        A([[[[1.0, 10.0]]]]),
        [A([[[[57, 70]]]]), A([[[[20, 32]]]]), A([11])],
    ),
    "BatchNormalization": (
        [A([[5.0]]), A([3.0]), A([1.0]), A([2.0]), A([4.0])],
        {"epsilon": 0.0},
        A([[16.0]]),
        [A([[24]]), A([24]), A([16]), A([-24]), A([-9])],
    ),
    "Gemm": (
        [A([[1.0, 2.0]]), A([[3.0, 4.0]]), A([0.5])],
        {"trans_b": 1, "alpha": 2.0, "beta": 3.0},
        A([[5.0]]),
        [A([[30, 40]]), A([[10, 20]]), A([15])],
    ),
    "MatMul": ([A([[1.0, 2.0]]), A([[3.0], [4.0]])], {}, A([[5.0]]), [A([[15, 20]]), A([[5], [10]])]),
    "MaxPool": ([A([[[[1.0, 4.0], [4.0, 2.0]]]])], {"kernel": (2, 2)}, A([[[[3.0]]]]), [A([[[[0, 3], [0, 0]]]])]),
    # Padded on the left and not counted: the first window sees one pixel, the second two.
    "AveragePool": (
        [A([[[[1.0, 2.0]]]])],
        {"kernel": (1, 2), "padding": (0, 1, 0, 0)},
        A([[[[3.0, 8.0]]]]),
        [A([[[[7, 4]]]])],
    ),
    "GlobalAveragePool": ([A([[[[1.0, 2.0]]]])], {}, A([[[[6.0]]]]), [A([[[[3, 3]]]])]),
    "Flatten": ([A([[[1.0, 2.0]]])], {"axis": 1}, A([[3.0, 4.0]]), [A([[[3, 4]]])]),
    "Reshape": ([A([[1.0, 2.0]]), A([2, 1])], {}, A([[3.0], [4.0]]), [A([[3, 4]])]),
    "Squeeze": ([A([[1.0]])], {"axes": (1,)}, A([3.0]), [A([[3]])]),
    "Unsqueeze": ([A([1.0, 2.0])], {"axes": (0,)}, A([[3.0, 4.0]]), [A([3, 4])]),
    "Transpose": ([A([[1.0, 2.0]])], {"perm": (1, 0)}, A([[3.0], [4.0]]), [A([[3, 4]])]),
    "Concat": ([A([1.0]), A([2.0, 3.0])], {"axis": -1}, A([4.0, 5.0, 6.0]), [A([4]), A([5, 6])]),
    "Expand": ([A([[1.0]]), A([1, 3])], {}, A([[1.0, 2.0, 3.0]]), [A([[6]])]),
    "Slice": ([A([1.0, 2.0, 3.0]), A([-1]), A([-9]), None, A([-2])], {}, A([4.0, 5.0]), [A([5, 0, 4])]),
    "Gather": ([A([1.0, 2.0]), A([1, 1, -2])], {}, A([3.0, 4.0, 5.0]), [A([5, 7])]),
    # Weights of the two elements: (1, 0), (3/4, 1/4), (1/4, 3/4), (0, 1).
    "Resize": (
        [A([1.0, 2.0]), A([2.0])],
        {"mode": "linear", "coordinate_transformation": "half_pixel"},
        A([1.0, 4.0, 8.0, 16.0]),
        [A([6, 23])],
    ),
    "ReduceMean": ([A([[1.0, 2.0]])], {"axes": (1,), "keepdims": 0}, A([6.0]), [A([[3, 3]])]),
    "ReduceL2": ([A([[3.0, 4.0], [0.0, 0.0]])], {"axes": (1,), "keepdims": 0}, A([5.0, 1.0]), [A([[3, 4], [0, 0]])]),
}  # fmt: skip


def test_every_product_is_worked_by_hand_once():
    assert BY_HAND.keys() == OPERATORS.keys() - WITHOUT - {"Cast"}


@pytest.mark.parametrize("op", BY_HAND)
def test_the_product_is_what_a_hand_worked_example_says(op):
    inputs, attributes, dy, gradients = BY_HAND[op]
    for wrt, expected in enumerate(gradients):
        got = OPERATORS[op].vjp(wrt, dy, *inputs, **attributes)
        assert got.shape == inputs[wrt].shape
        assert_within(got, expected, 4 * np.finfo(np.float64).eps * abs(expected))


def test_powers_of_zero_have_the_slope_of_what_they_are():
    x, exponent = np.array([0.0, 0.0, 0.0]), np.array([0.0, 1.0, 2.0])
    assert OPERATORS["Pow"].vjp(0, np.ones(3), x, exponent).tolist() == [0.0, 1.0, 0.0]
    assert OPERATORS["Pow"].vjp(1, np.ones(2), x[1:], exponent[1:]).tolist() == [0.0, 0.0]


def test_no_gradient_of_the_logistic_function_overflows():
    assert OPERATORS["Sigmoid"].vjp(0, np.ones(2), np.array([-1000.0, 1000.0])).tolist() == [0.0, 0.0]
