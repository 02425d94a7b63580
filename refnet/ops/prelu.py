"""Parametric rectifier: ONNX PRelu, opset 7 to 16.

Source: He et al., arXiv:1502.01852, equation 1. A slope of rank 1 is read as ONNX reads it, over the last axis; what
exporters meant by it is settled where the file is read.
"""

import numpy as np

from refnet.graph import Array, Shape
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import refuse_unless_broadcastable


def prelu(x: Array, slope: Array) -> Array:
    """Keep what is not negative, multiply what is by the slope.

    y = slope * x where x < 0, else x

    Parameters
    ----------
    x : (N, C, H, W) or any other shape
    slope : (C, 1, 1), (1, C, 1, 1), () or whatever else broadcasts to x

    Returns
    -------
    The shape of x.

    Examples
    --------
    >>> prelu(np.array([-2.0, 0.0, 2.0]), np.array(0.25))
    array([-0.5,  0. ,  2. ])
    """
    return np.where(x < 0, slope * x, x)


def output_shape(x: Known, slope: Known) -> Shape:
    """The shape of x; refuses a slope that does not broadcast to it."""
    refuse_unless_broadcastable("slope", slope.shape, x.shape)
    return x.shape


def vjp(wrt: int, dy: Array, x: Array, slope: Array) -> Array:
    """Gradient: dx = dy * slope where x < 0, else dy; dslope = dy * x where x < 0, else 0, summed over what was stretched.

    At the kink, x = 0, the slope of the right side, 1, as in the definition.
    """
    if wrt == 0:
        return np.where(x < 0, slope * dy, dy)
    return summed_to(np.where(x < 0, x * dy, 0), slope.shape)


PRELU = Operator(
    "PRelu", prelu, output_shape, per_element(2), (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned
)
