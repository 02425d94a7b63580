"""Mean along axes: ONNX ReduceMean, opset 1 to 18, axes as an attribute."""

import math

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import beside_axes
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Known, Operator
from refnet.ops.reduction import in_order, reduced_axes
from refnet.ops.reduction import output_shape as reduced_shape


def reduce_mean(x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Take the mean over the axes, or over all if none is named; the mean of integers is truncated to an integer.

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
    along, keep = reduced_axes(axes, x.ndim), bool(keepdims)
    if x.dtype.kind != "i":
        return np.asarray(in_order(x).mean(axis=along, keepdims=keep))
    count = math.prod(x.shape[axis] for axis in along)
    whole, rest = np.divmod(x.astype(np.int64), count)  # sums of these do not overflow
    carried, rest = np.divmod(rest.sum(axis=along, keepdims=keep), count)
    below = whole.sum(axis=along, keepdims=keep) + carried
    return np.asarray(below + ((below < 0) & (rest != 0)), dtype=x.dtype)


def output_shape(x: Known, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Shape:
    """As every reduction's; refuses a mean over no elements."""
    shape = reduced_shape(x, axes=axes, keepdims=keepdims)
    if 0 in (x.shape[axis] for axis in reduced_axes(axes, len(x.shape))):
        raise ShapeError(f"x has shape {x.shape}; a mean over no elements is undefined")
    return shape


def flops(_: Shape, x: Known, **__: object) -> int:
    """One for every element: additions and one division."""
    return math.prod(x.shape)


def vjp(wrt: int, dy: Array, x: Array, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Array:
    """Gradient: dx = dy / how many elements were averaged, at each of them."""
    reduced = reduced_axes(axes, x.ndim)
    kept = dy.reshape(output_shape(Known(x.shape), axes=axes))
    return np.broadcast_to(kept / math.prod(x.shape[axis] for axis in reduced), x.shape)


REDUCE_MEAN = Operator(
    "ReduceMean",
    reduce_mean,
    output_shape,
    flops,
    (1, 1),
    {"axes": (), "keepdims": 1},
    output_dtype=alike(*NUMBERS),
    vjp=vjp,
    batch_axis=beside_axes,
)
