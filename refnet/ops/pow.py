"""Powers, element by element: ONNX Pow, opset 7 to 15 (NumPy broadcasting)."""

import numpy as np

from refnet.graph import Array
from refnet.ops.batch_axis import aligned
from refnet.ops.cast import truncated
from refnet.ops.costs import per_element
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Operator
from refnet.ops.shapes import broadcast


def pow(x: Array, exponent: Array) -> Array:
    """Raise x to a power, y = x ** exponent, each stretched to the other's shape.

    The result has the dtype of x, whatever the exponent's. A square is a product, rounded once; other powers are NumPy's,
    whose last bit may depend on the processor. float32 is raised in float64 and rounded, which hides that bit. Integers to an integer power of at least 0 wrap around as products
    do; to another power they are computed in float64 and truncated as a Cast does it.

    Examples
    --------
    >>> pow(np.array([2.0, 3.0]), np.array(2))
    array([4., 9.])
    """
    y: Array
    if (exponent == 2).all():
        y = np.square(np.broadcast_arrays(x, exponent)[0])
    elif x.dtype.kind != "i":
        wide = (np.asarray(array, np.float64, order="C") for array in np.broadcast_arrays(x, exponent))
        y = np.power(*wide).astype(x.dtype)  # of whole arrays: NumPy's last bit also depends on strides
    elif exponent.dtype.kind == "i" and (exponent >= 0).all():
        y = np.power(x, exponent, dtype=np.int64).astype(x.dtype)  # modulo 2**64, and then 2**32
    else:
        y = truncated(np.power(x.astype(np.float64), exponent.astype(np.float64)), x.dtype)
    return y


def output_dtype(x: str, exponent: str) -> str:
    """The dtype of the base; both are numbers, not necessarily alike."""
    alike(*NUMBERS)(exponent)
    return alike(*NUMBERS)(x)


def vjp(wrt: int, dy: Array, x: Array, exponent: Array) -> Array:
    """Gradient: dx = dy * exponent * x**(exponent - 1) and dexponent = dy * x**exponent * log x, summed over what was stretched.

    x**0 = 1 does not vary with x, nor 0**exponent = 0 with a positive exponent: 0 there, where the formulas have none.
    """
    power = exponent.astype(x.dtype)
    if wrt == 0:
        lower = np.power(x, np.where(power == 0, 1, power - 1))
        return summed_to(dy * np.where(power == 0, 0, power * lower), x.shape)
    logarithm = np.log(np.where((x == 0) & (power > 0), 1, x))
    return summed_to(dy * np.power(x, power) * logarithm, exponent.shape)


POW = Operator("Pow", pow, broadcast, per_element(1), (2, 2), output_dtype=output_dtype, vjp=vjp, batch_axis=aligned)
