"""Where tensors lie in the arena: layouts, and an allocator that lets tensors follow each other in one place.

A border of zeros around an activation is written once, when the arena is made, and kernels never touch it again; so
only tensors of the same layout and size take each other's place.
"""

import math
from collections import defaultdict
from dataclasses import dataclass

from refnet.fast.kernels.step import ACTIVATION
from refnet.graph import Shape

Border = tuple[int, int, int, int]  # top, left, bottom, right
NO_BORDER: Border = (0, 0, 0, 0)
PIXEL = 4  # channels that lie side by side in the layout of small pixels
_LINE = 16  # values in a cache line


@dataclass(frozen=True)
class Layout:
    """How one image of a tensor lies.

    Attributes
    ----------
    shape : (C, H, W) or any
        Of the tensor, without N.
    side_by_side : int
        Channels that lie side by side: 16 for kernels, 4 for `direct_pixels`, 1 for the plain order of the world.
    border : (top, left, bottom, right)
        Of zeros.
    """

    shape: Shape
    side_by_side: int = 1
    border: Border = NO_BORDER

    @property
    def row(self) -> int:
        """Distance between two rows."""
        return (self._width + self.border[1] + self.border[3]) * self.side_by_side

    @property
    def plane(self) -> int:
        """Distance between two blocks of channels."""
        return (self._height + self.border[0] + self.border[2]) * self.row

    @property
    def image(self) -> int:
        """Distance between two images."""
        if self.side_by_side == 1:
            return math.prod(self.shape)
        return -(-self.shape[0] // self.side_by_side) * self.plane

    def inside(self, border: Border) -> int:
        """The first value that a reader with a smaller border reads, from the tensor's first."""
        return (self.border[0] - border[0]) * self.row + (self.border[1] - border[1]) * self.side_by_side

    def serves(self, border: Border) -> bool:
        """Whether its border is as wide on every side."""
        return all(have >= need for have, need in zip(self.border, border, strict=True))

    @property
    def _height(self) -> int:
        return self.shape[1] if len(self.shape) == 3 else 1

    @property
    def _width(self) -> int:
        return self.shape[2] if len(self.shape) == 3 else 1


@dataclass
class Storage:
    """A tensor in one layout, and while it is needed: from step `first` to step `last`."""

    layout: Layout
    first: int
    last: int
    images: int = 0
    whole: bool = False
    at: int = -1

    def fields(self, role: str, border: Border = NO_BORDER) -> dict[str, int]:
        """What a step says of it."""
        layout = self.layout
        values = (self.at + layout.inside(border), layout.image, layout.plane, layout.row, int(self.whole))
        return {f"{role}_{part}": value for part, value in zip(ACTIVATION, values, strict=True)}


def allocate(storages: list[Storage]) -> int:
    """Give every storage its place, where another of the same layout and size lay whose time is over; the size of all."""
    size = 0
    free: dict[tuple[Layout, int], list[tuple[int, int]]] = defaultdict(list)  # (free after step, place)
    for storage in sorted(storages, key=lambda s: s.first):
        places = free[storage.layout, storage.images]
        over = [place for place in places if place[0] < storage.first]
        if over:
            places.remove(over[0])
            storage.at = over[0][1]
        else:
            storage.at = size
            size += -(-storage.images * storage.layout.image // _LINE) * _LINE + _LINE
        places.append((storage.last, storage.at))
    return size
