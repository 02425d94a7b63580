"""Division, element by element: ONNX Div, opset 7 to 14 (NumPy broadcasting)."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def div(a: Array, b: Array) -> Array:
    """Quotient of two arrays, y = a / b, each stretched to the other's shape.

    Integers are divided towards zero, as ONNX does and Python's ``//`` does not.

    Examples
    --------
    >>> div(np.array([3.0, -3.0]), np.array(2.0))
    array([ 1.5, -1.5])
    >>> div(np.array([3, -3]), np.array(2))
    array([ 1, -1])
    """
    if a.dtype.kind == "i":
        return np.sign(a) * np.sign(b) * (abs(a) // abs(b))
    return a / b


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy / b and db = -dy * a / b**2, summed over what was stretched."""
    return summed_to(dy / b, a.shape) if wrt == 0 else -summed_to(dy * a / (b * b), b.shape)


DIV = Operator("Div", div, broadcast, per_element(1), (2, 2), vjp=vjp, batch_axis=aligned)
