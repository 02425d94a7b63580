"""Rectifier: ONNX Relu, opset 6 to 14."""

import numpy as np

from refnet.graph import Array
from refnet.ops.costs import per_element
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def relu(x: Array) -> Array:
    """Keep what is above zero: y = max(x, 0). NaN stays NaN.

    Examples
    --------
    >>> relu(np.array([-2.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    y: Array = np.maximum(x, 0)
    return y


RELU = Operator("Relu", relu, same, per_element(1), (1, 1))
