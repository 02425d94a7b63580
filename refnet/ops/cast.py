"""Numbers of another kind: ONNX Cast, opset 6 to 25."""

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import aligned
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient
from refnet.ops.operator import REQUIRED, Known, Operator

DTYPES = ("float16", "float32", "float64", "int32", "int64", "bool")


def cast(x: Array, *, to: str) -> Array:
    """Turn floats into integers (towards zero) or truth values, or those into floats.

    From one floating dtype to another nothing happens: how precisely to compute is the engine's choice, not the
    file's.

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
    if x.dtype.kind == np.dtype(to).kind == "f":
        return x
    return x.astype(to)


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


def gives_integers(_: bool, *, to: str) -> bool:
    """Unless to floats."""
    return np.dtype(to).kind != "f"


CAST = Operator(
    "Cast",
    cast,
    output_shape,
    free,
    (1, 1),
    {"to": REQUIRED},
    vjp=vjp,
    batch_axis=aligned,
    gives_integers=gives_integers,
)
