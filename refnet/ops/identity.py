"""The input itself: ONNX Identity, opset 1 to 25."""

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import free
from refnet.ops.cotangents import unchanged
from refnet.ops.dtypes import alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def identity(x: Array) -> Array:
    """Return x, not a copy of it.

    Examples
    --------
    >>> identity(np.array([1.0]))
    array([1.])
    """
    return x


IDENTITY = Operator("Identity", identity, same, free, (1, 1), output_dtype=alike(), vjp=unchanged, batch_axis=aligned)
