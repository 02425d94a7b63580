"""A tensor's statistics as the document tells them: fewer names than `refnet stats` has, and the histogram cut short."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refnet.audit.statistics import TensorStatistics, bin_edges
from refnet.graph import Array

PART = 1 << 18  # numbers of a weight looked at together: bounds memory


def edges() -> list[float]:
    """The finite edges of the histograms' bins: -2**20 .. -2**-20, 2**-20 .. 2**20."""
    return bin_edges()[1:-1]


def compact(histogram: Array) -> list[Any]:
    """Counts without the empty bins on either side: [number of the first bin that is not empty, [counts]].

    Examples
    --------
    >>> compact(np.array([0, 0, 3, 0, 1, 0]))
    [2, [3, 0, 1]]
    """
    filled = np.flatnonzero(histogram)
    if not filled.size:
        return [0, []]
    first, last = int(filled[0]), int(filled[-1])
    return [first, [int(count) for count in histogram[first : last + 1]]]


def figures(found: TensorStatistics) -> dict[str, Any]:
    """What every tensor is told by; shares are fractions, None where nothing was counted."""
    seen = found.count > 0
    return {
        "count": found.count,
        "not_finite": found.not_finite,
        "low": found.low if seen else None,
        "high": found.high if seen else None,
        "mean": found.mean if seen else None,
        "deviation": found.deviation if seen else None,
        "zeros": found.zeros / found.count if seen else None,
        "histogram": compact(found.histogram),
    }


def activation(found: TensorStatistics) -> dict[str, Any]:
    """The figures of a tensor over all images, and what can be said of its channels."""
    return figures(found) | {
        "negatives": found.negatives / found.count if found.count else None,
        "channels": None if found.channel_low is None else len(found.channel_low),
        "dead_channels": found.dead_channels,
    }


def statistics_of(array: Array) -> TensorStatistics:
    """The statistics of one array of constants, taken a part at a time."""
    found, flat = TensorStatistics(), array.reshape(-1)
    for start in range(0, flat.size, PART):
        found.add(flat[start : start + PART])
    return found


def shape_of(shape: Sequence[int]) -> list[int]:
    """A shape as JSON has it."""
    return [int(extent) for extent in shape]
