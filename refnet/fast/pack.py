"""Weights in the order in which kernels read them, folded in float64 and rounded to float32 once.

Channels are filled up with zeros, to sixteens on the input's side and to panels of 32 on the output's. One layer is
packed at a time, straight into its place in the plan's weights.
"""

import mmap

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.kernels.step import CONSTANT_ROWS
from refnet.fast.kernels.tiles import FREQUENCIES
from refnet.fast.kernels.winograd_filters import expand_down
from refnet.fast.lanes import WIDTH
from refnet.fast.layers import ConvLayer, DenseLayer
from refnet.graph import Array, Shape


def zeros(count: int) -> Array:
    """A float32 array of zeros whose pages take no memory until something else is written to them.

    Starts at the beginning of a page, so that sixteen values lie in one cache line; in large pages where the system
    has them, since kernels walk through many distant places at once.
    """
    size = max(count, 1) * np.dtype(np.float32).itemsize
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype=np.float32)


def round_up(count: int, multiple: int) -> int:
    """The least multiple that is not smaller."""
    return -(-count // multiple) * multiple


def constants_size(channels: int) -> int:
    """How many values `pack_constants` writes."""
    return CONSTANT_ROWS * round_up(channels, PANEL)


def pack_constants(to: Array, bias: Array, slope: Array, scale: Array, shift: Array) -> None:
    """(OC/32, 4, 32): bias, slope, scale, shift. A bias of -0 becomes 0, so that no sum is -0, as in the definition."""
    rows = np.zeros((CONSTANT_ROWS, round_up(len(bias), PANEL)), dtype=np.float32)
    for row, values in zip(rows, (_in_float32(bias + 0.0), slope, scale, shift), strict=True):
        row[: len(bias)] = values
    to[:] = rows.reshape(CONSTANT_ROWS, -1, PANEL).transpose(1, 0, 2).ravel()


def winograd_size(shape: Shape, *, plain: bool) -> int:
    """How many values `pack_winograd` writes."""
    oc, ic, _, _ = shape
    return round_up(oc, PANEL) * round_up(ic, WIDTH) * (9 if plain else 3 * FREQUENCIES)


def pack_winograd(to: Array, layer: ConvLayer, *, plain: bool) -> None:
    """(OC/32, IC, 9, 32), or transformed downwards, (OC/32, 6, IC, 3, 32), as the kernel itself would do it."""
    panels = _panels(layer)
    if plain:
        to[:] = panels.ravel()
        return
    ic = panels.shape[1]
    each = 3 * PANEL * ic
    for panel, filters in enumerate(panels):
        for frequency in range(FREQUENCIES):
            expand_down(frequency, filters.ravel(), 0, ic, to, (panel * FREQUENCIES + frequency) * each)


def direct_size(shape: Shape) -> int:
    """How many values `pack_direct` writes."""
    oc, ic, kh, kw = shape
    return round_up(oc, PANEL) * round_up(ic, WIDTH) * kh * kw


def pack_direct(to: Array, layer: ConvLayer, channels_to: int = WIDTH) -> None:
    """(OC/32, taps, IC, 32), channels filled up to a multiple of `channels_to`."""
    to[:] = _panels(layer, channels_to).transpose(0, 2, 1, 3).ravel()


def pack_depthwise(to: Array, layer: ConvLayer) -> None:
    """(C/16, taps, 16)."""
    c, _, kh, kw = layer.weight_shape
    filters = np.zeros((round_up(c, WIDTH), kh * kw), dtype=np.float32)
    filters[:c] = _in_float32(layer.weight()).reshape(c, kh * kw)
    to[:] = filters.reshape(-1, WIDTH, kh * kw).transpose(0, 2, 1).ravel()


def pack_dense(to: Array, layer: DenseLayer, x_shape: Shape) -> None:
    """(OC/32, K, 32), K in the order (C/16, H, W, 16) of the activation (C, H, W) or (C,)."""
    oc, folded = layer.weight_shape[0], _in_float32(layer.weight())
    c, pixels = x_shape[0], int(np.prod(x_shape[1:]))
    to = to.reshape(round_up(oc, PANEL) // PANEL, round_up(c, WIDTH) // WIDTH, pixels, WIDTH, PANEL)
    for panel in range(len(to)):
        part = slice(panel * PANEL, min(panel * PANEL + PANEL, oc))
        filters = np.zeros((to.shape[1] * WIDTH, pixels, PANEL), dtype=np.float32)
        filters[:c, :, : part.stop - part.start] = folded[part].reshape(-1, c, pixels).transpose(1, 2, 0)
        to[panel] = filters.reshape(-1, WIDTH, pixels, PANEL).transpose(0, 2, 1, 3)


def _panels(layer: ConvLayer, channels_to: int = WIDTH) -> Array:
    """Folded filters as (OC/32, IC, taps, 32)."""
    oc, ic, kh, kw = layer.weight_shape
    filters = np.zeros((round_up(oc, PANEL), round_up(ic, channels_to), kh * kw), dtype=np.float32)
    filters[:oc, :ic] = _in_float32(layer.weight()).reshape(oc, ic, kh * kw)
    return np.ascontiguousarray(
        filters.reshape(-1, PANEL, filters.shape[1], kh * kw).transpose(0, 2, 3, 1), dtype=np.float32
    )


def _in_float32(values: Array) -> Array:
    """Folded weights, each rounded once; refuses those that float32 does not hold. Infinities and NaN of the file stay."""
    with np.errstate(over="ignore"):
        rounded: Array = values.astype(np.float32)
    too_large = ~np.isfinite(rounded) & np.isfinite(values)
    if too_large.any():
        raise UnsupportedModelError(
            f"a weight is {values[too_large].flat[0]:g} once the scaling beside its layer is folded into it; the "
            "fast engine computes in float32, which does not hold that: use engine='reference'"
        )
    return rounded
