"""Shape rules that several operators share; each raises ShapeError in one sentence."""

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Shape
from refnet.ops.operator import Known


def same(x: Known, *_: Known | None, **__: object) -> Shape:
    """The shape of the first input."""
    return x.shape


def broadcast(a: Known, b: Known) -> Shape:
    """The shape both are stretched to: aligned at the last axis, extents equal or 1 (ONNX multidirectional)."""
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(
            f"shapes {a.shape} and {b.shape} do not broadcast; expected equal extents, or 1, on every axis"
        ) from None


def refuse_unless_broadcastable(name: str, shape: Shape, target: Shape) -> None:
    """Check that `shape` is stretched to `target` and `target` is not stretched (ONNX unidirectional)."""
    try:
        fits = np.broadcast_shapes(shape, target) == target
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{name} has shape {shape}; expected one that broadcasts to {target}")


def axis_index(axis: int, rank: int) -> int:
    """The axis counted from the front."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis = {axis}; expected {-rank} to {rank - 1} for {rank} axes")
    return axis % rank


def axis_indices(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes counted from the front, in rising order; refuses one named twice."""
    indices = sorted(axis_index(axis, rank) for axis in axes)
    if len(set(indices)) != len(indices):
        raise ShapeError(f"axes = {axes} names an axis twice")
    return tuple(indices)


def integers(name: str, known: Known) -> tuple[int, ...]:
    """The values of a vector of integers that the output's shape depends on."""
    if known.value is None:
        raise UnsupportedModelError(
            f"{name} is computed from the image; refnet implements only what follows from constants and shapes"
        )
    if known.value.ndim != 1 or known.value.dtype.kind != "i":
        raise ShapeError(f"{name} has shape {known.shape} and dtype {known.value.dtype}; expected a vector of integers")
    return tuple(int(value) for value in known.value)
