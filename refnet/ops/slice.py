"""A part of an array: ONNX Slice, opset 10 to 13, bounds as inputs."""

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import IMAGES, Tracked
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import axis_index, axis_indices, integers


def slice_(x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    """Cut x[..., start:end:step, ...] along every axis named. A view, not a copy.

    Parameters
    ----------
    x : any shape
    starts, ends : (K,) integers
        As in a Python slice: counted from the end where negative, clamped where outside.
    axes : (K,) integers, optional
        Absent: the first K. None twice.
    steps : (K,) integers, optional
        Absent: 1. Not 0.

    Examples
    --------
    >>> slice_(np.arange(5), np.array([-1]), np.array([-9]), None, np.array([-2]))
    array([4, 2, 0])
    """
    cuts = _cuts(
        x.shape,
        Known(starts.shape, starts),
        Known(ends.shape, ends),
        None if axes is None else Known(axes.shape, axes),
        None if steps is None else Known(steps.shape, steps),
    )
    return x[cuts]


def output_shape(x: Known, starts: Known, ends: Known, axes: Known | None = None, steps: Known | None = None) -> Shape:
    """How many indices each cut leaves."""
    cuts = _cuts(x.shape, starts, ends, axes, steps)
    return tuple(len(range(*cut.indices(extent))) for cut, extent in zip(cuts, x.shape, strict=True))


def _cuts(shape: Shape, starts: Known, ends: Known, axes: Known | None, steps: Known | None) -> tuple[slice, ...]:
    """One Python slice for every axis."""
    first, last = integers("starts", starts), integers("ends", ends)
    along = tuple(range(len(first))) if axes is None else integers("axes", axes)
    step = (1,) * len(first) if steps is None else integers("steps", steps)
    if not len(first) == len(last) == len(along) == len(step):
        raise ShapeError(
            f"starts, ends, axes and steps hold {len(first)}, {len(last)}, {len(along)} and {len(step)} numbers; "
            "expected equally many"
        )
    if 0 in step:
        raise ShapeError(f"steps = {step}; expected none of them 0")
    axis_indices(along, len(shape))
    cuts = [slice(None)] * len(shape)
    for axis, *cut in zip(along, first, last, step, strict=True):
        cuts[axis_index(axis, len(shape))] = slice(*cut)
    return tuple(cuts)


def vjp(
    wrt: int,
    dy: Array,
    x: Array,
    starts: Array,
    ends: Array,
    axes: Array | None = None,
    steps: Array | None = None,
) -> Array:
    """Lay dy where it was cut from, 0 elsewhere; none for the bounds."""
    if wrt != 0:
        raise no_gradient("the bounds")
    dx: Array = np.zeros(x.shape, dtype=dy.dtype)
    slice_(dx, starts, ends, axes, steps)[...] = dy
    return dx


def batch_axis(
    _: Known, x: Tracked, starts: Tracked, ends: Tracked, axes: Tracked | None = None, steps: Tracked | None = None
) -> int | None:
    """That of x, if it is left whole and in order."""
    if x.axis is None or not all(bound is None or bound.fixed for bound in (starts, ends, axes, steps)):
        return None
    along, by = (None if bound is None else bound.known for bound in (axes, steps))
    cut = _cuts(x.known.shape, starts.known, ends.known, along, by)[x.axis]
    return x.axis if cut.indices(IMAGES) == (0, IMAGES, 1) else None


SLICE = Operator("Slice", slice_, output_shape, free, (3, 5), vjp=vjp, batch_axis=batch_axis)
