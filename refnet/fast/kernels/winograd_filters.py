"""The transform of the filters, G g GT, in its two directions, each of which may be done ahead or when it is needed."""

import numpy as np
from numba import njit

from refnet.fast.kernel_cache import cached
from refnet.fast.kernels import tiles
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.lanes import WIDTH, fma, load, splat, store

FREQUENCIES = tiles.FREQUENCIES
POINTS = tuple(np.float32(float(p)) for p in (0, tiles.A, -tiles.A, tiles.B, -tiles.B))
SQUARES = tuple(np.float32(float(p**2)) for p in (0, tiles.A, -tiles.A, tiles.B, -tiles.B))


@cached
@njit(nogil=True)
def expand_down(frequency, weights, at, channels, h, h_at):  # type: ignore[no-untyped-def]
    """One row of G g for the filters (IC, 9, 32) of a panel: h (IC, 3, 32)."""
    if frequency == 0 or frequency == FREQUENCIES - 1:
        row = 0 if frequency == 0 else 6 * PANEL
        for c in range(channels):
            for k in range(0, 3 * PANEL, WIDTH):
                store(h, h_at + 3 * PANEL * c + k, load(weights, at + 9 * PANEL * c + row + k))
    else:
        point, square = splat(POINTS[frequency]), splat(SQUARES[frequency])
        for c in range(channels):
            for k in range(0, 3 * PANEL, WIDTH):
                g = at + 9 * PANEL * c + k
                even = fma(square, load(weights, g + 6 * PANEL), load(weights, g))
                store(h, h_at + 3 * PANEL * c + k, fma(point, load(weights, g + 3 * PANEL), even))


@njit(nogil=True)
def expand_across(h, h_at, channels, u, u_at):  # type: ignore[no-untyped-def]
    """U at the four frequencies between first and last: (4, IC, 32) from h (IC, 3, 32)."""
    a, aa, b, bb = splat(POINTS[1]), splat(SQUARES[1]), splat(POINTS[3]), splat(SQUARES[3])
    minus_a, minus_b = splat(POINTS[2]), splat(POINTS[4])
    distance = channels * PANEL
    for c in range(channels):
        for k in range(0, PANEL, WIDTH):
            g = h_at + 3 * PANEL * c + k
            g0, g1, g2 = load(h, g), load(h, g + PANEL), load(h, g + 2 * PANEL)
            even_a, even_b = fma(aa, g2, g0), fma(bb, g2, g0)
            to = u_at + PANEL * c + k
            store(u, to, fma(a, g1, even_a))
            store(u, to + distance, fma(minus_a, g1, even_a))
            store(u, to + 2 * distance, fma(b, g1, even_b))
            store(u, to + 3 * distance, fma(minus_b, g1, even_b))
