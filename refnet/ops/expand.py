"""Broadcasting made explicit: ONNX Expand, opset 8 to 13."""

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import IMAGES, Tracked, aligned
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient, summed_to
from refnet.ops.dtypes import indexed
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import broadcast, integers


def expand(x: Array, shape: Array) -> Array:
    """Stretch x to what x and an array of that shape broadcast to. A read-only view, not a copy.

    Parameters
    ----------
    x : any shape
    shape : (rank,) integers
        An extent of 1 leaves that of x as it is.

    Examples
    --------
    >>> expand(np.array([[1.0], [2.0]]), np.array([2, 3]))
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """
    return np.broadcast_to(x, output_shape(Known(x.shape), Known(shape.shape, shape)))


def output_shape(x: Known, shape: Known) -> Shape:
    """The shape both broadcast to."""
    return broadcast(x, Known(integers("shape", shape)))


def vjp(wrt: int, dy: Array, x: Array, shape: Array) -> Array:
    """Gradient: dx = dy, summed over what was stretched; none for the shape."""
    if wrt != 0:
        raise no_gradient("the shape")
    return summed_to(dy, x.shape)


def batch_axis(y: Known, x: Tracked, shape: Tracked) -> int | None:
    """That of x; of a constant that is repeated for every image, the axis of as many."""
    if shape.axis is not None:
        return None
    if x.fixed:
        return y.shape.index(IMAGES) if shape.counted and y.shape.count(IMAGES) == 1 else None
    return aligned(y, x)


EXPAND = Operator("Expand", expand, output_shape, free, (2, 2), output_dtype=indexed(), vjp=vjp, batch_axis=batch_axis)
