"""The shape of an array, as integers: ONNX Shape, opset 1 to 25, without its start and end."""

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.costs import free
from refnet.ops.operator import Known, Operator


def shape(x: Array) -> Array:
    """Extents of x, int64.

    Examples
    --------
    >>> shape(np.zeros((1, 3, 112, 112)))
    array([  1,   3, 112, 112])
    """
    return np.array(x.shape, dtype=np.int64)


def output_shape(x: Known) -> Shape:
    """(rank of x,)."""
    return (len(x.shape),)


SHAPE = Operator("Shape", shape, output_shape, free, (1, 1), reads_only_shapes=True, output_dtype=lambda _: "int64")
