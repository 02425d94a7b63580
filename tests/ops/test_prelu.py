import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError
from refnet.ops import Known
from refnet.ops.prelu import PRELU, output_shape, prelu
from tests import oracle
from tests.comparison import assert_within

HALF_ULP = 2.0**-53


@given(st.tuples(*[st.integers(1, 4)] * 4), st.integers(0, 2**32))
def test_prelu_is_rounded_once(shape, seed):
    rng = np.random.default_rng(seed)
    x, slope = rng.normal(size=shape), rng.normal(size=shape[1])
    expected = oracle.prelu_per_channel(x, slope)
    for form in ((-1, 1, 1), (1, -1, 1, 1)):
        assert_within(prelu(x, slope.reshape(form)), expected, HALF_ULP * abs(oracle.floats(expected)))


def test_a_slope_of_rank_one_runs_over_columns():
    assert prelu(-np.ones((1, 3, 1, 3)), np.array([1.0, 2.0, 3.0]))[0, 0, 0].tolist() == [-1, -2, -3]


def test_zero_and_what_is_above_pass_unchanged():
    x = np.array([0.0, -0.0, 5.0, np.inf])
    y = prelu(x, np.array(-0.25))
    assert_within(y, x)
    assert np.signbit(y).tolist() == [False, True, False, False]


def test_nan_stays_nan():
    assert np.isnan(prelu(np.array([np.nan]), np.array(0.25))).all()


def test_flops_are_two_an_element():
    assert PRELU.flops((1, 64, 2, 2), Known((1, 64, 2, 2)), Known((64, 1, 1))) == 512


@pytest.mark.parametrize("slope", [(64,), (1, 32, 1, 1), (2, 64, 1, 1), (1, 1, 64, 1, 1)])
def test_a_slope_that_would_stretch_x_is_refused(slope):
    with pytest.raises(ShapeError, match=r"slope has shape .*; expected one that broadcasts to \(1, 64, 7, 7\)"):
        output_shape(Known((1, 64, 7, 7)), Known(slope))
