"""Addition: ONNX Add, opset 7 to 14 (NumPy broadcasting)."""

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def add(a: Array, b: Array) -> Array:
    """Sum of two arrays, y = a + b, each stretched to the other's shape.

    Examples
    --------
    >>> add(np.array([[1.0], [2.0]]), np.array([10.0, 20.0]))
    array([[11., 21.],
           [12., 22.]])
    """
    return a + b


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy and db = dy, summed over what was stretched."""
    return summed_to(dy, (a, b)[wrt].shape)


ADD = Operator("Add", add, broadcast, per_element(1), (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
