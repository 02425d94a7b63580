"""Euclidean length along axes: ONNX ReduceL2, opset 1 to 18, axes as an attribute."""

import math

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import beside_axes
from refnet.ops.operator import Known, Operator
from refnet.ops.reduction import in_order, output_shape, reduced_axes


def reduce_l2(x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Take the square root of the sum of squares: y = sqrt(sum x**2) over the axes, or over all if none is named.

    Parameters
    ----------
    x : any shape
    axes : tuple of int
    keepdims : 0 or 1
        1 leaves the axes in place with an extent of 1.

    Examples
    --------
    >>> reduce_l2(np.array([[3.0, 4.0]]), axes=(1,))
    array([[5.]])
    """
    y = np.sqrt(np.square(in_order(x)).sum(axis=reduced_axes(axes, x.ndim), keepdims=bool(keepdims)))
    return np.asarray(y)


def flops(_: Shape, x: Known, **__: object) -> int:
    """Two for every element: squares, additions and the roots."""
    return 2 * math.prod(x.shape)


def vjp(wrt: int, dy: Array, x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Gradient: dx = dy * x / y; 0 where y is 0, the tip of the cone, which has no slope."""
    y = reduce_l2(x, axes=axes)
    dx: Array = dy.reshape(y.shape) * x / np.where(y == 0, 1, y)
    return dx


REDUCE_L2 = Operator(
    "ReduceL2", reduce_l2, output_shape, flops, (1, 1), {"axes": (), "keepdims": 1}, vjp=vjp, batch_axis=beside_axes
)
