"""Similarity is the cosine of the angle."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from refnet import InputError, ShapeError, similarity
from refnet.faces.similarity import angle_degrees


def test_the_same_direction_is_one_whatever_the_length() -> None:
    assert similarity(np.array([1.0, 2.0]), np.array([10.0, 20.0])) == pytest.approx(1.0, abs=1e-15)


def test_a_right_angle_is_zero_and_an_opposite_minus_one() -> None:
    assert similarity(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == 0.0
    assert similarity(np.array([1.0, 0.0]), np.array([-3.0, 0.0])) == -1.0


def test_it_is_symmetric_and_computed_in_float64() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 512)).astype(np.float32)
    assert similarity(a, b) == similarity(b, a) == similarity(a.astype(float), b.astype(float))


def test_it_is_the_exact_quotient_rounded_and_no_order_of_adding_shows() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 512)).astype(np.float32)
    exact = [[Fraction(float(value)) for value in vector] for vector in (a, b)]
    dot, first, second = (
        sum(x * y for x, y in zip(*pair, strict=True)) for pair in (exact, [exact[0]] * 2, [exact[1]] * 2)
    )
    with localcontext(prec=50):
        wide = [Decimal(value.numerator) / Decimal(value.denominator) for value in (dot, first, second)]
        cosine = wide[0] / (wide[1] * wide[2]).sqrt()
    assert abs(Decimal(similarity(a, b)) - cosine) <= Decimal(4 * 2.0**-53) * abs(cosine)  # four roundings
    order = np.random.default_rng(2).permutation(512)
    assert similarity(a[order], b[order]) == similarity(a, b)


def test_sixty_degrees_is_a_cosine_of_a_half() -> None:
    assert angle_degrees(0.5) == pytest.approx(60.0)


def test_what_has_no_angle_is_refused() -> None:
    with pytest.raises(InputError, match="all zero or not finite"):
        similarity(np.zeros(4), np.ones(4))
    for huge in (1e200, 1e154):
        with pytest.raises(InputError, match="all zero or not finite"):
            similarity(np.full(512, huge), np.ones(512))
    with pytest.raises(InputError, match="all zero or not finite"):
        similarity(np.array([np.nan, 1.0]), np.ones(2))


def test_embeddings_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"shapes \(3,\) and \(4,\)"):
        similarity(np.ones(3), np.ones(4))
