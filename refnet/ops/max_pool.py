"""Largest of a window: ONNX MaxPool, opset 1 to 22, two spatial axes.

Does not return the indices of the largest. ``auto_pad`` is resolved where the file is read.
"""

import math

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import first_axis
from refnet.ops.operator import REQUIRED, Known, Operator
from refnet.ops.window import Pair, Quad, output_extents, pad_to_fit, taps


def max_pool(
    x: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: int = 0,
) -> Array:
    """Take the largest element under each place of a window; what lies outside the image never is.

    y[n,c,i,j] = max_uv x[n, c, i*stride + u*dilation - top, j*stride + v*dilation - left]

    Parameters
    ----------
    x : (N, C, H, W)
    kernel, stride, dilation : (int, int)
        Down and across, in pixels.
    padding : (top, left, bottom, right)
        In pixels; less than the window reaches.
    ceil_mode : 0 or 1
        1 keeps a last window that overhangs the bottom or right edge.

    Returns
    -------
    (N, C, OH, OW), with OH as `window.output_extents` says.

    Examples
    --------
    >>> max_pool(np.arange(16.0).reshape(1, 1, 4, 4), kernel=(2, 2), stride=(2, 2))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    oh, ow = output_extents(x.shape[2:], kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    padded = pad_to_fit(x, kernel, stride=stride, padding=padding, dilation=dilation, output=(oh, ow), outside=-np.inf)
    y = np.full((*x.shape[:2], oh, ow), -np.inf, dtype=x.dtype)
    for _, _, seen in taps(padded, kernel, stride=stride, dilation=dilation, output=(oh, ow)):
        np.maximum(y, seen, out=y)
    return y


def output_shape(
    x: Known,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: int = 0,
) -> Shape:
    """(N, C, OH, OW); refuses a padding as large as the window, and a window that sees no pixel at all."""
    if len(x.shape) != 4:
        raise ShapeError(f"x has shape {x.shape}; expected (N, C, H, W)")
    extents = output_extents(
        x.shape[2:], kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(pad >= reach[side % 2] for side, pad in enumerate(padding)):
        raise ShapeError(f"padding = {padding}; expected less than the window's reach {reach}")
    for axis in (0, 1):
        starts = np.arange(extents[axis])[:, np.newaxis] * stride[axis] - padding[axis]
        seen = starts + np.arange(kernel[axis]) * dilation[axis]
        if not ((seen >= 0) & (seen < x.shape[2 + axis])).any(axis=1).all():
            raise ShapeError(
                f"a window of {kernel} with dilation {dilation} sees no pixel of an image of {x.shape[2:]} at one of its places; "
                "a largest of nothing is undefined"
            )
    return *x.shape[:2], *extents


def flops(output: Shape, _x: Known, *, kernel: Pair, **_: object) -> int:
    """One for every element a window sees."""
    return math.prod(kernel) * math.prod(output)


def vjp(
    wrt: int,
    dy: Array,
    x: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: int = 0,
) -> Array:
    """Gradient: dy goes to the largest element of its window; of several, to the first, row by row."""
    h, w = x.shape[2:]
    oh, ow = dy.shape[2:]
    y = max_pool(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    padded = pad_to_fit(x, kernel, stride=stride, padding=padding, dilation=dilation, output=(oh, ow), outside=-np.inf)
    gradient = np.zeros(padded.shape, dtype=dy.dtype)
    windows = {"stride": stride, "dilation": dilation, "output": (oh, ow)}
    waiting = np.ones(dy.shape, dtype=bool)
    for (_, _, seen), (_, _, back) in zip(
        taps(padded, kernel, **windows), taps(gradient, kernel, **windows), strict=True
    ):
        here = waiting & (seen == y)
        back += np.where(here, dy, 0)
        waiting &= ~here
    return gradient[..., padding[0] : padding[0] + h, padding[1] : padding[1] + w]


MAX_POOL = Operator(
    "MaxPool",
    max_pool,
    output_shape,
    flops,
    (1, 1),
    {"kernel": REQUIRED, "stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": 0},
    vjp=vjp,
    batch_axis=first_axis,
)
