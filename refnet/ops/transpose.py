"""Axes in another order: ONNX Transpose, opset 1 to 25."""

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import Tracked
from refnet.ops.costs import free
from refnet.ops.dtypes import alike
from refnet.ops.operator import REQUIRED, Known, Operator


def transpose(x: Array, *, perm: tuple[int, ...]) -> Array:
    """Reorder the axes: axis i of the result is axis perm[i] of x. A view, not a copy.

    Examples
    --------
    >>> transpose(np.zeros((1, 3, 5, 7)), perm=(0, 2, 3, 1)).shape
    (1, 5, 7, 3)
    """
    return x.transpose(perm)


def output_shape(x: Known, *, perm: tuple[int, ...]) -> Shape:
    """The extents of x in their new order; refuses a perm that is none."""
    if sorted(perm) != list(range(len(x.shape))):
        raise ShapeError(f"perm = {perm}; expected each of the {len(x.shape)} axes of x once")
    return tuple(x.shape[axis] for axis in perm)


def vjp(wrt: int, dy: Array, x: Array, *, perm: tuple[int, ...]) -> Array:
    """The axes of dy in the order they had in x."""
    return dy.transpose([perm.index(axis) for axis in range(len(perm))])


def batch_axis(_: Known, x: Tracked, *, perm: tuple[int, ...]) -> int | None:
    """The place that perm gives it."""
    return None if x.axis is None else perm.index(x.axis)


TRANSPOSE = Operator(
    "Transpose",
    transpose,
    output_shape,
    free,
    (1, 1),
    {"perm": REQUIRED},
    output_dtype=alike(),
    vjp=vjp,
    batch_axis=batch_axis,
)
