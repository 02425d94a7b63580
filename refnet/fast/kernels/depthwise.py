"""Depthwise convolution: every channel with a filter of its own, any size and stride.

One chain of fused multiply-adds a pixel, over the taps in row order.

Layout: activations (N, C/16, H, W, 16), the input with its padding around it; filters (C/16, taps, 16).
"""

from numba import njit

from refnet.fast.kernels.finish import finish
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.kernels.step import CONSTANT_ROWS, places, share
from refnet.fast.lanes import WIDTH, fma, load, splat


@njit(nogil=True)
def depthwise(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y, and the second output if there is one, for the first `images` images.

    Bound: gamma(taps) (|w| * |x|). Measured with normal data, 3x3: 3 u (|w| * |x|), u = 2**-24; tests allow 6 there.
    """
    planes = step.channels // WIDTH
    first, last = share(images * planes, rank, ranks)
    for image_plane in range(first, last):
        image, plane = image_plane // planes, image_plane % planes
        filters_at = step.weights_at + plane * step.taps_down * step.taps_across * WIDTH
        constants_at = step.constants_at + plane // 2 * CONSTANT_ROWS * PANEL + plane % 2 * WIDTH
        for i in range(step.height):
            x_row = step.x_at + image * step.x_image + plane * step.x_plane + i * step.stride_down * step.x_row
            y_at, residual_at, second_at = places(step, image, plane, i, 0)
            for j in range(step.width):
                total = splat(0.0)
                tap_at = filters_at
                for u in range(step.taps_down):
                    x_at = x_row + u * step.x_row + j * step.stride_across * WIDTH
                    for v in range(step.taps_across):
                        total = fma(load(arena, x_at + v * WIDTH), load(weights, tap_at), total)
                        tap_at += WIDTH
                at = j * WIDTH
                finish(
                    total,
                    weights,
                    constants_at,
                    arena,
                    y_at + at,
                    residual_at + at if residual_at >= 0 else -1,
                    second_at + at if second_at >= 0 else -1,
                )
