"""Mean along axes: ONNX ReduceMean, opset 1 to 18, axes as an attribute."""

import math

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import beside_axes
from refnet.ops.operator import Known, Operator
from refnet.ops.reduction import output_shape, reduced_axes


def reduce_mean(x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Take the mean over the axes, or over all if none is named.

    Parameters
    ----------
    x : any shape
    axes : tuple of int
    keepdims : 0 or 1
        1 leaves the axes in place with an extent of 1.

    Examples
    --------
    >>> reduce_mean(np.array([[1.0, 2.0], [3.0, 6.0]]), axes=(0,), keepdims=0)
    array([2., 4.])
    """
    return np.asarray(x.mean(axis=reduced_axes(axes, x.ndim), keepdims=bool(keepdims)))


def flops(_: Shape, x: Known, **__: object) -> int:
    """One for every element: additions and one division."""
    return math.prod(x.shape)


def vjp(wrt: int, dy: Array, x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Gradient: dx = dy / how many elements were averaged, at each of them."""
    reduced = reduced_axes(axes, x.ndim)
    kept = dy.reshape(output_shape(Known(x.shape), axes=axes))
    return np.broadcast_to(kept / math.prod(x.shape[axis] for axis in reduced), x.shape)


REDUCE_MEAN = Operator(
    "ReduceMean", reduce_mean, output_shape, flops, (1, 1), {"axes": (), "keepdims": 1}, vjp=vjp, batch_axis=beside_axes
)
