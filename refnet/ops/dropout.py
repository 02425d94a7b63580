"""Dropout at inference, which drops nothing: ONNX Dropout, opset 7 to 22.

The ratio, the mask and training end at the reader.
"""

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import free
from refnet.ops.cotangents import unchanged
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def dropout(x: Array) -> Array:
    """Return x, not a copy of it.

    Examples
    --------
    >>> dropout(np.array([1.0]))
    array([1.])
    """
    return x


DROPOUT = Operator("Dropout", dropout, same, free, (1, 1), vjp=unchanged, batch_axis=aligned)
