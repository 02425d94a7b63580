"""Arrays end to end: ONNX Concat, opset 4 to 13."""

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import Tracked, aligned
from refnet.ops.costs import free
from refnet.ops.dtypes import alike
from refnet.ops.operator import ANY_NUMBER, REQUIRED, Known, Operator
from refnet.ops.shapes import axis_index


def concat(*arrays: Array, axis: int) -> Array:
    """Join arrays along an existing axis, in the order given.

    Examples
    --------
    >>> concat(np.array([1]), np.array([512]), axis=0)
    array([  1, 512])
    """
    return np.concatenate(arrays, axis=axis)


def output_shape(*arrays: Known, axis: int) -> Shape:
    """The common shape with the extents along the axis added; refuses shapes that differ elsewhere."""
    shapes = [array.shape for array in arrays]
    along = axis_index(axis, len(shapes[0]))
    if len({(*shape[:along], *shape[along + 1 :], len(shape)) for shape in shapes}) != 1:
        raise ShapeError(
            f"shapes {', '.join(map(str, shapes))} differ beside axis {axis}; expected only that to differ"
        )
    return *shapes[0][:along], sum(shape[along] for shape in shapes), *shapes[0][along + 1 :]


def vjp(wrt: int, dy: Array, *arrays: Array, axis: int) -> Array:
    """The part of dy that the array became."""
    extents = [array.shape[axis] for array in arrays]
    along = [slice(None)] * dy.ndim
    along[axis] = slice(sum(extents[:wrt]), sum(extents[: wrt + 1]))
    return dy[tuple(along)]


def batch_axis(y: Known, *arrays: Tracked, axis: int) -> int | None:
    """That of the arrays, if it is not the one they are joined along."""
    found = aligned(y, *arrays)
    return None if found == axis_index(axis, len(y.shape)) else found


CONCAT = Operator(
    "Concat",
    concat,
    output_shape,
    free,
    (1, ANY_NUMBER),
    {"axis": REQUIRED},
    output_dtype=alike(),
    vjp=vjp,
    batch_axis=batch_axis,
)
