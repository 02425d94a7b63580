"""The tester is tested: it must pass what is right, fail what is wrong, and say where."""

from fractions import Fraction

import numpy as np
import pytest

from tests.comparison import assert_within, gamma


def test_equal_arrays_are_within_a_bound_of_zero():
    assert_within(np.array([1.0, -2.0]), np.array([1.0, -2.0]), 0)


def test_an_error_of_exactly_the_bound_is_within_it():
    assert_within(np.array([1.5]), np.array([1.0]), 0.5)
    with pytest.raises(AssertionError):
        assert_within(np.array([1.5]), np.array([1.0]), np.nextafter(0.5, 0))


def test_the_message_names_shape_place_both_values_and_excess():
    actual = np.zeros((2, 3))
    actual[1, 2], actual[0, 1] = 3.0, 0.5
    with pytest.raises(
        AssertionError,
        match=r"shape \(2, 3\): 2 of 6 elements are out of bounds; worst at \(1, 2\): 3\.0, expected 0\.0, "
        r"error 3, bound 0\.25, 12 times the bound",
    ):
        assert_within(actual, np.zeros((2, 3)), 0.25)


def test_the_worst_element_is_the_one_furthest_beyond_its_own_bound():
    with pytest.raises(AssertionError, match=r"worst at \(0,\).*2 times"):
        assert_within(np.array([2.0, 15.0]), np.zeros(2), np.array([1.0, 10.0]))


def test_shapes_are_not_broadcast():
    with pytest.raises(AssertionError, match=r"shape \(1, 3\), expected shape \(3,\)"):
        assert_within(np.zeros((1, 3)), np.zeros(3), 1)


@pytest.mark.parametrize(("actual", "expected"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan)])
def test_nan_is_within_no_bound(actual, expected):
    with pytest.raises(AssertionError, match=r"worst at \(0,\)"):
        assert_within(np.array([actual]), np.array([expected]), 1e300)


def test_a_bound_of_nan_bounds_nothing():
    with pytest.raises(AssertionError):
        assert_within(np.zeros(1), np.ones(1), np.nan)


def test_equal_infinities_are_within_and_opposite_ones_are_not():
    assert_within(np.array([np.inf]), np.array([np.inf]), 0)
    with pytest.raises(AssertionError):
        assert_within(np.array([np.inf]), np.array([-np.inf]), 1e300)


def test_fractions_are_compared_without_rounding():
    third = np.array([Fraction(1, 3)], dtype=object)
    error = abs(Fraction(1 / 3) - Fraction(1, 3))
    assert_within(np.array([1 / 3]), third, float(np.spacing(1 / 3)) / 2)
    with pytest.raises(AssertionError):
        assert_within(np.array([1 / 3]), third, float(error) / 2)
    with pytest.raises(AssertionError):
        assert_within(np.array([np.nan]), third, 1e300)


def test_integers_are_compared_by_value():
    assert_within(np.array([2], dtype=np.int64), np.array([2]), 0)
    with pytest.raises(AssertionError, match="error 1, bound 0"):
        assert_within(np.array([2]), np.array([3]), 0)


def test_empty_arrays_agree_if_their_shapes_do():
    assert_within(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(AssertionError):
        assert_within(np.zeros((0, 3)), np.zeros((0, 2)))


def test_gamma_is_highams():
    assert gamma(3, np.float32) == pytest.approx(3 * 2.0**-24, rel=1e-6)
    assert gamma(1) > 2.0**-53
