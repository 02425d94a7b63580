"""What operators that reduce over axes share."""

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.operator import Known
from refnet.ops.shapes import axis_indices


def in_order(x: Array) -> Array:
    """x, laid out in C order, as everything is before it is summed.

    NumPy adds in the order of memory. That of a view, such as a transpose, can depend on extents that have nothing to do
    with the sum, such as how many images there are.
    """
    return np.asarray(x, order="C")


def reduced_axes(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes to reduce over, counted from the front; all where none is named."""
    return axis_indices(axes, rank) if axes else tuple(range(rank))


def output_shape(x: Known, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Shape:
    """The shape of x with 1 at every reduced axis, or without those axes where keepdims = 0."""
    if keepdims not in (0, 1):
        raise UnsupportedModelError(f"keepdims = {keepdims}; refnet implements 0 and 1")
    reduced = reduced_axes(axes, len(x.shape))
    return tuple(
        1 if axis in reduced else extent for axis, extent in enumerate(x.shape) if keepdims or axis not in reduced
    )
