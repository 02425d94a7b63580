"""Limits: ONNX Clip, opset 11 to 13, bounds as inputs."""

import math

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import aligned
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Known, Operator


def clip(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Hold every element between two numbers: y = min(max(x, low), high).

    Parameters
    ----------
    x : any shape
    low, high : (), optional
        An absent one leaves every finite number; infinity becomes the largest of float32, the default that ONNX names.
        Where low > high, y = high (ONNX opset 13). NaN stays NaN.

    Examples
    --------
    >>> clip(np.array([-2.0, 0.5, 2.0]), None, np.array(1.0))
    array([-2. ,  0.5,  1. ])
    """
    if x.dtype.kind == "f":
        x = np.where(np.isinf(x), np.copysign(np.finfo(np.float32).max, x).astype(x.dtype), x)
    if low is not None:
        x = np.where(x < low.reshape(()), low.reshape(()), x)
    if high is not None:
        x = np.where(x > high.reshape(()), high.reshape(()), x)
    return x


def output_shape(x: Known, low: Known | None = None, high: Known | None = None) -> Shape:
    """The shape of x; refuses a bound that is not one number."""
    for name, bound in {"low": low, "high": high}.items():
        if bound is not None and math.prod(bound.shape) != 1:
            raise ShapeError(f"{name} has shape {bound.shape}; expected one number")
    return x.shape


def flops(output: Shape, _x: Known, low: Known | None = None, high: Known | None = None) -> int:
    """One comparison with every bound there is."""
    return math.prod(output) * ((low is not None) + (high is not None))


def vjp(wrt: int, dy: Array, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Gradient: dx = dy where low <= x <= high, else 0; a bound gets the sum of dy over the elements it holds back."""
    least = -np.inf if low is None else low.reshape(())
    most = np.inf if high is None else high.reshape(())
    if wrt == 0:
        return np.where((least <= x) & (x <= most), dy, 0)
    bound = low if wrt == 1 else high
    held = (x < least) & (least <= most) if wrt == 1 else np.maximum(x, least) > most
    return np.asarray(np.where(held, dy, 0).sum()).reshape(() if bound is None else bound.shape)


CLIP = Operator("Clip", clip, output_shape, flops, (1, 3), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=aligned)
