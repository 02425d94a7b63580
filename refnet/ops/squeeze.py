"""Fewer axes of extent 1: ONNX Squeeze, opset 1 to 25, axes as an attribute."""

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import same_order
from refnet.ops.costs import free
from refnet.ops.cotangents import reshaped
from refnet.ops.dtypes import alike
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import axis_indices


def squeeze(x: Array, *, axes: tuple[int, ...] = ()) -> Array:
    """Remove the axes named, each of extent 1; all such axes where none is named.

    Examples
    --------
    >>> squeeze(np.zeros((1, 512, 1, 1)), axes=(2, 3)).shape
    (1, 512)
    """
    return x.reshape(output_shape(Known(x.shape), axes=axes))


def output_shape(x: Known, *, axes: tuple[int, ...] = ()) -> Shape:
    """The extents of x without the axes; refuses to remove one that is not 1."""
    gone = axis_indices(axes, len(x.shape))
    for axis in gone:
        if x.shape[axis] != 1:
            raise ShapeError(f"axis {axis} of shape {x.shape} is {x.shape[axis]}; expected 1 where an axis is removed")
    if not gone:
        return tuple(extent for extent in x.shape if extent != 1)
    return tuple(extent for axis, extent in enumerate(x.shape) if axis not in gone)


SQUEEZE = Operator(
    "Squeeze",
    squeeze,
    output_shape,
    free,
    (1, 1),
    {"axes": ()},
    output_dtype=alike(),
    vjp=reshaped,
    batch_axis=same_order,
)
