import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ModelError, ShapeError
from refnet.ops import REQUIRED, Known
from refnet.ops.batch_normalization import BATCH_NORMALIZATION, batch_normalization, output_shape
from tests import oracle
from tests.comparison import assert_within, gamma

ROUNDINGS = 6  # x - mean, var + epsilon, root, division, product, addition


@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([(), (1, 1), (2, 3)]),
    st.sampled_from([0.0, 1e-5, 2e-5, 1e-3]),
    st.integers(0, 2**32),
)
def test_batch_normalization_is_within_its_roundings_of_exact_arithmetic(n, c, image, epsilon, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, c, *image))
    gamma_, beta, mean, var = rng.normal(size=(4, c))
    var = abs(var) + 0.01
    vectors = gamma_, beta, mean, var
    expected = oracle.batch_normalization(x, *vectors, epsilon)
    deviation = oracle.batch_normalization(x, gamma_, np.zeros(c), mean, var, epsilon)
    shift = abs(beta).reshape(-1, *[1] * len(image))
    bound = gamma(ROUNDINGS) * (abs(oracle.floats(deviation)) + shift)
    assert_within(batch_normalization(x, *vectors, epsilon=epsilon), expected, bound)


def test_the_mean_goes_to_beta():
    x = np.full((2, 3, 4, 4), 7.0)
    y = batch_normalization(x, np.ones(3), np.array([1.0, 2.0, 3.0]), np.full(3, 7.0), np.ones(3), epsilon=2e-5)
    assert_within(y, np.broadcast_to(np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), x.shape))


def test_epsilon_has_no_default():
    assert BATCH_NORMALIZATION.attributes["epsilon"] is REQUIRED
    with pytest.raises(TypeError, match="epsilon"):
        batch_normalization(np.ones((1, 1)), *np.ones((4, 1)))


def test_a_matrix_gives_the_same_bits_as_an_image_of_one_pixel():
    rng = np.random.default_rng(0)
    x, vectors = rng.normal(size=(2, 5)), rng.uniform(0.5, 1, size=(4, 5))
    image = batch_normalization(x[:, :, np.newaxis, np.newaxis], *vectors, epsilon=1e-3)
    assert_within(batch_normalization(x, *vectors, epsilon=1e-3), image[:, :, 0, 0])


def test_flops_are_two_an_element():
    vector = Known((64,))
    assert BATCH_NORMALIZATION.flops((1, 64, 2, 2), Known((1, 64, 2, 2)), *[vector] * 4, epsilon=1e-5) == 512


@pytest.mark.parametrize("place", range(4))
def test_a_vector_of_another_length_is_refused(place):
    shapes = [(64,)] * 4
    shapes[place] = (64, 1)
    name = ("gamma", "beta", "mean", "var")[place]
    with pytest.raises(ShapeError, match=rf"{name} has shape \(64, 1\); expected \(64,\), one for each channel of x"):
        output_shape(Known((1, 64, 7, 7)), *map(Known, shapes), epsilon=1e-5)


def test_three_axes_are_refused():
    with pytest.raises(ShapeError, match=r"x has shape \(1, 64, 7\); expected \(N, C\) or \(N, C, H, W\)"):
        output_shape(Known((1, 64, 7)), *[Known((64,))] * 4, epsilon=1e-5)


def test_a_variance_is_refused_where_no_root_can_be_divided_by():
    def accepts(var):
        vector = Known((1,))
        return output_shape(Known((1, 1)), vector, vector, vector, Known((1,), np.array([var])), epsilon=0.25)

    assert accepts(0.0) == accepts(-0.125) == (1, 1)
    with pytest.raises(ModelError, match=r"var is -0\.25 in channel 0"):
        accepts(-0.25)


def test_a_variance_below_zero_is_refused():
    vector = Known((2,))
    with pytest.raises(ModelError, match=r"var is -0\.5 in channel 1; expected var \+ epsilon \(1e-05\) above 0"):
        output_shape(Known((1, 2)), vector, vector, vector, Known((2,), np.array([1.0, -0.5])), epsilon=1e-5)
