"""ReduceL2 and ReduceMean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import OPERATORS, Known
from refnet.ops.reduce_l2 import reduce_l2
from refnet.ops.reduce_mean import reduce_mean
from tests import oracle
from tests.comparison import assert_within, gamma


@given(st.integers(1, 3), st.integers(1, 30), st.integers(0, 2**32))
def test_the_length_is_right_to_its_roundings(n, k, seed):
    x = np.random.default_rng(seed).normal(size=(n, k))
    expected = oracle.reduce_l2_last_axis(x)
    assert_within(reduce_l2(x, axes=(-1,)), expected, gamma(k + 2) * oracle.floats(expected))


def test_the_mean_over_some_axes_and_over_all():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert reduce_mean(x, axes=(0, 2), keepdims=0).tolist() == [7.5, 11.5, 15.5]
    assert reduce_mean(x).tolist() == [[[11.5]]]
    assert reduce_mean(x, keepdims=0).shape == ()


@pytest.mark.parametrize("op", ["ReduceL2", "ReduceMean"])
def test_shapes_and_refusals(op):
    shape = OPERATORS[op].output_shape
    x = Known((2, 3, 4))
    assert shape(x, axes=(-1, 0)) == (1, 3, 1)
    assert shape(x, axes=(-1, 0), keepdims=0) == (3,)
    assert shape(x) == (1, 1, 1)
    with pytest.raises(ShapeError, match="axis = 3; expected -3 to 2 for 3 axes"):
        shape(x, axes=(3,))
    with pytest.raises(ShapeError, match=r"axes = \(2, -1\) names an axis twice"):
        shape(x, axes=(2, -1))
    with pytest.raises(UnsupportedModelError, match="keepdims = 2; refnet implements 0 and 1"):
        shape(x, keepdims=2)


def test_costs():
    x = Known((2, 512))
    assert OPERATORS["ReduceL2"].flops((2, 1), x, axes=(1,)) == 2048
    assert OPERATORS["ReduceMean"].flops((2, 1), x, axes=(1,)) == 1024
