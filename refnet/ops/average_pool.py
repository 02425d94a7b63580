"""Mean of a window: ONNX AveragePool, opset 7 to 22, two spatial axes, no dilation.

``auto_pad`` is resolved where the file is read.
"""

import math

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import first_axis
from refnet.ops.operator import REQUIRED, Known, Operator
from refnet.ops.window import Pair, Quad, output_extents, pad_to_fit, taps


def average_pool(
    x: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Array:
    """Take the mean of the elements under each place of a window.

    y[n,c,i,j] = sum_uv x[n, c, i*stride + u - top, j*stride + v - left] / count[i,j],  with x = 0 outside the
    image, where count is how many elements of the image lie under the window; with count_include_pad = 1, how many
    elements of the image and its padding. What overhangs by ceil_mode is never counted (ONNX opset 19).

    Parameters
    ----------
    x : (N, C, H, W)
    kernel, stride : (int, int)
        Down and across, in pixels.
    padding : (top, left, bottom, right)
        In pixels; less than the window.
    ceil_mode, count_include_pad : 0 or 1

    Returns
    -------
    (N, C, OH, OW), with OH as `window.output_extents` says.

    Examples
    --------
    >>> average_pool(np.ones((1, 1, 2, 2)), kernel=(2, 2), padding=(1, 1, 0, 0), count_include_pad=1)[0, 0]
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]])
    """
    output = output_extents(x.shape[2:], kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    padded = pad_to_fit(x, kernel, stride=stride, padding=padding, dilation=(1, 1), output=output, outside=0.0)
    sums = _window_sums(padded, kernel, stride, output)
    return sums / _counts(x, kernel, stride, padding, output, count_include_pad)


def output_shape(
    x: Known,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Shape:
    """(N, C, OH, OW); refuses a padding as large as the window."""
    if len(x.shape) != 4:
        raise ShapeError(f"x has shape {x.shape}; expected (N, C, H, W)")
    if count_include_pad not in (0, 1):
        raise UnsupportedModelError(f"count_include_pad = {count_include_pad}; refnet implements 0 and 1")
    extents = output_extents(x.shape[2:], kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    if any(pad >= kernel[side % 2] for side, pad in enumerate(padding)):
        raise ShapeError(f"padding = {padding}; expected less than the window {kernel}")
    return *x.shape[:2], *extents


def vjp(
    wrt: int,
    dy: Array,
    x: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Array:
    """Share dy / count out among the elements under its window."""
    h, w = x.shape[2:]
    output = (dy.shape[2], dy.shape[3])
    share = dy / _counts(x, kernel, stride, padding, output, count_include_pad)
    empty = np.zeros(x.shape, dtype=dy.dtype)
    padded = pad_to_fit(empty, kernel, stride=stride, padding=padding, dilation=(1, 1), output=output, outside=0.0)
    for _, _, seen in taps(padded, kernel, stride=stride, dilation=(1, 1), output=output):
        seen += share
    return padded[..., padding[0] : padding[0] + h, padding[1] : padding[1] + w]


def flops(output: Shape, _x: Known, *, kernel: Pair, **_: object) -> int:
    """One for every element a window sees: additions and one division."""
    return math.prod(kernel) * math.prod(output)


def _window_sums(padded: Array, kernel: Pair, stride: Pair, output: Pair) -> Array:
    """What lies under each place of the window, added up."""
    sums = np.zeros((*padded.shape[:-2], *output), dtype=padded.dtype)
    for _, _, seen in taps(padded, kernel, stride=stride, dilation=(1, 1), output=output):
        sums += seen
    return sums


def _counts(x: Array, kernel: Pair, stride: Pair, padding: Quad, output: Pair, count_include_pad: int) -> Array:
    """How many elements each place of the window divides by."""
    top, left, bottom, right = padding
    inside = np.ones(x.shape[2:], dtype=x.dtype)
    counted = np.pad(inside, ((top, bottom), (left, right)), constant_values=count_include_pad)
    nothing = (0, 0, 0, 0)
    padded = pad_to_fit(counted, kernel, stride=stride, padding=nothing, dilation=(1, 1), output=output, outside=0.0)
    return _window_sums(padded, kernel, stride, output)


AVERAGE_POOL = Operator(
    "AveragePool",
    average_pool,
    output_shape,
    flops,
    (1, 1),
    {"kernel": REQUIRED, "stride": (1, 1), "padding": (0, 0, 0, 0), "ceil_mode": 0, "count_include_pad": 0},
    vjp=vjp,
    batch_axis=first_axis,
)
