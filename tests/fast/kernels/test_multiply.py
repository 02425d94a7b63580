"""The register block beside a sum in exact arithmetic."""

import numpy as np
import pytest
from numba import njit

from refnet.fast.kernels.multiply import multiply, multiply_apart, multiply_pair, multiply_taps
from refnet.fast.kernels.register_block import CHAIN, PANEL
from tests.comparison import assert_within, gamma

WIDTH = 16


@njit
def call(rows, a, groups, b, c, accumulate):
    multiply(rows, a, 0, groups, rows * 16, b, 0, c, 0, accumulate, 0)


@njit
def call_taps(rows, a, groups, b, at, c):
    multiply_taps(rows, a, 0, groups, rows * 16, b, at, c, 0, 0, 0)


@njit
def call_pair(rows, a, groups, b, point, square, c, pair):
    multiply_pair(rows, a, 0, groups, rows * 16, b, 0, point, square, c, 0, 0, 0, pair)


@njit
def call_apart(rows, a, groups, group_step, b, c):
    multiply_apart(rows, a, 0, groups, group_step, b, 0, c, 0, 0, 0)


def grouped(a):
    """(rows, K) as kernels read it: (K/16, rows, 16)."""
    return np.ascontiguousarray(a.reshape(len(a), -1, WIDTH).transpose(1, 0, 2)).ravel()


def chain(a, b):
    """One fused multiply-add after the other, each rounded once, for every element."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        exact = a[:, k, np.newaxis].astype(np.longdouble) * b[k].astype(np.longdouble) + total
        total = exact.astype(np.float32)
    return total


def operands(rows, terms, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, terms)).astype(np.float32), rng.standard_normal((terms, PANEL)).astype(np.float32)


@pytest.mark.parametrize("rows", [*range(1, 31), 47, 128])
def test_any_number_of_rows_is_multiplied(rows):
    a, b = operands(rows, 32)
    c = np.full((rows + 1, PANEL), np.nan, np.float32)
    call(rows, grouped(a), 2, b.ravel(), c.reshape(-1), 0)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    assert_within(c[:rows], a64 @ b64, gamma(32, np.float32) * (abs(a64) @ abs(b64)))
    assert np.isnan(c[rows]).all()


@pytest.mark.parametrize("terms", [16, 48, CHAIN])
def test_an_element_is_one_chain_of_fused_multiply_adds(terms):
    a, b = operands(13, terms)
    c = np.empty((13, PANEL), np.float32)
    call(13, grouped(a), terms // WIDTH, b.ravel(), c.reshape(-1), 0)
    assert np.array_equal(c, chain(a, b))


def test_the_block_changes_no_bit():
    a, b = operands(29, CHAIN)
    together, alone = np.empty((29, PANEL), np.float32), np.empty((29, PANEL), np.float32)
    call(29, grouped(a), CHAIN // WIDTH, b.ravel(), together.reshape(-1), 0)
    for row in range(29):
        call(1, grouped(a[row : row + 1]), CHAIN // WIDTH, b.ravel(), alone[row], 0)
    assert np.array_equal(together, alone)


def test_chains_are_added_in_order():
    a, b = operands(5, 32)
    c = np.full((5, PANEL), 1000, np.float32)
    call(5, grouped(a), 2, b.ravel(), c.reshape(-1), 1)
    assert np.array_equal(c, np.float32(1000) + chain(a, b))


@pytest.mark.parametrize("tap", [0, 2])
def test_one_of_three_taps_is_read(tap):
    a, b = operands(7, 32)
    taps = np.full((32, 3, PANEL), np.nan, np.float32)
    taps[:, tap] = b
    c = np.empty((7, PANEL), np.float32)
    call_taps(7, grouped(a), 2, taps.ravel(), tap * PANEL, c.reshape(-1))
    assert np.array_equal(c, chain(a, b))


@pytest.mark.parametrize("rows", range(1, 26))
def test_filters_made_on_the_way_are_those_made_before(rows):
    rng = np.random.default_rng(rows)
    a = [rng.standard_normal((rows, 32)).astype(np.float32) for _ in range(2)]
    taps = rng.standard_normal((32, 3, PANEL)).astype(np.float32)
    point, square = np.float32(2 / 3), np.float32(4 / 9)

    def fused(x, y, z):
        return (x.astype(np.longdouble) * y + z).astype(np.float32)

    even = fused(square, taps[:, 2], taps[:, 0])
    c = np.empty((2, rows, PANEL), np.float32)
    call_pair(
        rows, np.concatenate([grouped(part) for part in a]), 2, taps.ravel(), point, square, c.reshape(-1),
        (rows * 32, rows * PANEL),
    )  # fmt: skip
    assert np.array_equal(c[0], chain(a[0], fused(point, taps[:, 1], even)))
    assert np.array_equal(c[1], chain(a[1], fused(-point, taps[:, 1], even)))


@pytest.mark.parametrize("rows", [1, 7, 14])
def test_every_second_pixel_is_read(rows):
    a, b = operands(2 * rows, 32)
    a[1::2] = np.nan
    c = np.empty((rows, PANEL), np.float32)
    blocks = -(-rows // 6)  # as many rows as fit the smallest register file
    done = 0
    for block in range(blocks):
        count = (rows - done) // (blocks - block)
        part = a[2 * done : 2 * (done + count)]
        call_apart(count, grouped(part), 2, 2 * count * 16, b.ravel(), c[done : done + count].reshape(-1))
        done += count
    assert np.array_equal(c, chain(a[::2], b))
