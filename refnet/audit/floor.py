"""The noise floor: how far a number may be from float64 and still be called the same.

    floor = 16 u sqrt(V)

u is the unit roundoff of the judged numbers, and u^2 V the variance of the rounding errors behind them (`rounding`).
16 standard deviations are not chance: of a million normal errors the largest is at 5. The rest is for sums that are not
taken in random order, and for algorithms that round more than a plain sum. Winograd's convolution can round more by any
factor; where it is used, or may be, its own errors are in V, at 8 standard deviations.

Where numbers are only moved or selected, V is zero and the bits must be equal.
"""

import numpy as np

from refnet.audit.rounding import Variance
from refnet.graph import Array

STANDARD_DEVIATIONS = 16.0


def noise_floor(actual: Array, variance: Variance) -> Array:
    """The floor of each element of `actual`, or one for all; never zero, since processors may round tiny numbers to 0."""
    u, smallest_normal = _roundoff(actual)
    if variance is None:
        return np.array(smallest_normal)
    floor: Array = STANDARD_DEVIATIONS * u * np.sqrt(variance) + smallest_normal
    return floor


def excess(actual: Array, expected: Array, floor: Array) -> Array:
    """Element by element, how many times the floor the error is; above 1 it is no noise."""
    with np.errstate(over="ignore"):
        ratio = abs(np.asarray(actual, dtype=np.float64) - expected) / floor
    return np.minimum(ratio, np.finfo(np.float64).max)


def _roundoff(array: Array) -> tuple[float, float]:
    """Unit roundoff and smallest normal number of what the array was computed in."""
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    if dtype == np.float64 and np.array_equal(array, array.astype(np.float32)):
        dtype = np.dtype(np.float32)  # float32 numbers, kept wide
    info = np.finfo(dtype)
    return float(info.eps) / 2, float(info.smallest_normal)
