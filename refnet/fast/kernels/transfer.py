"""Between arrays as the world lays them, (N, C, H, W), and as the kernels do.

Kernels read (N, C/16, H, W, 16), channels filled up with zeros, or (N, H, W, 4) for images of up to four channels.
"""

from numba import njit

from refnet.fast.kernels.step import share
from refnet.fast.lanes import WIDTH


@njit(nogil=True)
def read_images(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Y = scale * x + shift, each rounded: from (N, C, H, W) to a layout of kernels.

    Constants are (2, C): scale, shift. `step.stride_across` says how many channels lie side by side, 4 or 16.
    """
    channels, side_by_side = step.channels, step.stride_across
    first, last = share(images * step.height, rank, ranks)
    for image_row in range(first, last):
        image, i = image_row // step.height, image_row % step.height
        for c in range(channels):
            scale, shift = weights[step.constants_at + c], weights[step.constants_at + channels + c]
            to = step.y_at + image * step.y_image + c // side_by_side * step.y_plane + i * step.y_row
            at = step.x_at + image * step.x_image + c * step.x_plane + i * step.x_row
            for j in range(step.width):
                arena[to + j * side_by_side + c % side_by_side] = scale * arena[at + j] + shift


@njit(nogil=True)
def write_images(step, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Y = x: from the layout of kernels to (N, C, H, W)."""
    first, last = share(images * step.channels, rank, ranks)
    for image_channel in range(first, last):
        image, c = image_channel // step.channels, image_channel % step.channels
        for i in range(step.height):
            at = step.x_at + image * step.x_image + c // WIDTH * step.x_plane + i * step.x_row + c % WIDTH
            to = step.y_at + image * step.y_image + c * step.y_plane + i * step.y_row
            for j in range(step.width):
                arena[to + j] = arena[at + j * WIDTH]
