"""The one entrance to compiled code: walk a table of steps, with no Python in between."""

import enum

from numba import njit

from refnet.fast.kernel_cache import cached
from refnet.fast.kernels.add import add
from refnet.fast.kernels.dense import dense
from refnet.fast.kernels.depthwise import depthwise
from refnet.fast.kernels.direct import direct, direct_pixels
from refnet.fast.kernels.enlarge import enlarge
from refnet.fast.kernels.max_pool import max_pool
from refnet.fast.kernels.transfer import read_images, write_images
from refnet.fast.kernels.winograd import winograd3x3
from refnet.fast.meeting import wait_for_all


class Kernel(enum.IntEnum):
    """What a step's `kernel` means."""

    READ_IMAGES = 0
    WRITE_IMAGES = 1
    WINOGRAD_3X3 = 2
    DIRECT = 3
    DIRECT_PIXELS = 4
    DEPTHWISE = 5
    DENSE = 6
    MAX_POOL = 7
    ENLARGE = 8
    ADD = 9


_READ, _WRITE, _WINOGRAD, _DIRECT, _PIXELS, _DEPTHWISE, _MAX_POOL, _ENLARGE, _ADD = (
    int(kernel)
    for kernel in (
        Kernel.READ_IMAGES,
        Kernel.WRITE_IMAGES,
        Kernel.WINOGRAD_3X3,
        Kernel.DIRECT,
        Kernel.DIRECT_PIXELS,
        Kernel.DEPTHWISE,
        Kernel.MAX_POOL,
        Kernel.ENLARGE,
        Kernel.ADD,
    )
)


@cached
@njit(nogil=True)
def drive(steps, segments, current, weights, arena, images, rank, ranks, meeting):  # type: ignore[no-untyped-def]
    """Run all steps on `images` images; every rank of a team calls it.

    Parameters
    ----------
    steps : STEP array
    segments : (S, 3) int64
        First step, last step, and how many images go through these steps together.
    current : (ranks,) STEP array
        Scratch: the step at hand, moved to the images at hand.
    weights, arena : float32 arrays
    meeting : int64 array
    """
    for s in range(segments.shape[0]):
        group = segments[s, 2]
        for first in range(0, images, group):
            count = min(group, images - first)
            for n in range(segments[s, 0], segments[s, 1]):
                current[rank] = steps[n]
                step = current[rank]
                step.x_at += step.x_whole * first * step.x_image
                step.y_at += step.y_whole * first * step.y_image
                step.residual_at += step.residual_whole * first * step.residual_image
                step.second_at += step.second_whole * first * step.second_image
                if step.kernel == _WINOGRAD:
                    winograd3x3(step, weights, arena, count, rank, ranks)
                elif step.kernel == _DIRECT:
                    direct(step, weights, arena, count, rank, ranks)
                elif step.kernel == _PIXELS:
                    direct_pixels(step, weights, arena, count, rank, ranks)
                elif step.kernel == _DEPTHWISE:
                    depthwise(step, weights, arena, count, rank, ranks)
                elif step.kernel == _READ:
                    read_images(step, weights, arena, count, rank, ranks)
                elif step.kernel == _WRITE:
                    write_images(step, arena, count, rank, ranks)
                elif step.kernel == _MAX_POOL:
                    max_pool(step, arena, count, rank, ranks)
                elif step.kernel == _ENLARGE:
                    enlarge(step, arena, count, rank, ranks)
                elif step.kernel == _ADD:
                    add(step, arena, count, rank, ranks)
                else:
                    dense(step, weights, arena, count, rank, ranks, meeting)
                wait_for_all(meeting, ranks)
