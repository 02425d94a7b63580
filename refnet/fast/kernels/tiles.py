"""Winograd's minimal filtering F(m, 3) for m = 1..4 on one set of points, as formulas.

A row of m outputs under a filter of three taps is AT [(G g) . (BT d)]: six, five, four or three products instead of
3 m. All sizes use points of {0, +a, -a, +b, -b, infinity} with a = 2/3, b = 3/2, and G is unscaled, (1, p, p^2):
so the transformed filter of a small tile is part of that of a large one, and tiles of several sizes, 14 = 4+4+4+2
or 7 = 4+3, share one set of transformed weights. The scale of each point is in AT. With ab = 1 most coefficients
become one fused multiply-add. These points lose far less accuracy than the customary {0, 1, -1, 2, -2, infinity}.

The formulas are plain Python over anything that adds and multiplies: LLVM values when a kernel is compiled,
arrays or exact fractions in the tests. ``fma(x, y, z)`` is x*y + z.

Source: Lavin and Gray, arXiv:1509.09308, section 4; points after Barabasz et al., arXiv:1803.10986.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

A = Fraction(2, 3)
B = Fraction(3, 2)
FREQUENCIES = 6  # at 0, +a, -a, +b, -b, infinity
USED = {1: (0, 1, 2), 2: (0, 1, 2, 5), 3: (0, 1, 2, 3, 4), 4: (0, 1, 2, 3, 4, 5)}  # tile size -> its frequencies

_A_SCALE = 1 / (2 * A**2 * (A**2 - B**2))
_B_SCALE = 1 / (2 * B**2 * (B**2 - A**2))

Fma = Callable[[Any, Any, Any], Any]


def spread(d: Sequence[Any], fma: Fma) -> list[Any]:
    """BT d: from the m + 2 inputs under a tile to its frequencies, in the order of `USED[m]`."""
    if len(d) <= 4:  # m = 1, 2
        frequencies = [fma(-(B**2), d[2], d[0]), fma(A, d[1], d[2]), fma(-A, d[1], d[2])]
        return frequencies if len(d) == 3 else [*frequencies, fma(-(A**2), d[1], d[3])]
    even_a, odd_a = fma(-(B**2), d[2], d[4]), fma(-(B**2), d[1], d[3])
    even_b, odd_b = fma(-(A**2), d[2], d[4]), fma(-(A**2), d[1], d[3])
    frequencies = [
        fma(-(A**2 + B**2), d[2], d[0]) + d[4],
        fma(A, odd_a, even_a),
        fma(-A, odd_a, even_a),
        fma(B, odd_b, even_b),
        fma(-B, odd_b, even_b),
    ]
    return frequencies if len(d) == 5 else [*frequencies, fma(-(A**2 + B**2), d[3], d[1]) + d[5]]


def gather(m: Sequence[Any], fma: Fma) -> list[Any]:
    """AT m: from the products at a tile's frequencies to its outputs."""
    if len(m) <= 4:  # tiles of 1 and 2
        first = fma(1 / (2 * A**2), m[1] + m[2], m[0])
        return [first] if len(m) == 3 else [first, fma(1 / (2 * A), m[1] - m[2], m[3])]
    sum_a, difference_a = m[1] + m[2], m[1] - m[2]
    sum_b, difference_b = m[3] + m[4], m[3] - m[4]
    outputs = [
        fma(_B_SCALE, sum_b, fma(_A_SCALE, sum_a, m[0])),
        fma(_B_SCALE * B, difference_b, difference_a * (_A_SCALE * A)),
        fma(_B_SCALE * B**2, sum_b, sum_a * (_A_SCALE * A**2)),
    ]
    if len(m) == 5:
        return outputs
    return [*outputs, fma(_B_SCALE * B**3, difference_b, fma(_A_SCALE * A**3, difference_a, m[5]))]


def expand(g: Sequence[Any], frequency: int, fma: Fma) -> Any:
    """One row of G g: the filter (g0, g1, g2) at one of the six frequencies."""
    if frequency == 0:
        return g[0]
    if frequency == 5:
        return g[2]
    point = (A, -A, B, -B)[frequency - 1]
    return fma(point, g[1], fma(point**2, g[2], g[0]))


def tile_sizes(length: int) -> list[int]:
    """How a row of outputs is cut: fours, then what is left."""
    return [4] * (length // 4) + ([length % 4] if length % 4 else [])
