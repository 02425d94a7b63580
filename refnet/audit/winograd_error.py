"""How far the fast engine's Winograd convolution may stray: a bound that holds for any numbers, and what to expect.

Winograd's algorithm makes the outputs of a tile from sums and differences of all the tile's inputs, which cancel only at
the end. So its error at an output is not bounded by a multiple of (|w| * |x|) there: an input that this output does not
read, but its tile does, adds to it. What holds is the same algorithm run on absolute values (`winograd_bound`),

    |y - exact| <= gamma(n) |AT| [ sum over channels of (|G| |w| |GT|) . (|BT| |x| |B|) ] |A|,   gamma(n) = n u / (1 - n u)

where n is the largest number of roundings between a product of an input and a weight and an output, with one more for
each constant that float32 does not have. Matrices and n are derived from the kernel's own formulas (`tiles`), run on
symbols. From it follows, with kappa = max over i, p of sum over f of |AT[i,f]| |G[f,p]| sum over k of |BT[f,k]|,

    |y - exact| <= gamma(n) kappa^2 max|x in the tile| sum|w|.

Both are for the sum alone, as the kernel gets its float32 inputs and weights; a bias and what else follows round once
each. Nothing may overflow, nor fall below the smallest normal number.

Errors that go up and down at random stay far below. `winograd_variance` says how far, in the model of `rounding`.

Sources: Barabasz, Anderson, Soodhalter, Gregg, *Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks*, ACM TOMS 46(4), 2020 (norms of the same matrices); Higham, *Accuracy and Stability of Numerical
Algorithms*, 2nd ed., sections 3.1 and 3.5 (componentwise products of matrices).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from refnet.fast.kernels import tiles
from refnet.fast.kernels.register_block import CHAIN
from refnet.fast.storage import PIXEL
from refnet.graph import Array, Node
from refnet.ops.conv import conv

U = 2.0**-24  # unit roundoff of float32
DEVIATIONS = 8.0  # standard deviations of its error, beyond which no output is expected; 5.6 is the most that was seen
ONE = 1 / 3  # the variance of one rounding of 1, in units of u^2; see `rounding`


def uses_winograd(node: Node, weight: Array) -> bool:
    """Whether the fast engine computes a convolution by Winograd's algorithm."""
    how = node.attributes
    plain = (how["groups"], how["stride"], how["padding"], how["dilation"]) == (1, (1, 1), (1, 1, 1, 1), (1, 1))
    return node.op == "Conv" and plain and weight.shape[2:] == (3, 3) and weight.shape[1] > PIXEL


def winograd_bound(x: Array, weight: Array) -> Array:
    """Bound the error of every output.

    Parameters
    ----------
    x : (N, IC, H, W)
    weight : (OC, IC, 3, 3)

    Returns
    -------
    (N, OC, H, W) float64, absolute.
    """
    bound = np.empty((len(x), len(weight), *x.shape[2:]))
    for tile in _tiles(abs(np.asarray(x, np.float64))):
        spread, expand, gather = (tuple(map(abs, pair)) for pair in (tile.spread, tile.expand, tile.gather))
        products = _products(_both_ways(expand, abs(weight.astype(np.float64))), _both_ways(spread, tile.x))
        tile.put(bound, _both_ways(gather, products))
    return gamma(roundings(weight.shape[1])) * bound


def normwise_bound(x: Array, weight: Array) -> Array:
    """The simpler bound, of every output: (N, OC, H, W), never below `winograd_bound`."""
    largest = np.empty((len(x), 1, *x.shape[2:]))
    for tile in _tiles(abs(np.asarray(x, np.float64))):
        most = tile.x.max(axis=(1, 4, 5))[:, np.newaxis, :, :, np.newaxis, np.newaxis]
        tile.put(largest, np.broadcast_to(most, (*most.shape[:4], tile.down, tile.across)))
    weights = abs(weight.astype(np.float64)).sum(axis=(1, 2, 3))[:, np.newaxis, np.newaxis]
    bound: Array = gamma(roundings(weight.shape[1])) * float(amplification() ** 2) * largest * weights
    return bound


def winograd_variance(x: Array, weight: Array) -> Array:
    """Tell the variance of the error of every output, (N, OC, H, W), in units of u^2; see `rounding`.

    The kernel's formulas, run on numbers that carry the variance of their errors: every operation adds that of one
    rounding of its result. At each frequency there is a sum over channels, as `rounding` has it.
    """
    terms = _sum_roundings(weight.shape[1])
    variance = np.empty((len(x), len(weight), *x.shape[2:]))
    filters = np.moveaxis(weight.astype(np.float64), (2, 3), (0, 1))
    for tile in _tiles(np.asarray(x, np.float64)):
        down, across = tiles.USED[tile.down], tiles.USED[tile.across]
        v = _in_plane(lambda d: tiles.spread(d, _fused_noisy), [[_Noisy(d) for d in row] for row in tile.pixels])
        g = [[_Noisy(tap) for tap in row] for row in filters]
        h = [[tiles.expand([g[k][j] for k in range(3)], f, _fused_noisy) for j in range(3)] for f in down]
        u = [[tiles.expand(row, f, _fused_noisy) for f in across] for row in h]
        m = [[_sum_noisy(a, b, terms) for a, b in zip(*rows, strict=True)] for rows in zip(u, v, strict=True)]
        y = _in_plane(lambda d: tiles.gather(d, _fused_noisy), m)
        tile.put(variance, np.moveaxis(np.array([[it.variance for it in row] for row in y]), (0, 1), (4, 5)))
    return variance


def expected_units(x: Array, weight: Array) -> Array:
    """How large the error of every output may well be, (N, OC, H, W), in units of u (|w| * |x|): `DEVIATIONS`.

    Where (|w| * |x|) is below its median, as among zeros, the median is the unit: what is far below the rest of a tensor
    may be off by a part of that.
    """
    size = conv(abs(np.asarray(x, np.float64)), abs(weight.astype(np.float64)), padding=(1, 1, 1, 1))
    unit = np.maximum(size, np.median(size))
    units: Array = DEVIATIONS * np.sqrt(winograd_variance(x, weight)) / np.where(unit > 0, unit, np.inf)
    return units


def gamma(count: int) -> float:
    """Bound the relative error of `count` roundings in a row: n u / (1 - n u)."""
    return count * U / (1 - count * U)


def roundings(channels: int) -> int:
    """The most roundings between a product of an input and a weight, of so many channels, and an output."""
    return 2 * max(_roundings_in_a_row(m) for m in tiles.USED) + _sum_roundings(channels)


def amplification() -> Fraction:
    """Kappa: by how much sums of absolute values may exceed what is left of them, in one direction, exactly."""
    return max(
        sum((abs(a[i, f]) * abs(g[f, p]) * abs(b[f]).sum() for f in range(m + 2)), Fraction(0))
        for m in tiles.USED
        for b, g, a in [_exact(m)]
        for i in range(m)
        for p in range(3)
    )


# The kernel's formulas, run on symbols.


@dataclass(frozen=True)
class _Sum:
    """A linear form: of each variable the factor, and how many roundings lie between it and this value."""

    terms: dict[int, tuple[Fraction, int]]

    def __add__(self, other: "_Sum") -> "_Sum":
        return _fused(Fraction(1), other, self)

    def __sub__(self, other: "_Sum") -> "_Sum":
        return _fused(Fraction(-1), other, self)

    def __mul__(self, number: Fraction) -> "_Sum":
        return _fused(number, self, _Sum({}))


def _fused(x: Fraction, y: _Sum, z: _Sum) -> _Sum:
    """x*y + z, rounded once; x is rounded as well, unless float32 has it."""
    assert not y.terms.keys() & z.terms.keys()  # no variable cancels itself: absolute values are those of the matrix
    inexact = Fraction(float(np.float32(float(x)))) != x
    of_y = {k: (x * factor, count + 1 + inexact) for k, (factor, count) in y.terms.items()}
    return _Sum(of_y | {k: (factor, count + 1) for k, (factor, count) in z.terms.items()})


def _variables(count: int) -> list[_Sum]:
    return [_Sum({k: (Fraction(1), 0)}) for k in range(count)]


@cache
def _forms(m: int) -> tuple[list[_Sum], list[_Sum], list[_Sum]]:
    """BT d, G g and AT m of a tile of m outputs."""
    return (
        tiles.spread(_variables(m + 2), _fused),
        [tiles.expand(_variables(3), frequency, _fused) for frequency in tiles.USED[m]],
        tiles.gather(_variables(m + 2), _fused),
    )


@cache
def _exact(m: int) -> tuple[Array, Array, Array]:
    """BT (m + 2, m + 2), G (m + 2, 3) and AT (m, m + 2), of fractions."""
    spread, expand, gather = _forms(m)
    return _matrix(spread, m + 2), _matrix(expand, 3), _matrix(gather, m + 2)


def _matrix(forms: Sequence[_Sum], columns: int) -> Array:
    return np.array([[form.terms.get(k, (Fraction(0), 0))[0] for k in range(columns)] for form in forms])


def _roundings_in_a_row(m: int) -> int:
    """The most on any way from an input and a weight to an output, in one direction."""
    spread, expand, gather = _forms(m)
    return max(
        count + max(n for _, n in spread[f].terms.values()) + max(n for _, n in expand[f].terms.values())
        for form in gather
        for f, (_, count) in form.terms.items()
    )


def _sum_roundings(channels: int) -> int:
    """Those of a sum of products, the first of a chain among them: a chain, and the chains after it."""
    return min(channels, CHAIN) + max(-(-channels // CHAIN) - 1, 0)


# The same formulas, run on numbers.


@dataclass(frozen=True)
class _Noisy:
    """Float64 numbers and the variance of the errors that float32 has made in them, in units of u^2."""

    value: Array
    variance: Array | float = 0.0

    def __add__(self, other: "_Noisy") -> "_Noisy":
        return _fused_noisy(Fraction(1), other, self)

    def __sub__(self, other: "_Noisy") -> "_Noisy":
        return _fused_noisy(Fraction(-1), other, self)

    def __mul__(self, number: Fraction) -> "_Noisy":
        return _fused_noisy(number, self, _Noisy(np.zeros(1)))


def _fused_noisy(x: Fraction, y: _Noisy, z: _Noisy) -> _Noisy:
    """x*y + z, rounded once; the constant has an error of its own, which is known."""
    number = float(x)
    wrong = (float(np.float32(number)) - number) / U
    value = number * y.value + z.value
    return _Noisy(value, number**2 * y.variance + z.variance + np.square(wrong * y.value) + ONE * np.square(value))


def _sum_noisy(u: _Noisy, v: _Noisy, terms: int) -> _Noisy:
    """Sum over channels: (OC, IC), (N, IC, T, S) -> (N, OC, T, S)."""

    def product(a: Array, b: Array) -> Array:
        return np.moveaxis(np.tensordot(a, b, (1, 1)), 0, 1)

    value, squares = product(u.value, v.value), np.square(v.value)
    carried = product(ONE * terms / 6 * np.square(u.value) + u.variance, squares)
    carried += product(np.square(u.value), np.broadcast_to(v.variance, squares.shape))
    return _Noisy(value, ONE * terms / 3 * np.square(value) + carried)


def _in_plane(transform: Callable[[list[_Noisy]], list[_Noisy]], rows: list[list[_Noisy]]) -> list[list[_Noisy]]:
    """A transform of columns, then of the rows that this makes: in the kernel's order for inputs."""
    columns = [transform(list(column)) for column in zip(*rows, strict=True)]
    return [transform(list(row)) for row in zip(*columns, strict=True)]


# Tiles in the plane.


@dataclass(frozen=True)
class _Tiles:
    """All tiles of one size: x (N, IC, T, S, down + 2, across + 2), T by S of them, and the matrices (down, across)."""

    rows: slice
    columns: slice
    down: int
    across: int
    x: Array

    @property
    def spread(self) -> tuple[Array, Array]:
        return self._matrices(0)

    @property
    def expand(self) -> tuple[Array, Array]:
        return self._matrices(1)

    @property
    def gather(self) -> tuple[Array, Array]:
        return self._matrices(2)

    def _matrices(self, which: int) -> tuple[Array, Array]:
        return _exact(self.down)[which].astype(np.float64), _exact(self.across)[which].astype(np.float64)

    @property
    def pixels(self) -> list[list[Array]]:
        """Every place of the tiles: down + 2 rows of across + 2 arrays (N, IC, T, S)."""
        return [[self.x[..., i, j] for j in range(self.across + 2)] for i in range(self.down + 2)]

    def put(self, to: Array, values: Array) -> None:
        """Lay tiles (N, OC, T, S, down, across) side by side in their part of an image."""
        part = to[:, :, self.rows, self.columns]
        part[...] = values.swapaxes(3, 4).reshape(part.shape)


def _tiles(x: Array) -> Iterator[_Tiles]:
    """Cut images (N, IC, H, W) into tiles, as the kernel does."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for rows, down in _cuts(x.shape[2]):
        for columns, across in _cuts(x.shape[3]):
            part = padded[:, :, rows.start : rows.stop + 2, columns.start : columns.stop + 2]
            windows = np.lib.stride_tricks.sliding_window_view(part, (down + 2, across + 2), axis=(2, 3))
            yield _Tiles(rows, columns, down, across, windows[:, :, ::down, ::across])


def _cuts(length: int) -> list[tuple[slice, int]]:
    """The part of a row that is fours, and what is left; each with the size of its tiles."""
    sizes, whole = tiles.tile_sizes(length), length // 4 * 4
    return [(slice(0, whole), 4)] * (whole > 0) + [(slice(whole, length), m) for m in sizes if m < 4]


def _both_ways(matrices: tuple[Array, ...], x: Array) -> Array:
    """L x RT on the last two axes."""
    left, right = matrices
    product: Array = left @ x @ right.T
    return product


def _products(u: Array, v: Array) -> Array:
    """Sum over channels at every frequency: (OC, IC, F, G), (N, IC, T, S, F, G) -> (N, OC, T, S, F, G)."""
    n, ic, t, s, f, g = v.shape
    of_tiles = v.transpose(4, 5, 0, 2, 3, 1).reshape(f, g, n * t * s, ic)
    sums: Any = of_tiles @ u.transpose(2, 3, 1, 0)
    return np.asarray(sums.reshape(f, g, n, t, s, -1).transpose(2, 5, 3, 4, 0, 1))
