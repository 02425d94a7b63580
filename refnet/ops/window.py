"""Windows that slide over an image: what convolution and pooling share."""

from collections.abc import Iterator

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array

Pair = tuple[int, int]
Quad = tuple[int, int, int, int]


def output_extents(
    image: Pair, kernel: Pair, *, stride: Pair, padding: Quad, dilation: Pair = (1, 1), ceil_mode: int = 0
) -> Pair:
    """How many windows fit down and across the padded image.

    OH = (H + top + bottom - dilation*(KH - 1) - 1) / stride + 1, rounded down; with ceil_mode = 1 rounded up, but
    a window that would start beyond the image and its top padding is left out (ONNX pooling, opset 19).
    """
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise UnsupportedModelError(
            f"kernel = {kernel}, stride = {stride}, dilation = {dilation}, padding = {padding}; "
            "refnet implements kernels, strides and dilations of at least 1 and paddings of at least 0"
        )
    if ceil_mode not in (0, 1):
        raise UnsupportedModelError(f"ceil_mode = {ceil_mode}; refnet implements 0 and 1")
    if min(image) < 1:
        raise ShapeError(f"the image is {image[0]} x {image[1]} pixels; expected at least one each way")
    extents = []
    for axis in (0, 1):
        before, after = padding[axis], padding[axis + 2]
        room = image[axis] + before + after - dilation[axis] * (kernel[axis] - 1) - 1
        if room < 0:
            raise ShapeError(
                f"a window of {kernel} with dilation {dilation} does not fit an image of {image} with padding {padding}"
            )
        count = room // stride[axis] + 1
        if ceil_mode and room % stride[axis] and count * stride[axis] < image[axis] + before:
            count += 1
        extents.append(count)
    return extents[0], extents[1]


def taps(
    padded: Array, kernel: Pair, *, stride: Pair, dilation: Pair, output: Pair
) -> Iterator[tuple[int, int, Array]]:
    """For every tap (u, v) of the window, the (..., OH, OW) view of what it sees at each place of the window."""
    oh, ow = output
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            i, j = u * dilation[0], v * dilation[1]
            yield (
                u,
                v,
                padded[..., i : i + stride[0] * (oh - 1) + 1 : stride[0], j : j + stride[1] * (ow - 1) + 1 : stride[1]],
            )


def pad_to_fit(
    x: Array, kernel: Pair, *, stride: Pair, padding: Quad, dilation: Pair, output: Pair, outside: float
) -> Array:
    """Surround the image by its padding, and by what the last windows overhang, filled with `outside`."""
    widths = []
    for axis in (0, 1):
        extent = x.shape[axis - 2]
        needed = stride[axis] * (output[axis] - 1) + dilation[axis] * (kernel[axis] - 1) + 1
        widths.append((padding[axis], max(padding[axis + 2], needed - extent - padding[axis])))
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + widths, constant_values=outside)
