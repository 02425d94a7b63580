import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import Known
from refnet.ops.conv import conv, flops, output_shape
from tests import oracle
from tests.comparison import assert_within, gamma


@st.composite
def convolutions(draw):
    """A convolution that fits, and the seed of its numbers."""
    groups = draw(st.integers(1, 3))
    ic, oc = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.tuples(*[st.integers(0, 2)] * 4))
    least = [
        max(1, d * (k - 1) + 1 - padding[i] - padding[i + 2])
        for i, (k, d) in enumerate(zip(kernel, dilation, strict=True))
    ]
    image = [extent + draw(st.integers(0, 4)) for extent in least]
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (draw(st.integers(1, 2)), ic, *image), (oc, ic // groups, *kernel), attributes, draw(st.integers(0, 2**32))


@given(convolutions(), st.booleans())
def test_conv_is_within_highams_bound_of_exact_arithmetic(convolution, biased):
    shape, weight_shape, attributes, seed = convolution
    rng = np.random.default_rng(seed)
    x, weight = rng.normal(size=shape), rng.normal(size=weight_shape)
    bias = rng.normal(size=weight_shape[0]) if biased else None
    magnitude = oracle.conv(abs(x), abs(weight), None if bias is None else abs(bias), **attributes)
    bound = gamma(int(np.prod(weight_shape[1:])) + 1) * oracle.floats(magnitude)
    assert_within(conv(x, weight, bias, **attributes), oracle.conv(x, weight, bias, **attributes), bound)


@given(convolutions())
def test_conv_of_small_integers_is_exact(convolution):
    shape, weight_shape, attributes, seed = convolution
    rng = np.random.default_rng(seed)
    x, weight = rng.integers(-9, 9, shape).astype(float), rng.integers(-9, 9, weight_shape).astype(float)
    assert_within(conv(x, weight, **attributes), oracle.conv(x, weight, **attributes))


@given(convolutions())
def test_output_shape_foretells_the_output(convolution):
    shape, weight_shape, attributes, _ = convolution
    y = conv(np.ones(shape), np.ones(weight_shape), **attributes)
    assert output_shape(Known(shape), Known(weight_shape), **attributes) == y.shape


@given(convolutions(), st.integers(0, 2**32))
def test_conv_is_linear_in_the_image(convolution, seed):
    shape, weight_shape, attributes, _ = convolution
    rng = np.random.default_rng(seed)
    a, b, weight = (rng.integers(-9, 9, size).astype(float) for size in (shape, shape, weight_shape))
    together = conv(2 * a + b, weight, **attributes)
    assert_within(together, 2 * conv(a, weight, **attributes) + conv(b, weight, **attributes))


def test_conv_moves_with_the_image():
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-9, 9, (1, 2, 8, 8)).astype(float), rng.integers(-9, 9, (3, 2, 3, 3)).astype(float)
    moved = np.roll(x, (1, 2), axis=(2, 3))
    assert_within(conv(moved, weight)[..., 1:, 2:], conv(x, weight)[..., :-1, :-2])


def test_conv_does_not_flip_its_filter():
    y = conv(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[10.0, 1.0]]]]))
    assert y[0, 0, 0].tolist() == [12, 23]


def test_padding_counts_all_four_sides():
    y = conv(np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1)), padding=(1, 2, 3, 4))
    assert y.shape == (1, 1, 6, 8)
    assert np.argwhere(y[0, 0]).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]


@pytest.mark.parametrize(
    ("ic", "oc", "size", "kernel", "stride", "groups"),
    [(3, 64, 15, 3, 1, 1), (5, 7, 13, 3, 2, 1), (17, 1, 9, 1, 1, 1), (64, 33, 7, 3, 1, 1), (9, 9, 7, 7, 1, 9)],
)
def test_an_image_has_the_same_bits_alone_and_at_every_place_of_a_batch(ic, oc, size, kernel, stride, groups):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(9, ic, size, size)), rng.normal(size=(oc, ic // groups, kernel, kernel))
    attributes = {"stride": (stride, stride), "padding": (kernel // 2,) * 4, "groups": groups}
    batch = conv(x, weight, **attributes)
    for n in range(len(x)):
        assert_within(conv(x[n : n + 1], weight, **attributes)[0], batch[n])
    assert_within(conv(x[2:7], weight, **attributes), batch[2:7])


def test_flops_count_products_additions_and_bias():
    known = Known((1, 3, 112, 112)), Known((64, 3, 3, 3))
    assert flops((1, 64, 112, 112), *known) == 2 * 27 * 64 * 112 * 112
    assert flops((1, 64, 112, 112), *known, Known((64,))) == (2 * 27 + 1) * 64 * 112 * 112


@pytest.mark.parametrize(
    ("x", "weight", "bias", "attributes", "message"),
    [
        (
            (3, 8, 8),
            (4, 3, 3, 3),
            None,
            {},
            r"x has shape \(3, 8, 8\) and weight \(4, 3, 3, 3\); expected \(N, IC, H, W\)",
        ),
        ((1, 5, 8, 8), (4, 3, 3, 3), None, {}, r"weight has shape \(4, 3, 3, 3\) with groups = 1; expected \(OC, 5 / "),
        ((1, 4, 8, 8), (3, 2, 3, 3), None, {"groups": 2}, r"with groups = 2; .* with OC a multiple of groups"),
        ((1, 3, 8, 8), (4, 3, 3, 3), (3,), {}, r"bias has shape \(3,\); expected \(4,\)"),
        (
            (1, 3, 2, 8),
            (4, 3, 3, 3),
            None,
            {},
            r"a window of \(3, 3\) .* does not fit an image of \(2, 8\) with padding",
        ),
    ],
)
def test_what_does_not_fit_is_refused(x, weight, bias, attributes, message):
    with pytest.raises(ShapeError, match=message):
        output_shape(Known(x), Known(weight), None if bias is None else Known(bias), **attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"stride": (0, 1)}, r"stride = \(0, 1\).*strides and dilations of at least 1"),
        ({"dilation": (1, 0)}, r"dilation = \(1, 0\).*at least 1"),
        ({"padding": (0, -1, 0, 0)}, r"padding = \(0, -1, 0, 0\).*paddings of at least 0"),
        ({"groups": 0}, "groups = 0; refnet implements groups of at least 1"),
    ],
)
def test_attributes_that_mean_nothing_are_refused(attributes, message):
    with pytest.raises(UnsupportedModelError, match=message):
        output_shape(Known((1, 3, 8, 8)), Known((4, 3, 3, 3)), **attributes)
