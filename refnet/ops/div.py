"""Division, element by element: ONNX Div, opset 7 to 14 (NumPy broadcasting)."""

import numpy as np

from refnet.errors import InputError
from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def div(a: Array, b: Array) -> Array:
    """Quotient of two arrays, y = a / b, each stretched to the other's shape.

    Integers are divided towards zero, as ONNX does and Python's ``//`` does not; the least integer by -1 is itself.

    Raises
    ------
    InputError
        If an integer is divided by zero.

    Examples
    --------
    >>> div(np.array([3.0, -3.0]), np.array(2.0))
    array([ 1.5, -1.5])
    >>> div(np.array([3, -3]), np.array(2))
    array([ 1, -1])
    """
    if a.dtype.kind == "i":
        if not b.all():
            raise InputError("an integer is divided by zero; expected a divisor that is none")
        with np.errstate(over="ignore"):
            below, rest = np.divmod(a, b)
        y: Array = below + ((rest != 0) & ((a < 0) != (b < 0)))
        return y
    return a / b


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy / b and db = -dy * a / b**2, summed over what was stretched."""
    return summed_to(dy / b, a.shape) if wrt == 0 else -summed_to(dy * a / (b * b), b.shape)


DIV = Operator("Div", div, broadcast, per_element(1), (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
