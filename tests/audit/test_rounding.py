"""The variance of rounding errors: no smaller than what float32 does, and no larger than it need be."""

import numpy as np
import pytest

from refnet.audit.floor import excess, noise_floor
from refnet.audit.rounding import RULES, variance
from refnet.graph import Node
from refnet.ops import OPERATORS
from tests.ops.cases import CASES

U = 2.0**-24
FLOATING = [case for case in CASES if case.inputs[0].dtype.kind == "f" and case.compute(*case.inputs).dtype.kind == "f"]
LOOSE = {"Relu", "Clip", "MaxPool", "Softmax", "Resize", "AveragePool"}  # bounds, not derivatives


def node(case):
    return Node("n", case.op, tuple(f"x{i}" for i in range(len(case.inputs))), "y", case.attributes)


def test_every_operator_has_a_rule():
    assert set(RULES) == set(OPERATORS)


@pytest.mark.parametrize("case", FLOATING, ids=str)
def test_float32_stays_under_the_floor(case):
    inputs = case.inputs_in(np.float64)
    expected = case.compute(*inputs)
    floor = noise_floor(np.float32(0), variance(node(case), inputs, [None] * len(inputs), expected))
    assert excess(case.compute(*case.inputs_in(np.float32)), expected, floor).max() < 0.75


@pytest.mark.parametrize("case", FLOATING, ids=str)
def test_an_error_in_the_input_is_carried_as_the_operator_carries_it(case):
    inputs = case.inputs_in(np.float64)
    y = case.compute(*inputs)
    large = np.full(inputs[0].shape, 1e12)  # the operator's own rounding is nothing beside it
    foretold = variance(node(case), inputs, [large, *[None] * (len(inputs) - 1)], y) / 1e12
    generator, step = np.random.default_rng(0), 1e-6
    trials = [
        case.compute(inputs[0] + step * generator.normal(size=inputs[0].shape), *inputs[1:]) - y for _ in range(400)
    ]
    observed = np.mean(np.square(trials), axis=0) / step**2
    assert observed.mean() < 1.25 * foretold.mean()
    if case.op not in LOOSE:
        assert observed.mean() > 0.8 * foretold.mean()


def test_an_error_in_the_second_input_is_carried_too():
    generator, step = np.random.default_rng(1), 1e-6
    for case in (case for case in FLOATING if case.op in ("Add", "Sub", "Mul", "Div", "Concat", "MatMul", "Gemm")):
        inputs = case.inputs_in(np.float64)
        y = case.compute(*inputs)
        variances = [None, np.full(inputs[1].shape, 1e12), *[None] * (len(inputs) - 2)]
        foretold = variance(node(case), inputs, variances, y) / 1e12
        trials = [
            case.compute(inputs[0], inputs[1] + step * generator.normal(size=inputs[1].shape), *inputs[2:]) - y
            for _ in range(400)
        ]
        assert (np.mean(np.square(trials), axis=0) / step**2).mean() == pytest.approx(foretold.mean(), rel=0.25), case


@pytest.mark.parametrize("mean", [0.0, 1.0], ids=["of either sign", "of one sign"])
@pytest.mark.parametrize("terms", [9, 64, 577])
def test_a_sum_in_random_order_errs_by_what_is_said(terms, mean):
    """One sum, many orders. Numbers are rounded by less than u y, but for mantissas just above 1: hence below 1."""
    generator = np.random.default_rng(terms)
    x = generator.normal(mean, 1, terms).astype(np.float32)
    weight = generator.normal(mean, 1, terms).astype(np.float32)
    exact = x.astype(float) @ weight.astype(float)
    errors = []
    for _ in range(2000):
        order = generator.permutation(terms)
        errors.append(float(np.add.accumulate(x[order] * weight[order])[-1]) - exact)
    product = Node("n", "MatMul", ("a", "b"), "y")
    a, b = x.astype(float)[np.newaxis], weight.astype(float)[:, np.newaxis]
    foretold = float(variance(product, [a, b], [None, None], a @ b)[0, 0])
    assert 0.4 < np.sqrt(np.mean(np.square(errors))) / (U * np.sqrt(foretold)) < 1


def test_numbers_that_are_only_moved_have_no_error_and_must_be_equal():
    x = np.arange(6.0).reshape(1, 6)
    assert variance(Node("n", "Flatten", ("x",), "y", {"axis": 1}), [x], [None], x) is None
    assert excess(x, x, noise_floor(x, None)).max() == 0
    assert excess(np.nextafter(x, 9), x, noise_floor(x, None)).max() > 1e6


def test_the_floor_knows_what_numbers_were_computed_in():
    variance_of_one = np.array([1.0])
    floors = [float(noise_floor(array, variance_of_one)[0]) for array in (
        np.array([1 / 3], np.float64), np.array([1 / 3], np.float32), np.array([1 / 3], np.float32).astype(float),
        np.array([1 / 3], np.float16),
    )]  # fmt: skip
    assert floors == pytest.approx([16 * 2.0**-53, 16 * 2.0**-24, 16 * 2.0**-24, 16 * 2.0**-11 + 2.0**-14])
