"""MaxPool, AveragePool and GlobalAveragePool."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import OPERATORS, Known, average_pool, global_average_pool, max_pool
from tests import oracle
from tests.comparison import assert_within, gamma


@st.composite
def poolings(draw):
    """A window that fits, and the seed of the image."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(st.tuples(*[st.integers(0, kernel[side % 2] - 1) for side in range(4)]))
    least = [max(1, kernel[axis] - padding[axis] - padding[axis + 2]) for axis in (0, 1)]
    image = [extent + draw(st.integers(0, 5)) for extent in least]
    attributes = {
        "stride": draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        "padding": padding,
        "ceil_mode": draw(st.integers(0, 1)),
    }
    return (draw(st.integers(1, 2)), 2, *image), kernel, attributes, draw(st.integers(0, 2**32))


@given(poolings())
def test_max_pool_is_exact(pooling):
    shape, kernel, attributes, seed = pooling
    x = np.random.default_rng(seed).normal(size=shape)
    y = max_pool.max_pool(x, kernel=kernel, **attributes)
    assert_within(y, oracle.max_pool(x, kernel, **attributes))
    assert max_pool.output_shape(Known(shape), kernel=kernel, **attributes) == y.shape


@given(poolings(), st.integers(0, 1))
def test_average_pool_is_within_highams_bound_of_exact_arithmetic(pooling, count_include_pad):
    shape, kernel, attributes, seed = pooling
    x = np.random.default_rng(seed).normal(size=shape)
    attributes["count_include_pad"] = count_include_pad
    y = average_pool.average_pool(x, kernel=kernel, **attributes)
    bound = gamma(kernel[0] * kernel[1] + 1) * oracle.floats(oracle.average_pool(abs(x), kernel, **attributes))
    assert_within(y, oracle.average_pool(x, kernel, **attributes), bound)
    assert average_pool.output_shape(Known(shape), kernel=kernel, **attributes) == y.shape


def test_a_dilated_window_skips_elements():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    attributes = {"stride": (1, 2), "padding": (0, 1, 1, 0), "dilation": (2, 3)}
    y = max_pool.max_pool(x, kernel=(2, 2), **attributes)
    assert_within(y, oracle.max_pool(x, (2, 2), **attributes))


def test_padding_is_never_the_largest():
    assert max_pool.max_pool(np.full((1, 1, 2, 2), -7.0), kernel=(2, 2), padding=(1, 1, 1, 1)).max() == -7


def test_global_average_pool_is_the_mean_of_every_channel():
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 7))
    bound = gamma(36) * oracle.floats(oracle.global_average_pool(abs(x)))
    assert_within(global_average_pool.global_average_pool(x), oracle.global_average_pool(x), bound)


def test_flops_count_what_the_windows_see():
    image = Known((1, 3, 8, 8))
    assert max_pool.flops((1, 3, 4, 4), image, kernel=(2, 2), stride=(2, 2)) == 4 * 48
    assert average_pool.flops((1, 3, 4, 4), image, kernel=(2, 3), stride=(2, 2)) == 6 * 48
    assert global_average_pool.flops((1, 3, 1, 1), image) == 192


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_what_does_not_fit_is_refused(pool):
    image = Known((1, 3, 8, 8))
    with pytest.raises(ShapeError, match=r"x has shape \(3, 8\); expected \(N, C, H, W\)"):
        pool.output_shape(Known((3, 8)), kernel=(2, 2))
    with pytest.raises(ShapeError, match=r"a window of \(9, 2\) .* does not fit an image of \(8, 8\)"):
        pool.output_shape(image, kernel=(9, 2))
    with pytest.raises(ShapeError, match=r"padding = \(0, 0, 0, 2\); expected less than the window"):
        pool.output_shape(image, kernel=(2, 2), padding=(0, 0, 0, 2))
    with pytest.raises(UnsupportedModelError, match="ceil_mode = 2; refnet implements 0 and 1"):
        pool.output_shape(image, kernel=(2, 2), ceil_mode=2)


def test_other_refusals():
    with pytest.raises(UnsupportedModelError, match="count_include_pad = 2; refnet implements 0 and 1"):
        average_pool.output_shape(Known((1, 3, 8, 8)), kernel=(2, 2), count_include_pad=2)
    with pytest.raises(ShapeError, match=r"x has shape \(3, 8\); expected \(N, C, H, W\)"):
        global_average_pool.output_shape(Known((3, 8)))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "GlobalAveragePool"])
@pytest.mark.parametrize("shape", [(1, 2, 0, 4), (1, 2, 4, 0)])
def test_images_of_no_pixels_are_refused(op, shape):
    said = {} if op == "GlobalAveragePool" else {"kernel": (2, 2), "padding": (1, 1, 1, 1)}
    with pytest.raises(ShapeError, match="expected at least one"):
        OPERATORS[op].output_shape(Known(shape), **said)


@pytest.mark.parametrize(
    ("extent", "said"),
    [
        (1, {"kernel": (1, 2), "dilation": (1, 2), "padding": (0, 1, 0, 1)}),  # one pixel, between the two taps
        (4, {"kernel": (1, 2), "dilation": (1, 5), "padding": (0, 1, 0, 1)}),
    ],
)
def test_a_window_that_sees_no_pixel_is_refused(extent, said):
    with pytest.raises(ShapeError, match=r"sees no pixel of an image .*; a largest of nothing is undefined"):
        OPERATORS["MaxPool"].output_shape(Known((1, 1, 1, extent)), **said)
