"""Multiplication, element by element: ONNX Mul, opset 7 to 14 (NumPy broadcasting)."""

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def mul(a: Array, b: Array) -> Array:
    """Product of two arrays, y = a * b, each stretched to the other's shape.

    Examples
    --------
    >>> mul(np.array([-127.5, 127.5]), np.array([0.0078125]))
    array([-0.99609375,  0.99609375])
    """
    return a * b


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy * b and db = dy * a, summed over what was stretched."""
    return summed_to(dy * (b, a)[wrt], (a, b)[wrt].shape)


MUL = Operator("Mul", mul, broadcast, per_element(1), (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
