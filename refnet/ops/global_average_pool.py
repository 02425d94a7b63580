"""Mean over each whole image: ONNX GlobalAveragePool, opset 1 to 22."""

import math

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import first_axis
from refnet.ops.operator import Known, Operator
from refnet.ops.reduction import in_order


def global_average_pool(x: Array) -> Array:
    """Take the mean of every channel over all its pixels: y[n,c,0,0] = sum_hw x[n,c,h,w] / (H*W).

    Parameters
    ----------
    x : (N, C, H, W)

    Returns
    -------
    (N, C, 1, 1)

    Examples
    --------
    >>> global_average_pool(np.arange(4.0).reshape(1, 1, 2, 2))
    array([[[[1.5]]]])
    """
    y: Array = in_order(x).mean(axis=(2, 3), keepdims=True)
    return y


def output_shape(x: Known) -> Shape:
    """(N, C, 1, 1)."""
    if len(x.shape) != 4:
        raise ShapeError(f"x has shape {x.shape}; expected (N, C, H, W)")
    if 0 in x.shape[2:]:
        raise ShapeError(f"x has shape {x.shape}; expected at least one pixel to take the mean of")
    return *x.shape[:2], 1, 1


def flops(_: Shape, x: Known) -> int:
    """One for every pixel: additions and one division."""
    return math.prod(x.shape)


def vjp(wrt: int, dy: Array, x: Array) -> Array:
    """Gradient: dx = dy / (H*W), at every pixel."""
    return np.broadcast_to(dy / math.prod(x.shape[2:]), x.shape)


GLOBAL_AVERAGE_POOL = Operator(
    "GlobalAveragePool", global_average_pool, output_shape, flops, (1, 1), vjp=vjp, batch_axis=first_axis
)
