"""How far one array is from another, in three figures; counted up part by part, so that neither need be whole."""

import math
from dataclasses import dataclass

import numpy as np

from refnet.graph import Array


@dataclass(frozen=True)
class Difference:
    """Of an array beside another that it should equal.

    Attributes
    ----------
    max_abs : the largest absolute difference of two elements.
    relative_l2 : the length of the difference, as a share of the other's length.
    cosine : of the angle between the two, taken as long vectors.
    """

    max_abs: float
    relative_l2: float
    cosine: float


@dataclass(frozen=True)
class Sums:
    """What the three figures are made of; adds up over the parts of an array."""

    max_abs: float = 0.0
    difference: float = 0.0  # sums of squares
    actual: float = 0.0
    expected: float = 0.0
    product: float = 0.0

    @classmethod
    def unequal(cls) -> "Sums":
        """The sums of arrays that cannot be compared element by element."""
        return cls(max_abs=math.inf, difference=math.inf)

    def and_of(self, actual: Array, expected: Array) -> "Sums":
        """These sums, with another part's added; both of the same shape.

        Examples
        --------
        >>> Sums().and_of(np.array([3.0, 4.0]), np.array([3.0, 0.0])).figures()
        Difference(max_abs=4.0, relative_l2=1.3333333333333333, cosine=0.6)
        """
        if self.max_abs == math.inf:
            return self
        a, b = (np.asarray(x, dtype=np.float64).reshape(-1) for x in (actual, expected))
        if not np.isfinite(a).all():
            return self.unequal()
        d = a - b
        return Sums(
            max(self.max_abs, float(abs(d).max(initial=0))),
            self.difference + _dot(d, d),
            self.actual + _dot(a, a),
            self.expected + _dot(b, b),
            self.product + _dot(a, b),
        )

    def figures(self) -> Difference:
        """The figures of all parts together; two arrays of zeros are equal in every way."""
        if self.difference == 0:
            return Difference(self.max_abs, 0.0, 1.0)
        if not math.isfinite(self.difference) or self.expected == 0:
            return Difference(self.max_abs, math.inf, 0.0)
        lengths = math.sqrt(self.actual) * math.sqrt(self.expected)
        cosine = min(1.0, max(-1.0, self.product / lengths)) if lengths else 0.0
        return Difference(self.max_abs, math.sqrt(self.difference / self.expected), cosine)


def _dot(a: Array, b: Array) -> float:
    """The product of two vectors, by one thread."""
    # BLAS takes several and waits for all of them: on a machine that is busy with other work, for a hundred times as long.
    return float(np.einsum("i,i->", a, b))


def difference(actual: Array, expected: Array) -> Difference:
    """The three figures of two arrays of the same shape."""
    return Sums().and_of(actual, expected).figures()
