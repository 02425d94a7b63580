"""Fully connected layer: y = x weight^T + bias, for all images of a run together.

K terms in chains of 64, see `multiply`: one chain of 25,088 would lose an order of magnitude of accuracy.

Layout: an activation (N, C/16, H, W, 16) without border, read as (N, K/16, 16) in this order; filters (OC/32, K, 32)
likewise; y (N, OC) row-major.
"""

from numba import njit

from refnet.fast.kernels.finish import finish
from refnet.fast.kernels.multiply import multiply
from refnet.fast.kernels.register_block import CHAIN, PANEL
from refnet.fast.kernels.step import CONSTANT_ROWS, share
from refnet.fast.lanes import WIDTH, load, store
from refnet.fast.meeting import wait_for_all


@njit(nogil=True)
def dense(step, weights, arena, images, rank, ranks, meeting):  # type: ignore[no-untyped-def]
    """Overwrite y for the first `images` images.

    Bound of the sum: gamma(n) (|w| * |x|), n = min(K, 64) + ceil(K / 64) - 1. With normal data tests allow
    6 u (|w| * |x|), u = 2**-24.
    """
    terms, out_planes = step.channels, step.out_channels // WIDTH
    panels = (out_planes + 1) // 2
    sums_at = step.private_at + rank * step.private_size

    # Rows of the product lie 16 values apart: image beside image.
    group_step = images * WIDTH
    first, last = share(terms // WIDTH, rank, ranks)
    for group in range(first, last):
        for image in range(images):
            values = load(arena, step.x_at + image * step.x_image + group * WIDTH)
            store(arena, step.shared_at + group * group_step + image * WIDTH, values)
    wait_for_all(meeting, ranks)

    first, last = share(panels, rank, ranks)
    for panel in range(first, last):
        b_at = step.weights_at + panel * terms * PANEL
        ahead = b_at + 2 * CHAIN * PANEL
        multiply(images, arena, step.shared_at, terms // WIDTH, group_step, weights, b_at, arena, sums_at, 0, ahead)
        for plane in range(2 * panel, min(2 * panel + 2, out_planes)):
            half = plane % 2 * WIDTH
            constants_at = step.constants_at + panel * CONSTANT_ROWS * PANEL + half
            for image in range(images):
                total = load(arena, sums_at + image * PANEL + half)
                y_at = step.y_at + image * step.y_image + plane * WIDTH
                finish(total, weights, constants_at, arena, y_at, -1, -1)
