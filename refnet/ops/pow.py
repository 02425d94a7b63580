"""Powers, element by element: ONNX Pow, opset 7 to 15 (NumPy broadcasting)."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def pow(x: Array, exponent: Array) -> Array:
    """Raise x to a power, y = x ** exponent, each stretched to the other's shape.

    The result has the dtype of x, whatever the exponent's. A square is a product, rounded once; the last bit of other
    powers is NumPy's and may depend on the processor.

    Examples
    --------
    >>> pow(np.array([2.0, 3.0]), np.array(2))
    array([4., 9.])
    """
    y: Array
    if (exponent == 2).all():
        y = np.square(np.broadcast_arrays(x, exponent)[0])
    else:
        y = np.power(x, exponent.astype(x.dtype))
    return y


def vjp(wrt: int, dy: Array, x: Array, exponent: Array) -> Array:
    """Gradient: dx = dy * exponent * x**(exponent - 1) and dexponent = dy * x**exponent * log x, summed over what was stretched.

    x**0 = 1 does not vary with x, nor 0**exponent = 0 with a positive exponent: 0 there, where the formulas have none.
    """
    power = exponent.astype(x.dtype)
    if wrt == 0:
        lower = np.power(x, np.where(power == 0, 1, power - 1))
        return summed_to(dy * np.where(power == 0, 0, power * lower), x.shape)
    logarithm = np.log(np.where((x == 0) & (power > 0), 1, x))
    return summed_to(dy * np.power(x, power) * logarithm, exponent.shape)


POW = Operator("Pow", pow, broadcast, per_element(1), (2, 2), vjp=vjp, batch_axis=aligned)
