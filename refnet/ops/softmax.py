"""Normalised exponentials along one axis: ONNX Softmax, opset 13.

Below opset 13 ONNX flattens to two axes first; the reader accepts only files in which that is the same.
"""

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import beside_axis
from refnet.ops.costs import per_element
from refnet.ops.exponential import exponential
from refnet.ops.operator import REQUIRED, Known, Operator
from refnet.ops.reduction import in_order
from refnet.ops.shapes import axis_index


def softmax(x: Array, *, axis: int) -> Array:
    """Exponentials that add up to 1 along the axis: y = exp(x) / sum exp(x).

    The largest element is subtracted first, which changes nothing but overflow.

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0]]), axis=1)
    array([[0.5, 0.5]])
    """
    x = in_order(x)
    powers = exponential(x - x.max(axis=axis, keepdims=True, initial=-np.inf))  # an axis may be of no elements
    y: Array = powers / powers.sum(axis=axis, keepdims=True)
    return y


def output_shape(x: Known, *, axis: int) -> Shape:
    """The shape of x; refuses an axis that x has not."""
    axis_index(axis, len(x.shape))
    return x.shape


def vjp(wrt: int, dy: Array, x: Array, *, axis: int) -> Array:
    """Gradient: dx = y * (dy - sum(dy * y)), the sum along the axis."""
    y = softmax(x, axis=axis)
    dx: Array = y * (dy - (dy * y).sum(axis=axis, keepdims=True))
    return dx


SOFTMAX = Operator(
    "Softmax", softmax, output_shape, per_element(5), (1, 1), {"axis": REQUIRED}, vjp=vjp, batch_axis=beside_axis
)
