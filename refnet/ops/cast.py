"""Numbers of another kind: ONNX Cast, opset 6 to 25."""

from typing import Any

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient
from refnet.ops.dtypes import NUMBERS, alike, dtype_name
from refnet.ops.operator import REQUIRED, Known, Operator

DTYPES = ("float16", "float32", "float64", "int32", "int64", "bool")


def cast(x: Array, *, to: str) -> Array:
    """Turn floats into integers (towards zero) or truth values, or those into floats.

    From one floating dtype to another nothing happens: how precisely to compute is the engine's choice, not the
    file's. Integers are rounded to the floating dtype, once.

    Parameters
    ----------
    x : any shape
    to : str
        float16, float32, float64, int32, int64 or bool.

    Examples
    --------
    >>> cast(np.array([-1.5, 2.5]), to="int64")
    array([-1,  2])
    """
    target = np.dtype(to)
    if x.dtype.kind == target.kind == "f":
        return x
    if x.dtype.kind == "f" and target.kind == "i":
        return truncated(x, target)
    with np.errstate(over="ignore"):
        y: Array = x.astype(target)
    return (
        y.astype(np.float32) if target == np.float16 else y
    )  # as precise as an engine computes, with the value of 16 bits


def truncated(x: Array, dtype: np.dtype[Any]) -> Array:
    """Floats as integers, towards zero; NaN and what the dtype does not hold become its least integer.

    ONNX leaves those undefined; the least integer is what x86 processors give, and onnxruntime there.
    """
    least = np.iinfo(dtype).min
    held = (x > float(least)) & (x < -float(least))
    return np.where(held, np.where(held, x, 0).astype(dtype), np.array(least, dtype))


def output_shape(x: Known, *, to: str) -> Shape:
    """The shape of x; refuses other dtypes."""
    if to not in DTYPES:
        raise UnsupportedModelError(f"to = {to!r}; refnet implements {', '.join(DTYPES)}")
    return x.shape


def vjp(wrt: int, dy: Array, x: Array, *, to: str) -> Array:
    """Gradient: dy from one floating dtype to another; integers and truth values follow nothing smoothly."""
    if np.dtype(to).kind != "f":
        raise no_gradient(f"a cast to {to}")
    return dy


def output_dtype(x: str, *, to: str) -> str:
    """The dtype asked for; refuses to cast from others than the definition takes."""
    alike(*NUMBERS, "bool")(x)
    return dtype_name(to)


CAST = Operator(
    "Cast", cast, output_shape, free, (1, 1), {"to": REQUIRED}, output_dtype=output_dtype, vjp=vjp, batch_axis=aligned
)
