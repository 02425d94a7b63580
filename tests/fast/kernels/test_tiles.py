"""Winograd's formulas, proved in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from refnet.fast.kernels import tiles


def exact_fma(x, y, z):
    return x * y + z


def fractions(rng, count):
    return [
        Fraction(int(a), int(b)) for a, b in zip(rng.integers(-99, 99, count), rng.integers(1, 9, count), strict=True)
    ]


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_every_tile_is_exactly_a_convolution(m):
    rng = np.random.default_rng(m)
    for _ in range(20):
        d, g = fractions(rng, m + 2), fractions(rng, 3)
        products = [
            tiles.expand(g, frequency, exact_fma) * value
            for frequency, value in zip(tiles.USED[m], tiles.spread(d, exact_fma), strict=True)
        ]
        expected = [sum(d[i + k] * g[k] for k in range(3)) for i in range(m)]
        assert tiles.gather(products, exact_fma) == expected


def test_small_tiles_use_a_part_of_the_large_ones_frequencies():
    assert all(set(used) <= set(tiles.USED[4]) and len(used) == m + 2 for m, used in tiles.USED.items())


@pytest.mark.parametrize("frequency", range(tiles.FREQUENCIES - 1))
def test_a_filter_is_its_polynomial_at_a_point(frequency):
    point = (Fraction(0), tiles.A, -tiles.A, tiles.B, -tiles.B)[frequency]
    g = fractions(np.random.default_rng(0), 3)
    assert tiles.expand(g, frequency, exact_fma) == g[0] + g[1] * point + g[2] * point**2
