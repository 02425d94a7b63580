"""Slices picked by number: ONNX Gather, opset 1 to 13."""

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import Tracked
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient, put_back
from refnet.ops.dtypes import indexed
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import axis_index


def gather(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """Pick slices of x along an axis; -1 is the last.

    Parameters
    ----------
    x : (..., extent of the axis, ...)
    indices : any shape, integers

    Returns
    -------
    The shape of x with the extent of the axis replaced by the shape of indices.

    Raises
    ------
    ShapeError
        If an index lies outside the axis.

    Examples
    --------
    >>> gather(np.array([1, 512, 7, 7]), np.array(0))
    array(1)
    """
    _refuse_outside(indices, x.shape[axis])
    return np.asarray(np.take(x, indices, axis=axis))


def output_shape(x: Known, indices: Known, *, axis: int = 0) -> Shape:
    """As `gather` says; refuses an index that the axis has not, where indices are known."""
    along = axis_index(axis, len(x.shape))
    extent = x.shape[along]
    if indices.value is not None:
        if indices.value.dtype.kind != "i":
            raise ShapeError(f"indices have dtype {indices.value.dtype}; expected integers")
        _refuse_outside(indices.value, extent)
    return *x.shape[:along], *indices.shape, *x.shape[along + 1 :]


def _refuse_outside(indices: Array, extent: int) -> None:
    """Refuse an index that an axis of this extent has not."""
    if ((indices < -extent) | (indices >= extent)).any():
        raise ShapeError(f"indices reach outside an axis of {extent}; expected {-extent} to {extent - 1}")


def vjp(wrt: int, dy: Array, x: Array, indices: Array, *, axis: int = 0) -> Array:
    """Add every slice of dy to the slice of x it was picked from; none for the indices."""
    if wrt != 0:
        raise no_gradient("the indices")
    along = axis % x.ndim
    return put_back(dy, x.shape[along], indices, along)


def batch_axis(_: Known, x: Tracked, indices: Tracked, *, axis: int = 0) -> int | None:
    """That of x or of the indices, if the other is the same for all images and x is not picked from along its own."""
    along = axis_index(axis, len(x.known.shape))
    if x.axis is None:
        return along + indices.axis if x.fixed and indices.axis is not None else None
    if x.axis == along or not indices.fixed:
        return None
    return x.axis if x.axis < along else x.axis + len(indices.known.shape) - 1


GATHER = Operator(
    "Gather", gather, output_shape, free, (2, 2), {"axis": 0}, output_dtype=indexed(), vjp=vjp, batch_axis=batch_axis
)
