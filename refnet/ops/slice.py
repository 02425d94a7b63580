"""A part of an array: ONNX Slice, opset 10 to 13, bounds as inputs."""

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import IMAGES, Tracked
from refnet.ops.costs import free
from refnet.ops.cotangents import no_gradient
from refnet.ops.dtypes import indexed
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import axis_index, axis_indices, integers

_TO_THE_END = (2**31 - 1, 2**63 - 1)  # what ONNX recommends for "to the end", forwards


def slice_(x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None) -> Array:
    """Cut x[..., start:end:step, ...] along every axis named. A view, not a copy.

    Parameters
    ----------
    x : any shape
    starts, ends : (K,) integers
        Counted from the end where negative, then clamped: to 0 .. extent for a positive step; for a negative one starts to
        0 .. extent - 1 and ends to -1 .. extent - 1. (A Python slice that starts before the beginning and goes back
        is empty; here it holds the first element.)
    axes : (K,) integers, optional
        Absent: the first K. None twice.
    steps : (K,) integers, optional
        Absent: 1. Not 0.

    Examples
    --------
    >>> slice_(np.arange(5), np.array([-1]), np.array([-9]), None, np.array([-2]))
    array([4, 2, 0])
    """
    ranges = _ranges(
        x.shape,
        Known(starts.shape, starts),
        Known(ends.shape, ends),
        None if axes is None else Known(axes.shape, axes),
        None if steps is None else Known(steps.shape, steps),
    )
    return x[tuple(_as_slice(places) for places in ranges)]


def output_shape(x: Known, starts: Known, ends: Known, axes: Known | None = None, steps: Known | None = None) -> Shape:
    """How many indices each cut leaves."""
    return tuple(map(len, _ranges(x.shape, starts, ends, axes, steps)))


def _ranges(shape: Shape, starts: Known, ends: Known, axes: Known | None, steps: Known | None) -> tuple[range, ...]:
    """The indices that stay, of every axis."""
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
    ranges = [range(extent) for extent in shape]
    for axis, *cut in zip(along, first, last, step, strict=True):
        at = axis_index(axis, len(shape))
        ranges[at] = _places(*cut, extent=shape[at])
    return tuple(ranges)


def _places(start: int, end: int, step: int, *, extent: int) -> range:
    """The indices that one cut leaves; refuses the largest integer as an end to go back to."""
    if step < 0 and end in _TO_THE_END:
        raise UnsupportedModelError(
            f"an end of {end} with a step of {step}: clamped, nothing is left, and some runtimes read it as the beginning; "
            "refnet does not guess. Export the least integer to go back to the beginning"
        )
    start, end = (bound + extent if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return range(min(max(start, 0), extent), min(max(end, 0), extent), step)
    return range(min(max(start, 0), extent - 1), min(max(end, -1), extent - 1), step)


def _as_slice(places: range) -> slice:
    """The Python slice that takes these indices."""
    if not places:
        return slice(0, 0)
    return slice(places.start, None if places.stop < 0 else places.stop, places.step)


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
    left = _ranges(x.known.shape, starts.known, ends.known, along, by)[x.axis]
    return x.axis if left == range(IMAGES) else None


SLICE = Operator("Slice", slice_, output_shape, free, (3, 5), output_dtype=indexed(), vjp=vjp, batch_axis=batch_axis)
