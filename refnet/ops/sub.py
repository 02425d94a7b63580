"""Subtraction: ONNX Sub, opset 7 to 14 (NumPy broadcasting)."""

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def sub(a: Array, b: Array) -> Array:
    """Difference of two arrays, y = a - b, each stretched to the other's shape.

    Examples
    --------
    >>> sub(np.array([0.0, 255.0]), np.array([127.5]))
    array([-127.5,  127.5])
    """
    return a - b


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy and db = -dy, summed over what was stretched."""
    return summed_to(dy, a.shape) if wrt == 0 else -summed_to(dy, b.shape)


SUB = Operator("Sub", sub, broadcast, per_element(1), (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
