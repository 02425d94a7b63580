"""The sum of two activations: `refnet.ops.add`, where no convolution takes it along.

Layout: activations (N, C/16, H, W, 16).
"""

from numba import njit

from refnet.fast.kernels.step import places, share
from refnet.fast.lanes import WIDTH, fma, load, splat, store


@njit(nogil=True)
def add(step, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y with x + residual for the first `images` images; one rounding."""
    planes = step.channels // WIDTH
    one = splat(1.0)
    first, last = share(images * planes * step.height, rank, ranks)
    for row in range(first, last):
        image, plane, i = row // step.height // planes, row // step.height % planes, row % step.height
        x_at = step.x_at + image * step.x_image + plane * step.x_plane + i * step.x_row
        y_at, residual_at, _ = places(step, image, plane, i, 0)
        for j in range(0, step.width * WIDTH, WIDTH):
            store(arena, y_at + j, fma(load(arena, x_at + j), one, load(arena, residual_at + j)))
