"""Three figures of how far apart two arrays are."""

import math

import numpy as np
import pytest

from refnet.audit.difference import Difference, Sums, difference


def test_equal_arrays_are_equal_in_every_way():
    assert difference(np.zeros(3), np.zeros(3)) == Difference(0.0, 0.0, 1.0)
    assert difference(np.float32([1, 2]), np.array([1.0, 2.0])) == Difference(0.0, 0.0, 1.0)


def test_the_figures_by_hand():
    assert difference(np.array([[3.0], [4.0]]), np.array([[3.0], [0.0]])) == Difference(4.0, pytest.approx(4 / 3), 0.6)


def test_parts_add_up_to_the_whole():
    a, b = np.random.default_rng(0).normal(size=(2, 7, 5))
    parts = Sums().and_of(a[:3], b[:3]).and_of(a[3:], b[3:]).figures()
    whole = difference(a, b)
    assert parts.max_abs == whole.max_abs
    assert parts.relative_l2 == pytest.approx(whole.relative_l2, rel=1e-14)
    assert parts.cosine == pytest.approx(whole.cosine, rel=1e-14)


def test_something_beside_zero_is_infinitely_far():
    assert difference(np.ones(2), np.zeros(2)) == Difference(1.0, math.inf, 0.0)


def test_what_is_not_finite_is_infinitely_far_whatever_comes_after():
    sums = Sums().and_of(np.array([1.0, np.nan]), np.ones(2)).and_of(np.ones(2), np.ones(2))
    assert sums.figures() == Difference(math.inf, math.inf, 0.0)
