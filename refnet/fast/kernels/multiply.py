"""Matrix products for the layouts that kernels have: any number of rows, in register blocks of nearly equal size."""

import numpy as np
from numba import njit

from refnet.fast.kernels.register_block import MOST_ROWS, PANEL, ROWS, Making, multiply_block
from refnet.fast.lanes import WIDTH

_MADE_ROWS, _PAIR_ROWS = MOST_ROWS[Making.ONE], MOST_ROWS[Making.PAIR]


@njit(nogil=True)
def multiply(rows, a, a_at, groups, group_step, b, b_at, c, c_at, accumulate, ahead):  # type: ignore[no-untyped-def]
    """C (+)= a b for any number of rows 16 values apart, in blocks of nearly equal size; rows of b 32 apart."""
    blocks = (rows + ROWS - 1) // ROWS
    zero, done = np.float32(0), 0
    for block in range(blocks):
        count = (rows - done) // (blocks - block)
        left, to = a_at + WIDTH * done, c_at + PANEL * done
        multiply_block(
            (16, 16, 32, 0), count, a, left, groups, group_step, b, b_at, zero, zero, c, to, accumulate, ahead, (0, 0)
        )
        done += count


@njit(nogil=True)
def multiply_taps(rows, a, a_at, groups, group_step, b, b_at, c, c_at, accumulate, ahead):  # type: ignore[no-untyped-def]
    """The same with rows of b 96 apart: one of three taps."""
    blocks = (rows + ROWS - 1) // ROWS
    zero, done = np.float32(0), 0
    for block in range(blocks):
        count = (rows - done) // (blocks - block)
        left, to = a_at + WIDTH * done, c_at + PANEL * done
        multiply_block(
            (16, 16, 96, 0), count, a, left, groups, group_step, b, b_at, zero, zero, c, to, accumulate, ahead, (0, 0)
        )
        done += count


@njit(nogil=True)
def multiply_pair(  # type: ignore[no-untyped-def]
    rows, a, a_at, groups, group_step, b, b_at, point, square, c, c_at, accumulate, ahead, pair
):
    """Two products with rows of b made from three taps on the way, fma(+-point, b1, fma(square, b2, b0)): for few rows.

    The second product's a and c lie `pair` further on.
    """
    if 0 < rows <= _PAIR_ROWS:
        layout = (16, 16, 96, 2)
        multiply_block(
            layout, rows, a, a_at, groups, group_step, b, b_at, point, square, c, c_at, accumulate, ahead, pair
        )
        return
    blocks = (rows + _MADE_ROWS - 1) // _MADE_ROWS
    for product in range(2):
        done = 0
        for block in range(blocks):
            count = (rows - done) // (blocks - block)
            left, to = a_at + product * pair[0] + WIDTH * done, c_at + product * pair[1] + PANEL * done
            multiply_block(
                (16, 16, 96, 1),
                count,
                a,
                left,
                groups,
                group_step,
                b,
                b_at,
                -point if product else point,
                square,
                c,
                to,
                accumulate,
                ahead + product * groups * WIDTH * WIDTH,
                (0, 0),
            )
            done += count


@njit(nogil=True)
def multiply_apart(rows, a, a_at, groups, group_step, b, b_at, c, c_at, accumulate, ahead):  # type: ignore[no-untyped-def]
    """The same as `multiply` for at most `ROWS` rows that lie 32 values apart."""
    zero = np.float32(0)
    multiply_block(
        (32, 16, 32, 0), rows, a, a_at, groups, group_step, b, b_at, zero, zero, c, c_at, accumulate, ahead, (0, 0)
    )


@njit(nogil=True)
def multiply_pixels(rows, a, a_at, groups, group_step, b, b_at, c, c_at):  # type: ignore[no-untyped-def]
    """The same for rows 4 values apart in groups of 12 terms: three pixels of up to four channels; overwrites c."""
    zero = np.float32(0)
    multiply_block((4, 12, 32, 0), rows, a, a_at, groups, group_step, b, b_at, zero, zero, c, c_at, 0, b_at, (0, 0))


@njit(nogil=True)
def multiply_pixels_apart(rows, a, a_at, groups, group_step, b, b_at, c, c_at):  # type: ignore[no-untyped-def]
    """The same for rows 8 values apart: every second pixel."""
    zero = np.float32(0)
    multiply_block((8, 12, 32, 0), rows, a, a_at, groups, group_step, b, b_at, zero, zero, c, c_at, 0, b_at, (0, 0))
