"""Square root: ONNX Sqrt, opset 6 to 13."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def sqrt(x: Array) -> Array:
    """Square root of every element; NaN below zero.

    Examples
    --------
    >>> sqrt(np.array([4.0, 2.25]))
    array([2. , 1.5])
    """
    y: Array = np.sqrt(x)
    return y


def vjp(wrt: int, dy: Array, x: Array) -> Array:
    """Gradient: dx = dy / (2 sqrt(x)); infinite at 0, as the slope is."""
    dx: Array = dy / (2 * np.sqrt(x))
    return dx


SQRT = Operator("Sqrt", sqrt, same, per_element(1), (1, 1), vjp=vjp, batch_axis=aligned)
