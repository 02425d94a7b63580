"""The vector instructions in NumPy, for kernels that are not compiled (NUMBA_DISABLE_JIT): the same bits, slowly.

Under that setting numba leaves kernels to Python, where a debugger, a profiler or a coverage tool can follow them. What
it cannot leave to Python are intrinsics, which are LLVM instructions: each names its twin with `or_plain`. This file
has the twins of `lanes` and what the others, each beside its intrinsic, are made of.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from refnet.fast.target import COMPILED
from refnet.graph import Array

WIDTH = 16

Intrinsic = TypeVar("Intrinsic")


def or_plain(twin: Callable[..., Any]) -> Callable[[Intrinsic], Intrinsic | Callable[..., Any]]:
    """Give an intrinsic, or its twin where nothing is compiled."""
    return lambda intrinsic: intrinsic if COMPILED else twin


def load(array: Array, index: int) -> Array:
    """array[index : index + 16]."""
    return array[index : index + WIDTH].copy()


def store(array: Array, index: int, value: Array) -> None:
    """array[index : index + 16] = value."""
    array[index : index + WIDTH] = value


def splat(scalar: float) -> Array:
    """The float32 value in all lanes."""
    return np.full(WIDTH, scalar, dtype=np.float32)


def fma(x: Any, y: Any, z: Any) -> Array:
    """x*y + z of float32 values, rounded once.

    The product of two float32 is exact in float64. The sum is rounded *to odd* there: of the two float64 around the
    exact value the one whose last bit is 1, unless the value is a float64. Rounding that to float32 is as rounding the
    exact value, for float64 has more than 2 * 24 + 2 bits (Boldo and Melquiond, IEEE TC 57 (4), 2008, theorem 1).

    Examples
    --------
    The exact value is a little below the middle of two float32. float64 rounds it to the middle, which goes to the
    even float32, the one above:

    >>> x, y, z = np.float32(1 + 2**-15), np.float32(2**-24 - 2**-39), np.float32(1 + 2**-23)
    >>> float(fma(x, y, z)) == 1 + 2**-23, float(np.float32(float(x) * float(y) + float(z))) == 1 + 2**-22
    (True, True)
    """
    with np.errstate(all="ignore"):
        product, z64 = np.float64(x) * np.float64(y), np.float64(z)
        total = np.asarray(product + z64)
        of_z = total - product  # what total has of z, and after it what it lacks: Knuth's TwoSum
        error = (product - (total - of_z)) + (z64 - of_z)
        bits = total.view(np.int64)
        between = np.isfinite(total) & (error != 0) & (bits & 1 == 0)
        further = np.where(np.signbit(error) == np.signbit(total), 1, -1)
        result: Array = np.where(between, bits + further, bits).view(np.float64).astype(np.float32)
        return result


def largest(x: Array, y: Array) -> Array:
    """The larger of x and y; NaN if one is, and 0 before -0."""
    with np.errstate(all="ignore"):
        result: Array = np.where((x == 0) & (y == 0), x + y, np.maximum(x, y))
        return result


class Values:
    """Float32 values as the formulas of `tiles` want them: numbers that meet them are rounded to float32 once."""

    def __init__(self, value: Array) -> None:
        self.value = value

    def __add__(self, other: "Values") -> "Values":
        return Values(self.value + other.value)

    def __sub__(self, other: "Values") -> "Values":
        return Values(self.value - other.value)

    def __mul__(self, number: Fraction) -> "Values":
        return Values(self.value * np.float32(float(number)))


def values_fma(x: Fraction, y: Values, z: Values) -> Values:
    """x*y + z, rounded once; x is a number."""
    return Values(fma(np.float32(float(x)), y.value, z.value))
