"""What a kernel is told: one record of integers, made once by the plan.

Places are indices into the arena, the one float32 array that holds all activations and scratch; weights have an
array of their own. An activation lies as (N, C/16, H, W, 16), described by the index of its first element and the
distances between images, channel blocks ("planes") and rows; -1 as its place means that there is none.
"""

import numpy as np

_ACTIVATION = ("at", "image", "plane", "row")
FIELDS = (
    "kernel",
    *(f"{role}_{part}" for role in ("x", "y", "residual", "second") for part in _ACTIVATION),
    "channels",  # of the input, in sixteens where activations lie so
    "out_channels",  # likewise of the output
    "height",  # of the output
    "width",
    "input_width",
    "taps_down",
    "taps_across",
    "stride",
    "weights_at",
    "constants_at",
    "shared_at",  # scratch of all ranks
    "private_at",  # scratch of a rank, the first's
    "private_size",
    "private_m",  # within private scratch
    "private_v",
    "band_images",  # Winograd: how much is transformed at a time
    "band_rows",
    "by_channel",  # 1: ranks share each band and divide output channels; 0: ranks divide bands
)
STEP = np.dtype([(name, np.int64) for name in FIELDS])
