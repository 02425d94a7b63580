"""Feature maps as a page draws them: the most active channels first, each in steps of a 127th of its largest value."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnet.errors import UsageError
from refnet.graph import Array

PAGE = 32  # maps at a time
STEPS = 127


@dataclass(frozen=True)
class Maps:
    """Some channels of a tensor.

    Attributes
    ----------
    channels : numbers of the channels, the most active first
    total : how many the tensor has
    first : place of the first of them in the order of activity
    activity : (n,) float64
        Root mean square of each.
    largest : (n,) float64
        Largest absolute value of each.
    scale : float
        Largest absolute value of the whole tensor.
    steps : (n, H, W) int8
        value = steps / 127 * largest, to the nearest step.
    """

    channels: tuple[int, ...]
    total: int
    first: int
    activity: Array
    largest: Array
    scale: float
    steps: Array

    def to_json(self) -> dict[str, Any]:
        """A plain dict; `steps` as base64 of its bytes, map by map, row by row."""
        _, height, width = self.steps.shape
        return {
            "channels": list(self.channels),
            "total": self.total,
            "first": self.first,
            "activity": self.activity.tolist(),
            "largest": self.largest.tolist(),
            "scale": self.scale,
            "height": height,
            "width": width,
            "steps": base64.b64encode(self.steps.tobytes()).decode("ascii"),
        }


def maps_of(tensor: Array, first: int = 0, count: int = PAGE, holding: int | None = None) -> Maps:
    """Draw some channels of a tensor.

    Parameters
    ----------
    tensor : (C, H, W) or (C,)
        A vector is taken as one map of one row.
    first, count : which channels, in the order of activity
    holding : a channel; instead of `first`, the page of `count` that holds it

    Raises
    ------
    UsageError
        If there is no such channel.

    Examples
    --------
    >>> found = maps_of(np.array([[[0.0, 1.0]], [[-4.0, 2.0]]]))
    >>> found.channels, found.largest, found.steps[0]
    ((1, 0), array([4., 1.]), array([[-127,   64]], dtype=int8))
    """
    x = tensor if tensor.ndim == 3 else tensor.reshape(1, 1, -1)
    asked = first if holding is None else holding
    if not 0 <= asked < len(x) or count < 1:
        raise UsageError(f"{count} maps from {asked} on are asked for; the tensor has {len(x)}, counted from 0")
    activity = np.sqrt((x * x).mean(axis=(1, 2)))
    order = np.argsort(-activity, kind="stable")
    if holding is not None:
        first = int(np.flatnonzero(order == holding)[0]) // count * count
    channels = order[first : first + count]
    shown = x[channels]
    largest = np.abs(shown).max(axis=(1, 2))
    unit = np.where(largest > 0, largest, 1.0)[:, np.newaxis, np.newaxis]
    steps = np.rint(shown / unit * STEPS).astype(np.int8)
    scale = float(np.abs(x).max())
    return Maps(tuple(channels.tolist()), len(x), first, activity[channels], largest, scale, steps)
