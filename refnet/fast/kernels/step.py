"""What a kernel is told: one record of integers, made once by the plan.

Places are indices into the arena, the one float32 array that holds all activations and scratch; weights have an
array of their own. An activation lies as (N, C/16, H, W, 16), described by the index of its first element and the
distances between images, channel blocks ("planes") and rows; -1 as its place means that there is none. Where a
tensor holds the images of a whole run and not of a group only, `whole` is 1.
"""

import numpy as np
from numba import njit

from refnet.fast.lanes import WIDTH

ACTIVATION = ("at", "image", "plane", "row", "whole")
FIELDS = (
    "kernel",
    *(f"{role}_{part}" for role in ("x", "y", "residual", "second") for part in ACTIVATION),
    "channels",  # of the input, in sixteens where activations lie so
    "out_channels",  # likewise of the output
    "height",  # of the output
    "width",
    "taps_down",
    "taps_across",
    "stride_down",
    "stride_across",
    "weights_at",
    "constants_at",
    "shared_at",  # scratch of all ranks
    "private_at",  # scratch of a rank, the first's
    "private_size",
    "private_m",  # within private scratch
    "private_v",
    "band_images",  # Winograd: how much is transformed at a time
    "band_rows",
    "plain_filters",  # Winograd: 1: filters are (OC/32, IC, 9, 32); 0: already transformed downwards
    "private_h",
    "by_channel",  # 1: ranks divide output channels; 0: they divide rows, or bands of tiles
)
CONSTANT_ROWS = 4  # of a panel of 32 channels: bias, slope, scale, shift
STEP = np.dtype((np.record, [(name, np.int64) for name in FIELDS]))  # a record's fields are attributes in Python, too


@njit(nogil=True)
def share(count, rank, ranks):  # type: ignore[no-untyped-def]
    """The first and last of `count` things that are a rank's."""
    return count * rank // ranks, count * (rank + 1) // ranks


@njit(nogil=True)
def places(step, image, plane, i, j):  # type: ignore[no-untyped-def]
    """Where pixel (i, j) of 16 output channels goes: y, residual, second; -1 where there is none."""
    y_at = step.y_at + image * step.y_image + plane * step.y_plane + i * step.y_row + j * WIDTH
    residual_at, second_at = step.residual_at, step.second_at
    if residual_at >= 0:
        residual_at += image * step.residual_image + plane * step.residual_plane + i * step.residual_row + j * WIDTH
    if second_at >= 0:
        second_at += image * step.second_image + plane * step.second_plane + i * step.second_row + j * WIDTH
    return y_at, residual_at, second_at
