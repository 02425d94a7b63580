"""The same elements in another shape: ONNX Reshape, opset 5 to 25."""

import math

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import same_order
from refnet.ops.costs import free
from refnet.ops.cotangents import reshaped
from refnet.ops.dtypes import indexed
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import integers


def reshape(x: Array, shape: Array, *, allow_zero: int = 0) -> Array:
    """Lay the elements of x, in C order, out in another shape.

    Parameters
    ----------
    x : any shape
    shape : (rank of the result,) integers
        -1, at most once, stands for what is left over. 0 keeps the extent of x at that place, unless
        allow_zero = 1, when it means an extent of 0.
    allow_zero : 0 or 1

    Examples
    --------
    >>> reshape(np.zeros((2, 512, 1, 1)), np.array([0, -1])).shape
    (2, 512)
    """
    return x.reshape(output_shape(Known(x.shape), Known(shape.shape, shape), allow_zero=allow_zero))


def output_shape(x: Known, shape: Known, *, allow_zero: int = 0) -> Shape:
    """The asked shape with 0 and -1 filled in; refuses one that holds another number of elements."""
    if allow_zero not in (0, 1):
        raise UnsupportedModelError(f"allow_zero = {allow_zero}; refnet implements 0 and 1")
    asked = integers("shape", shape)
    complaint = f"{math.prod(x.shape)} elements of shape {x.shape} do not fit the shape {asked}"
    if any(extent < -1 for extent in asked) or asked.count(-1) > 1:
        raise ShapeError(f"shape = {asked}; expected extents, at most one of them -1")
    extents = list(asked)
    if not allow_zero:
        for axis, extent in enumerate(asked):
            if extent == 0:
                if axis >= len(x.shape):
                    raise ShapeError(f"{complaint}: 0 keeps an extent, and there is no axis {axis} to keep")
                extents[axis] = x.shape[axis]
    if -1 in extents:
        others = math.prod(extent for extent in extents if extent != -1)
        if others == 0 or math.prod(x.shape) % others:
            raise ShapeError(complaint)
        extents[extents.index(-1)] = math.prod(x.shape) // others
    if math.prod(extents) != math.prod(x.shape):
        raise ShapeError(complaint)
    return tuple(extents)


RESHAPE = Operator(
    "Reshape",
    reshape,
    output_shape,
    free,
    (2, 2),
    {"allow_zero": 0},
    output_dtype=indexed(),
    vjp=reshaped,
    batch_axis=same_order,
)
