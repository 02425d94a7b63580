"""Where the batch is after an operator: the rules that several operators share.

A network may be computed a few images at a time, and an image's result be the same bits in any batch, only where every
operator keeps the images apart. Each operator says so with a rule (`Operator.batch_axis`), which is given what is
known of its result and of its inputs and tells the axis of the result along which the images lie, slice i made from
image i alone. None means that images may have been mixed; an operator without a rule mixes them.

Shapes are those of a batch of `IMAGES`, a prime that no extent of a network is equal to by accident; `batch_analysis`
infers them for a second one, and holds what a rule says against both.
"""

import math
from dataclasses import dataclass

from refnet.ops.operator import Known
from refnet.ops.shapes import axis_index, axis_indices

IMAGES = 7919


@dataclass(frozen=True)
class Tracked:
    """An input of a node.

    Attributes
    ----------
    known : Known
    axis : int or None
        Along which the images lie; None where the tensor is the same whatever the images are.
    counted : bool
        Whether it depends on how many images there are; then `axis` is None.
    """

    known: Known
    axis: int | None = None
    counted: bool = False

    @property
    def fixed(self) -> bool:
        """Whether it is the same for every batch."""
        return self.axis is None and not self.counted


def aligned(y: Known, *inputs: Tracked | None, **_: object) -> int | None:
    """Elementwise operators: images keep their axis where all inputs, aligned at the last axis, have it in one place."""
    present = [x for x in inputs if x is not None]
    places = {x.axis - len(x.known.shape) for x in present if x.axis is not None}
    if len(places) != 1 or any(x.counted for x in present):
        return None
    return len(y.shape) + places.pop()


def first_axis(_: Known, x: Tracked, *weights: Tracked | None, **__: object) -> int | None:
    """Operators on (N, C, ...) with weights of their own: convolutions, pools, batch normalisation."""
    return 0 if x.axis == 0 and all(weight is None or weight.fixed for weight in weights) else None


def same_order(y: Known, x: Tracked, *shape: Tracked | None, **_: object) -> int | None:
    """Reshape and its kin, which keep the order of elements: the axis of as many images, with as much before it."""
    if x.axis is None or any(given is not None and given.axis is not None for given in shape):
        return None
    before = math.prod(x.known.shape[: x.axis])
    axes = [axis for axis, extent in enumerate(y.shape) if extent == IMAGES and math.prod(y.shape[:axis]) == before]
    return axes[0] if len(axes) == 1 else None


def beside_axis(_: Known, x: Tracked, *, axis: int, **__: object) -> int | None:
    """Operators along one axis, which is not that of the images: Softmax."""
    return None if axis_index(axis, len(x.known.shape)) == x.axis else x.axis


def beside_axes(_: Known, x: Tracked, *, axes: tuple[int, ...] = (), keepdims: int = 1, **__: object) -> int | None:
    """Reductions over axes that are not that of the images."""
    rank = len(x.known.shape)
    reduced = axis_indices(axes, rank) if axes else tuple(range(rank))
    if x.axis is None or x.axis in reduced:
        return None
    return x.axis if keepdims else x.axis - sum(axis < x.axis for axis in reduced)
