"""Every pixel repeated down and across: `refnet.ops.resize` by whole factors, nearest, asymmetric, floor.

Layout: activations (N, C/16, H, W, 16).
"""

from numba import njit

from refnet.fast.kernels.step import places, share
from refnet.fast.lanes import WIDTH, load, store


@njit(nogil=True)
def enlarge(step, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y for the first `images` images; `stride_down` and `stride_across` are the factors. A copy: exact."""
    planes = step.channels // WIDTH
    first, last = share(images * planes * step.height, rank, ranks)
    for row in range(first, last):
        image, plane, i = row // step.height // planes, row // step.height % planes, row % step.height
        x_row = step.x_at + image * step.x_image + plane * step.x_plane + i // step.stride_down * step.x_row
        y_at, _, _ = places(step, image, plane, i, 0)
        for j in range(step.width):
            store(arena, y_at + j * WIDTH, load(arena, x_row + j // step.stride_across * WIDTH))
