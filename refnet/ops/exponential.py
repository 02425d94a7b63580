"""exp, element by element, with the same bits on every processor: for the operators that are made of it.

NumPy's own takes another series where the processor has AVX-512 than where it has not, and their last bits differ. This
one is a fixed sequence of products and sums, each rounded once by IEEE 754, in float64 whatever is asked for.
"""

import math

import numpy as np

from refnet.graph import Array

# log 2 in two parts; the first has 32 significant bits, so that k times it is exact for every k here.
_LOG2_HIGH, _LOG2_LOW = 0.6931471806019545, -4.2009150726810846e-11
_TERMS = 13  # x**14 / 14! is less than 2**-57 for |x| <= log(2) / 2
_LOWEST, _HIGHEST = -746.0, 710.0  # beyond them the result is 0 or infinity


def exponential(x: Array) -> Array:
    """Raise e to every element; the result has the dtype of x.

    exp(x) = 2**k exp(r) with k the integer next to x / log 2 and r = x - k log 2, and Taylor's polynomial for exp(r).

    Parameters
    ----------
    x : array of float32 or float64

    Returns
    -------
    array of the shape and dtype of x; in float64 within one unit of the last place, in float32 the rounded float64.
        NaN stays NaN; what is too large becomes infinity without a warning.

    Examples
    --------
    >>> exponential(np.array([0.0, 1.0, -np.inf]))
    array([1.        , 2.71828183, 0.        ])
    """
    bounded = np.clip(np.where(np.isnan(x), 0, x).astype(np.float64), _LOWEST, _HIGHEST)
    k = np.rint(bounded * (1 / math.log(2)))
    high = bounded - k * _LOG2_HIGH
    low = k * _LOG2_LOW
    r = high - low
    tail = np.full(r.shape, 1 / math.factorial(_TERMS))
    for power in range(_TERMS - 1, 1, -1):
        tail = tail * r + 1 / math.factorial(power)
    lost = (high - r) - low  # what r was rounded by
    with np.errstate(over="ignore", under="ignore"):
        y = np.ldexp(1 + (r + (r * r * tail + lost)), k.astype(np.int64)).astype(x.dtype)
    return np.where(np.isnan(x), x, y)
