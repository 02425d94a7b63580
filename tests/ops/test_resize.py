from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import OPERATORS, Known
from refnet.ops.resize import COORDINATES, NEAREST_MODES, flops, output_shape, resize
from tests import oracle
from tests.comparison import assert_within

POWERS_OF_TWO = (0.25, 0.5, 1.0, 2.0, 4.0)  # places computed with these are exact, so that no tie is missed


@given(
    st.integers(4, 9), st.sampled_from(POWERS_OF_TWO), st.sampled_from(COORDINATES[:3]), st.sampled_from(NEAREST_MODES)
)
def test_nearest_takes_the_element_that_exact_arithmetic_takes(n, scale, coordinates, nearest_mode):
    x = np.arange(2.0 * n).reshape(2, n)
    m = int(n * scale)
    said = {"mode": "nearest", "coordinate_transformation": coordinates, "nearest_mode": nearest_mode}
    assert_within(resize(x, np.array([1.0, scale]), **said), oracle.resize_last_axis(x, m, scale, **said))


@given(st.integers(1, 9), st.integers(1, 20), st.sampled_from(COORDINATES), st.integers(0, 2**32))
def test_linear_is_within_the_rounding_of_places_and_weights(n, m, coordinates, seed):
    x = np.random.default_rng(seed).normal(size=(2, n))
    said = {"mode": "linear", "coordinate_transformation": coordinates}
    # A place is rounded about four times, each by at most u * n, and moves the result by at most twice the largest x.
    bound = 2.0**-53 * (8 * n + 4) * abs(x).max()
    y = resize(x, None, np.array([2, m]), **said)
    assert_within(y, oracle.resize_last_axis(x, m, Fraction(m, n), **said), bound)


def test_yunets_upsampling_doubles_every_pixel():
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    said = {"mode": "nearest", "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}
    y = resize(x, np.array([1.0, 1.0, 2.0, 2.0]), **said)
    assert y[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_the_extents_are_rounded_down():
    said = {"mode": "linear", "coordinate_transformation": "half_pixel"}
    assert output_shape(Known((1, 1, 5, 5)), Known((4,), np.array([1, 1, 1.5, 0.5])), **said) == (1, 1, 7, 2)


def test_only_interpolation_costs():
    x = Known((1, 2, 3, 4))
    assert flops((1, 2, 6, 4), x, mode="linear") == 3 * 48
    assert flops((1, 2, 6, 8), x, mode="linear") == 2 * 3 * 96
    assert flops((1, 2, 6, 8), x, mode="nearest") == 0


@pytest.mark.parametrize(
    ("inputs", "attributes", "error", "message"),
    [
        ((), {"mode": "cubic"}, UnsupportedModelError, "mode = 'cubic'; refnet implements nearest, linear"),
        (
            (),
            {"coordinate_transformation": "tf_crop_and_resize"},
            UnsupportedModelError,
            "coordinate_transformation = 'tf_crop_and_resize'; refnet implements asymmetric, half_pixel",
        ),
        ((), {"nearest_mode": "up"}, UnsupportedModelError, "nearest_mode = 'up'; refnet implements floor, ceil"),
        ((), {}, ShapeError, "expected either scales or sizes, and not both"),
        (
            (Known((4,)),),
            {},
            UnsupportedModelError,
            "scales are computed from the image; refnet implements constant ones",
        ),
        ((None, Known((4,))), {}, UnsupportedModelError, "sizes is computed from the image"),
        (
            (Known((2,), np.array([2.0, 2.0])),),
            {},
            ShapeError,
            r"2 scales for an x of shape \(1, 2, 3, 4\); expected one",
        ),
        (
            (None, Known((2,), np.array([6, 8]))),
            {},
            ShapeError,
            r"would get \(6, 8\); expected one extent of at least 1",
        ),
        ((Known((4,), np.array([1, 1, 0.1, 1])),), {}, ShapeError, r"would get \(1, 2, 0, 4\)"),
    ],
)
def test_what_is_not_implemented_or_does_not_fit_is_refused(inputs, attributes, error, message):
    said = {"mode": "linear", "coordinate_transformation": "half_pixel"} | attributes
    with pytest.raises(error, match=message):
        output_shape(Known((1, 2, 3, 4)), *inputs, **said)


def exact_nearest(n, m, scale, coordinates, nearest_mode):
    """The element of n that each of m comes from, in fractions."""
    x = np.arange(float(n))
    return oracle.floats(
        oracle.resize_last_axis(
            x, m, scale, mode="nearest", coordinate_transformation=coordinates, nearest_mode=nearest_mode
        )
    )


@given(st.integers(1, 60), st.integers(1, 90), st.sampled_from(COORDINATES), st.sampled_from(NEAREST_MODES))
def test_nearest_by_sizes_is_the_quotient_of_whole_numbers(n, m, coordinates, nearest_mode):
    how = {"mode": "nearest", "coordinate_transformation": coordinates, "nearest_mode": nearest_mode}
    y = resize(np.arange(float(n)), None, np.array([m]), **how)
    assert_within(y, exact_nearest(n, m, Fraction(m, n), coordinates, nearest_mode))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.sampled_from(COORDINATES[:3]), st.sampled_from(NEAREST_MODES))  # fmt: skip
def test_a_scale_is_the_fraction_that_its_float32_stands_for(n, p, q, coordinates, nearest_mode):
    scale, m = Fraction(p, q), n * p // q
    assume(m > 0)
    how = {"mode": "nearest", "coordinate_transformation": coordinates, "nearest_mode": nearest_mode}
    y = resize(np.arange(float(n)), np.float32([p / q]), None, **how)
    assert_within(y, exact_nearest(n, m, scale, coordinates, nearest_mode))


def test_integers_are_picked_and_never_weighed():
    rule = OPERATORS["Resize"].output_dtype
    assert rule("int32", "float", mode="nearest") == "int32"
    with pytest.raises(UnsupportedModelError, match="dtype int32; refnet implements float"):
        rule("int32", "float", mode="linear")


def test_aligned_corners_of_a_part_of_an_element_are_refused():
    how = {"mode": "linear", "coordinate_transformation": "align_corners"}
    with pytest.raises(UnsupportedModelError, match=r"scale 0\.6 of an extent of 4 with align_corners"):
        resize(np.arange(4.0), np.float32([0.6]), None, **how)


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0.0, -1.0])
def test_scales_that_are_none_are_refused(scale):
    with pytest.raises(ShapeError, match="expected finite numbers above 0"):
        resize(np.arange(4.0), np.float32([scale]), mode="nearest", coordinate_transformation="asymmetric")
