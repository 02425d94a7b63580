"""Powers, element by element: ONNX Pow, opset 7 to 15 (NumPy broadcasting)."""

import numpy as np

from refnet.graph import Array
from refnet.ops.costs import per_element
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def pow(x: Array, exponent: Array) -> Array:
    """Raise x to a power, y = x ** exponent, each stretched to the other's shape.

    The result has the dtype of x, whatever the exponent's.

    Examples
    --------
    >>> pow(np.array([2.0, 3.0]), np.array(2))
    array([4., 9.])
    """
    y: Array = np.power(x, exponent.astype(x.dtype))
    return y


POW = Operator("Pow", pow, broadcast, per_element(1), (2, 2))
