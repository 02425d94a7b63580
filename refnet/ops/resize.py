"""Images of another size: ONNX Resize, opset 10 to 19, and Upsample before it.

Does not cover cubic interpolation, antialiasing, cropping, or extrapolation other than by the edge.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import IMAGES, Tracked
from refnet.ops.cotangents import no_gradient, put_back
from refnet.ops.dtypes import FLOAT, NUMBERS, alike, indexed
from refnet.ops.operator import REQUIRED, Known, Operator
from refnet.ops.shapes import integers

MODES = ("nearest", "linear")
COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
NEAREST_MODES = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


def resize(
    x: Array,
    scales: Array | None = None,
    sizes: Array | None = None,
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str = "round_prefer_floor",
) -> Array:
    """Sample x, along every axis in turn, at the place where each element of the result lies in x.

    Element i of the result, of m in all, lies in x, which has n, at

        asymmetric           i / scale
        half_pixel           (i + 1/2) / scale - 1/2
        pytorch_half_pixel   the same, but 0 if m = 1
        align_corners        i * (n - 1) / (m - 1), but 0 if m = 1

    clamped to 0 .. n-1. There, "nearest" takes the one element that nearest_mode rounds to, and "linear" weighs the
    two beside it by their closeness. Places for "nearest" are quotients of whole numbers, rounded exactly. A scale is kept
    in float32: one that is no whole number stands for the simplest fraction that rounds to it, 0.33333334 for 1/3.

    Parameters
    ----------
    x : any shape, such as (N, C, H, W)
    scales : (rank of x,), optional
        Factors, finite. An extent n becomes floor(n * scale).
    sizes : (rank of x,) integers, optional
        The extents of the result, instead of scales; then scale = m / n. Exactly one of both is given.
    mode : "nearest" or "linear"
    coordinate_transformation : str
    nearest_mode : "floor", "ceil", "round_prefer_floor" or "round_prefer_ceil"
        The last two differ at halves only.

    Examples
    --------
    >>> resize(np.array([1.0, 2.0]), np.array([2.0]), mode="linear", coordinate_transformation="half_pixel")
    array([1.  , 1.25, 1.75, 2.  ])
    """
    shape = output_shape(
        Known(x.shape),
        None if scales is None else Known(scales.shape, scales),
        None if sizes is None else Known(sizes.shape, sizes),
        mode=mode,
        coordinate_transformation=coordinate_transformation,
        nearest_mode=nearest_mode,
    )
    for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
        scale = m / n if scales is None else float(scales[axis])
        if scale == 1:
            continue
        if mode == "nearest":
            exact = Fraction(m, n) if scales is None else _fraction(scales[axis])
            x = np.take(x, _nearest(m, n, exact, coordinate_transformation, nearest_mode), axis=axis)
        else:
            places = np.clip(_places(m, n, scale, coordinate_transformation), 0, n - 1)
            low, high, nearness = _between(places, n, x, axis)
            x = (1 - nearness) * np.take(x, low, axis=axis) + nearness * np.take(x, high, axis=axis)
    return x


def output_shape(
    x: Known,
    scales: Known | None = None,
    sizes: Known | None = None,
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str = "round_prefer_floor",
) -> Shape:
    """The sizes, or the extents of x times the scales; refuses what is not implemented."""
    for name, said, implemented in (
        ("mode", mode, MODES),
        ("coordinate_transformation", coordinate_transformation, COORDINATES),
        ("nearest_mode", nearest_mode, NEAREST_MODES),
    ):
        if said not in implemented:
            raise UnsupportedModelError(f"{name} = {said!r}; refnet implements {', '.join(implemented)}")
    if (scales is None) == (sizes is None):
        raise ShapeError("expected either scales or sizes, and not both")
    if sizes is not None:
        shape = integers("sizes", sizes)
    elif scales is not None and scales.value is not None and scales.value.ndim == 1:
        if len(scales.value) != len(x.shape):
            raise ShapeError(f"{len(scales.value)} scales for an x of shape {x.shape}; expected one for each axis")
        if not (np.isfinite(scales.value) & (scales.value > 0)).all():
            raise ShapeError(f"scales are {scales.value.tolist()}; expected finite numbers above 0")
        shape = tuple(math.floor(n * _fraction(scale)) for n, scale in zip(x.shape, scales.value, strict=True))
        if coordinate_transformation == "align_corners":
            _refuse_part_of_an_element(x.shape, scales.value)
    else:
        raise UnsupportedModelError("scales are computed from the image; refnet implements constant ones")
    if len(shape) != len(x.shape) or min(shape, default=1) < 1:
        raise ShapeError(
            f"x has shape {x.shape} and would get {shape}; expected one extent of at least 1 for each axis"
        )
    return shape


def _refuse_part_of_an_element(shape: Shape, scales: Array) -> None:
    """Refuse scales that do not give whole extents where corners are aligned: ONNX's own runtimes disagree there."""
    for extent, scale in zip(shape, scales, strict=True):
        if (extent * _fraction(scale)).denominator != 1:
            raise UnsupportedModelError(
                f"scale {float(scale):g} of an extent of {extent} with align_corners; refnet implements whole results there: "
                "export sizes instead of scales"
            )


def output_dtype(x: str, scales: str | None = None, sizes: str | None = None, *, mode: str, **_: object) -> str:
    """The dtype of x: any number for "nearest", floats for what is weighed."""
    alike(FLOAT)(scales or FLOAT)
    indexed(*(NUMBERS if mode == "nearest" else (FLOAT,)))(x, sizes)
    return x


def vjp(
    wrt: int,
    dy: Array,
    x: Array,
    scales: Array | None = None,
    sizes: Array | None = None,
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str = "round_prefer_floor",
) -> Array:
    """Add every element of dy, by its weights, to the elements of x it was made from; none for scales and sizes."""
    if wrt != 0:
        raise no_gradient("scales and sizes")
    for axis, (n, m) in enumerate(zip(x.shape, dy.shape, strict=True)):
        scale = m / n if scales is None else float(scales[axis])
        if scale == 1:
            continue
        if mode == "nearest":
            exact = Fraction(m, n) if scales is None else _fraction(scales[axis])
            dy = put_back(dy, n, _nearest(m, n, exact, coordinate_transformation, nearest_mode), axis)
        else:
            places = np.clip(_places(m, n, scale, coordinate_transformation), 0, n - 1)
            low, high, nearness = _between(places, n, dy, axis)
            dy = put_back((1 - nearness) * dy, n, low, axis) + put_back(nearness * dy, n, high, axis)
    return dy


def flops(output: Shape, x: Known, *_: Known | None, mode: str, **__: object) -> int:
    """Nothing for "nearest"; for "linear" three an element of the result for each axis that changes."""
    changing = sum(n != m for n, m in zip(x.shape, output, strict=True))
    return 3 * changing * math.prod(output) if mode == "linear" else 0


def _places(m: int, n: int, scale: float, coordinate_transformation: str) -> Array:
    """Where the m elements of the result lie among the n of x."""
    i = np.arange(m, dtype=np.float64)
    if coordinate_transformation == "asymmetric":
        return i / scale
    if coordinate_transformation == "align_corners":
        return i * (n - 1) / max(m - 1, 1)
    if coordinate_transformation == "pytorch_half_pixel" and m == 1:
        return i
    return (i + 0.5) / scale - 0.5


def _fraction(scale: Array) -> Fraction:
    """The simplest fraction that rounds to a float32 number: the first convergent of it that does."""
    exact = Fraction(float(scale))
    rest = exact
    numerators, denominators = (0, 1), (1, 0)
    while True:
        whole = math.floor(rest)
        numerators = numerators[1], whole * numerators[1] + numerators[0]
        denominators = denominators[1], whole * denominators[1] + denominators[0]
        convergent = Fraction(numerators[1], denominators[1])
        if convergent == exact or np.float32(float(convergent)) == np.float32(float(exact)):
            return convergent
        rest = 1 / (rest - whole)


def _nearest(m: int, n: int, scale: Fraction, coordinate_transformation: str, nearest_mode: str) -> Array:
    """Which element of n each of the m elements of the result is: places as `_places` has them, in whole numbers."""
    p, q = scale.numerator, scale.denominator
    if coordinate_transformation == "align_corners":
        places = [(i * (n - 1), max(m - 1, 1)) for i in range(m)]
    elif coordinate_transformation == "asymmetric" or (coordinate_transformation == "pytorch_half_pixel" and m == 1):
        places = [(i * q, p) for i in range(m)]
    else:
        places = [((2 * i + 1) * q - p, 2 * p) for i in range(m)]
    return np.array([min(max(_ROUNDED[nearest_mode](*place), 0), n - 1) for place in places])


_ROUNDED: Mapping[str, Callable[[int, int], int]] = {  # of the quotient of two whole numbers
    "floor": lambda over, under: over // under,
    "ceil": lambda over, under: -(-over // under),
    "round_prefer_floor": lambda over, under: -((under - 2 * over) // (2 * under)),
    "round_prefer_ceil": lambda over, under: (2 * over + under) // (2 * under),
}


def _between(places: Array, n: int, like: Array, axis: int) -> tuple[Array, Array, Array]:
    """The two elements of n beside each place, and how near it is to the second, shaped to weigh that axis of `like`."""
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, n - 1)
    nearness = (places - low).astype(like.dtype).reshape((-1,) + (1,) * (like.ndim - axis - 1))
    return low, high, nearness


def batch_axis(
    y: Known, x: Tracked, scales: Tracked | None = None, sizes: Tracked | None = None, **_: object
) -> int | None:
    """That of x, if it keeps its extent."""
    if x.axis is None or y.shape[x.axis] != IMAGES or (sizes is not None and sizes.axis is not None):
        return None
    if scales is None:
        return x.axis
    return x.axis if scales.fixed and scales.known.value is not None and scales.known.value[x.axis] == 1 else None


RESIZE = Operator(
    "Resize",
    resize,
    output_shape,
    flops,
    (1, 3),
    {"mode": REQUIRED, "coordinate_transformation": REQUIRED, "nearest_mode": "round_prefer_floor"},
    output_dtype=output_dtype,
    vjp=vjp,
    batch_axis=batch_axis,
)
