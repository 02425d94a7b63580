"""Logistic function: ONNX Sigmoid, opset 6 to 13."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.exponential import exponential
from refnet.ops.operator import Operator
from refnet.ops.shapes import same


def sigmoid(x: Array) -> Array:
    """Squeeze every element into (0, 1): y = 1 / (1 + exp(-x)).

    Below zero the equal exp(x) / (1 + exp(x)) is used, so that no exponential overflows.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    decay = exponential(-abs(x))
    y: Array = np.where(x < 0, decay, 1) / (1 + decay)
    return y


def vjp(wrt: int, dy: Array, x: Array) -> Array:
    """Gradient: dx = dy * y * (1 - y), as exp(-|x|) / (1 + exp(-|x|))**2, in which nothing cancels."""
    decay = exponential(-abs(x))
    dx: Array = dy * decay / np.square(1 + decay)
    return dx


SIGMOID = Operator("Sigmoid", sigmoid, same, per_element(3), (1, 1), vjp=vjp, batch_axis=aligned)
