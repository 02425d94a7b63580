"""Rectifier: ONNX Relu, opset 6 to 14."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def relu(x: Array) -> Array:
    """Keep what is above zero: y = max(x, 0). Minus zero becomes zero, NaN stays NaN.

    Examples
    --------
    >>> relu(np.array([-2.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.where(x <= 0, x.dtype.type(0), x)


def vjp(wrt: int, dy: Array, x: Array) -> Array:
    """Gradient: dx = dy where x > 0, else 0; at the kink, x = 0, the slope of the left side: 0."""
    return np.where(x > 0, dy, 0)


RELU = Operator("Relu", relu, same, per_element(1), (1, 1), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
