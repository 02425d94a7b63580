"""Convolution of any size and stride, tap by tap, as products of a few pixels by 32 output channels.

    sum over taps (u, v) in row order, over channels in chains of 64, of  x[stride i + u, stride j + v, chain] w[u, v]

See `multiply` for a chain; chains are added in this order. Used where Winograd's
filtering does not serve: stride 2, 1x1, and anything unusual.

Layout: activations (N, C/16, H, W, 16), the input with its padding around it; filters (OC/32, taps, IC, 32).
"""

from numba import njit

from refnet.fast.kernels.finish import finish
from refnet.fast.kernels.multiply import multiply, multiply_apart, multiply_pixels, multiply_pixels_apart
from refnet.fast.kernels.register_block import PANEL, ROWS
from refnet.fast.kernels.step import CONSTANT_ROWS, places, share
from refnet.fast.lanes import WIDTH, load


@njit(nogil=True)
def direct(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y, and the second output if there is one, for the first `images` images.

    Strides across: 1 or 2. Bound: gamma(n) (|w| * |x|), n = min(IC, 64) + taps ceil(IC / 64) - 1. Measured with normal
    data: 4 u (|w| * |x|), u = 2**-24; tests allow 6 there.
    """
    channels, out_planes = step.channels, step.out_channels // WIDTH
    panels = (out_planes + 1) // 2
    panel_size = step.taps_down * step.taps_across * channels * PANEL
    first_panel, last_panel, first_row, last_row = _part(step, panels, images, rank, ranks)
    sums_at = step.private_at + rank * step.private_size
    blocks, groups = (step.width + ROWS - 1) // ROWS, channels // WIDTH
    for panel in range(first_panel, last_panel):
        for image_row in range(first_row, last_row):
            image, i = image_row // step.height, image_row % step.height
            done = 0
            for block in range(blocks):
                count = (step.width - done) // (blocks - block)
                b_at = step.weights_at + panel * panel_size
                accumulate = 0
                for u in range(step.taps_down):
                    x_row = step.x_at + image * step.x_image + (i * step.stride_down + u) * step.x_row
                    for v in range(step.taps_across):
                        x_at = x_row + (done * step.stride_across + v) * WIDTH
                        if step.stride_across == 1:
                            multiply(
                                count,
                                arena,
                                x_at,
                                groups,
                                step.x_plane,
                                weights,
                                b_at,
                                arena,
                                sums_at,
                                accumulate,
                                b_at + panel_size,
                            )
                        else:
                            multiply_apart(
                                count,
                                arena,
                                x_at,
                                groups,
                                step.x_plane,
                                weights,
                                b_at,
                                arena,
                                sums_at,
                                accumulate,
                                b_at + panel_size,
                            )
                        b_at += channels * PANEL
                        accumulate = 1
                _finish_pixels(step, weights, arena, sums_at, panel, image, i, done, count)
                done += count


@njit(nogil=True)
def direct_pixels(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Convolution 3x3 with stride 1 or 2 of images of up to four channels, (N, H, W, 4): one chain of 36 terms.

    Bound: gamma(9 IC) (|w| * |x|). Measured with normal data: 4 u (|w| * |x|); tests allow 6 there.
    """
    out_planes = step.out_channels // WIDTH
    panels = (out_planes + 1) // 2
    first_panel, last_panel, first_row, last_row = _part(step, panels, images, rank, ranks)
    sums_at = step.private_at + rank * step.private_size
    blocks = (step.width + ROWS - 1) // ROWS
    for image_row in range(first_row, last_row):
        image, i = image_row // step.height, image_row % step.height
        x_row = step.x_at + image * step.x_image + i * step.stride_down * step.x_row
        done = 0
        for block in range(blocks):
            count = (step.width - done) // (blocks - block)
            for panel in range(first_panel, last_panel):
                b_at = step.weights_at + panel * 36 * PANEL
                x_at = x_row + done * step.stride_across * 4
                if step.stride_across == 1:
                    multiply_pixels(count, arena, x_at, 3, step.x_row, weights, b_at, arena, sums_at)
                else:
                    multiply_pixels_apart(count, arena, x_at, 3, step.x_row, weights, b_at, arena, sums_at)
                _finish_pixels(step, weights, arena, sums_at, panel, image, i, done, count)
            done += count


@njit(nogil=True)
def _part(step, panels, images, rank, ranks):  # type: ignore[no-untyped-def]
    """What is a rank's: panels of output channels, and rows of all images."""
    rows = images * step.height
    if step.by_channel:
        first, last = share(panels, rank, ranks)
        return first, last, 0, rows
    first, last = share(rows, rank, ranks)
    return 0, panels, first, last


@njit(nogil=True)
def _finish_pixels(step, weights, arena, sums_at, panel, image, i, first, count):  # type: ignore[no-untyped-def]
    """Finish `count` pixels of output row i, 32 channels."""
    for plane in range(2 * panel, min(2 * panel + 2, step.out_channels // WIDTH)):
        half = plane % 2 * WIDTH
        constants_at = step.constants_at + panel * CONSTANT_ROWS * PANEL + half
        y_at, residual_at, second_at = places(step, image, plane, i, first)
        for j in range(count):
            at = j * WIDTH
            finish(
                load(arena, sums_at + j * PANEL + half),
                weights,
                constants_at,
                arena,
                y_at + at,
                residual_at + at if residual_at >= 0 else -1,
                second_at + at if second_at >= 0 else -1,
            )
