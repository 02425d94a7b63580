"""Two axes from many: ONNX Flatten, opset 1 to 25."""

import math

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import same_order
from refnet.ops.costs import free
from refnet.ops.cotangents import reshaped
from refnet.ops.dtypes import alike
from refnet.ops.operator import Known, Operator


def flatten(x: Array, *, axis: int = 1) -> Array:
    """Lay x out as a matrix: axes before `axis` become its rows, the others its columns, in C order.

    Parameters
    ----------
    x : any shape
    axis : int
        From -rank to rank; 0 gives a single row.

    Returns
    -------
    (product of the extents before axis, product of the others)

    Examples
    --------
    >>> flatten(np.zeros((2, 3, 7, 7))).shape
    (2, 147)
    """
    return x.reshape(output_shape(Known(x.shape), axis=axis))


def output_shape(x: Known, *, axis: int = 1) -> Shape:
    """(rows, columns); refuses an axis that x has not."""
    rank = len(x.shape)
    if not -rank <= axis <= rank:
        raise ShapeError(f"axis = {axis}; expected {-rank} to {rank} for {rank} axes")
    start = axis + rank if axis < 0 else axis
    return math.prod(x.shape[:start]), math.prod(x.shape[start:])


FLATTEN = Operator(
    "Flatten",
    flatten,
    output_shape,
    free,
    (1, 1),
    {"axis": 1},
    output_dtype=alike(),
    vjp=reshaped,
    batch_axis=same_order,
)
