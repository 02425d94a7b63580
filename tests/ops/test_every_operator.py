"""What any operator must do, whichever it is."""

import inspect

import numpy as np
import pytest

from refnet.ops import ANY_NUMBER, OPERATORS, REQUIRED, Known
from tests.comparison import assert_within
from tests.ops.cases import CASES

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_floating_case = pytest.mark.parametrize("case", [c for c in CASES if c.inputs[0].dtype.kind == "f"], ids=str)


def test_every_operator_has_a_case():
    assert {case.op for case in CASES} == set(OPERATORS)


def test_operators_are_listed_under_their_own_names():
    assert all(name == operator.name for name, operator in OPERATORS.items())


def inputs_and_attributes(function):
    """How many inputs a function needs and takes, and {attribute: default}."""
    parameters = inspect.signature(function).parameters.values()
    inputs = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    attributes = {
        p.name: REQUIRED if p.default is p.empty else p.default for p in parameters if p.kind is p.KEYWORD_ONLY
    }
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return (1, ANY_NUMBER), attributes
    return (sum(p.default is p.empty for p in inputs), len(inputs)), attributes


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
def test_the_definition_takes_the_inputs_and_attributes_that_the_operator_says(operator):
    assert inputs_and_attributes(operator.compute) == (operator.arity, operator.attributes)


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
def test_the_output_shape_has_the_defaults_of_the_definition(operator):
    attributes = inputs_and_attributes(operator.output_shape)[1]
    assert attributes.items() <= operator.attributes.items()


@each_case
def test_the_output_has_the_shape_foretold(case):
    known = [
        None if x is None else Known(x.shape, x if x.dtype.kind == "i" or x.ndim < 2 else None) for x in case.inputs
    ]
    assert OPERATORS[case.op].output_shape(*known, **case.attributes) == case.compute(*case.inputs).shape


@each_floating_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_floating_dtype_is_kept(case, dtype):
    y = case.compute(*case.inputs_in(dtype))
    assert y.dtype.kind != "f" or y.dtype == dtype


@each_case
def test_float32_is_within_its_bound_of_float64(case):
    assert_within(case.compute(*case.inputs_in(np.float32)), case.compute(*case.inputs_in(np.float64)), case.bound())


@each_case
def test_inputs_are_left_as_they_were(case):
    copies = [None if x is None else x.copy() for x in case.inputs]
    case.compute(*case.inputs)
    for x, copy in zip(case.inputs, copies, strict=True):
        assert x is None or np.array_equal(x, copy)


@each_case
def test_the_cost_is_a_whole_number_of_operations(case):
    known = [None if x is None else Known(x.shape) for x in case.inputs]
    cost = OPERATORS[case.op].flops(case.compute(*case.inputs).shape, *known, **case.attributes)
    assert type(cost) is int
    assert cost >= 0


@pytest.mark.parametrize("case", [case for case in CASES if case.batched], ids=str)
def test_an_image_has_the_same_bits_alone_and_in_a_batch(case):
    images, *rest = case.inputs_in(np.float64)
    batch = case.compute(images, *rest)
    for i in range(len(images)):
        # What spans the batch itself, such as the other summand, is cut along with the image.
        mine = [x[i : i + 1] if x is not None and x.shape == images.shape else x for x in rest]
        if case.op == "Resize" and mine[1] is not None:
            mine[1] = np.array([1, *mine[1][1:]])
        assert_within(case.compute(images[i : i + 1], *mine), batch[i : i + 1], 0)
