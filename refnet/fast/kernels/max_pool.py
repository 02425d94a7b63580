"""The largest value under a window, of any size and stride, without padding: `refnet.ops.max_pool`, to the bit.

Layout: activations (N, C/16, H, W, 16).
"""

from numba import njit

from refnet.fast.kernels.step import places, share
from refnet.fast.lanes import WIDTH, largest, load, store


@njit(nogil=True)
def max_pool(step, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y for the first `images` images. Exact; NaN under a window is NaN."""
    planes = step.channels // WIDTH
    first, last = share(images * planes * step.height, rank, ranks)
    for row in range(first, last):
        image, plane, i = row // step.height // planes, row // step.height % planes, row % step.height
        x_row = step.x_at + image * step.x_image + plane * step.x_plane + i * step.stride_down * step.x_row
        y_at, _, _ = places(step, image, plane, i, 0)
        for j in range(step.width):
            x_at = x_row + j * step.stride_across * WIDTH
            best = load(arena, x_at)
            for u in range(step.taps_down):
                for v in range(step.taps_across):
                    best = largest(best, load(arena, x_at + u * step.x_row + v * WIDTH))
            store(arena, y_at + j * WIDTH, best)
