"""New axes of extent 1: ONNX Unsqueeze, opset 1 to 25, axes as an attribute."""

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import same_order
from refnet.ops.costs import free
from refnet.ops.cotangents import reshaped
from refnet.ops.dtypes import alike
from refnet.ops.operator import REQUIRED, Known, Operator
from refnet.ops.shapes import axis_indices


def unsqueeze(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Insert axes of extent 1, so that they stand at `axes` in the result.

    Examples
    --------
    >>> unsqueeze(np.zeros(64), axes=(1, 2)).shape
    (64, 1, 1)
    """
    return np.expand_dims(x, axes)


def output_shape(x: Known, *, axes: tuple[int, ...]) -> Shape:
    """The extents of x with 1 at every one of the axes."""
    rank = len(x.shape) + len(axes)
    new = axis_indices(axes, rank)
    extents = iter(x.shape)
    return tuple(1 if axis in new else next(extents) for axis in range(rank))


UNSQUEEZE = Operator(
    "Unsqueeze",
    unsqueeze,
    output_shape,
    free,
    (1, 1),
    {"axes": REQUIRED},
    output_dtype=alike(),
    vjp=reshaped,
    batch_axis=same_order,
)
