"""The one way in which the suite compares numbers: element by element, each within its own bound."""

from fractions import Fraction

import numpy as np


def gamma(terms, dtype=np.float64):
    """Bound the relative error of a sum of products: n*u / (1 - n*u).

    `terms` products are added in any order, each operation rounded once with unit roundoff u (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., section 3.1): |computed - exact| <= gamma(n) * (|w| * |x|).
    """
    u = float(np.finfo(dtype).eps) / 2
    return terms * u / (1 - terms * u)


def assert_within(actual, expected, bound=0):
    """Fail unless the shapes are equal and |actual - expected| <= bound everywhere.

    Parameters
    ----------
    actual : array
    expected : array, or object array of Fractions
        Fractions are compared exactly, without rounding either side.
    bound : number or array, broadcast to the shape
        0 asks for equal values. Equal infinities are within any bound; NaN, on either side, in none.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {actual.shape}, expected shape {expected.shape}")
    if actual.size == 0:
        return
    bound = np.broadcast_to(np.asarray(bound), actual.shape)
    error = _error(actual, expected)
    bad = ~np.asarray(error <= bound, dtype=bool)
    if not bad.any():
        return
    excess = np.full(actual.shape, -np.inf)
    for index in zip(*np.nonzero(bad), strict=True):
        excess[index] = _excess(float(error[index]), float(bound[index]))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(excess), actual.shape))
    raise AssertionError(
        f"shape {actual.shape}: {bad.sum()} of {actual.size} elements are out of bounds; worst at {worst}: "
        f"{actual[worst]!s}, expected {float(expected[worst])!s}, error {float(error[worst]):.3g}, "
        f"bound {float(bound[worst]):.3g}, {excess[worst]:.3g} times the bound"
    )


def _error(actual, expected):
    """|actual - expected|, exactly where expected holds Fractions; 0 where both are the same infinity."""
    if expected.dtype == object:
        exact = np.empty(actual.shape, dtype=object)
        for index in np.ndindex(actual.shape):
            value = actual[index]
            exact[index] = abs(Fraction(value.item()) - expected[index]) if np.isfinite(value) else np.inf
        return exact
    wide = np.promote_types(np.promote_types(actual.dtype, expected.dtype), np.float64)
    with np.errstate(invalid="ignore"):
        difference = abs(actual.astype(wide) - expected.astype(wide))
    return np.where(actual == expected, 0, difference)


def _excess(error, bound):
    """By what factor an error is too large; NaN is worse than anything."""
    if np.isnan(error) or np.isnan(bound):
        return np.inf
    return error / bound if bound > 0 else np.inf
