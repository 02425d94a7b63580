"""What the tensors inside a network are like over many images, without keeping them.

Every tensor is seen once an image and let go; what stays is a few numbers and a histogram. Mean and deviation are merged
as Chan, Golub and LeVeque do (Technical Report STAN-CS-79-773, 1979, equation 2.1), which loses no digits where a sum of
squares would.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnet.errors import UsageError
from refnet.graph import Array, Graph
from refnet.network import Network
from refnet.reference import matching

LOWEST, HIGHEST = -20, 20  # powers of two at which the histogram's smallest and largest magnitudes begin
LEVELS = HIGHEST - LOWEST + 1
BINS = 2 * LEVELS + 1


def bin_edges() -> list[float]:
    """The histogram's edges: -inf, -2**20, -2**19 .. -2**-20, 2**-20 .. 2**20, inf; the middle bin holds 0.

    Fixed, so that histograms of different images and models can be added and compared; and powers of two, in which a
    number's bin is its exponent. A magnitude on an edge belongs to the bin further from 0.
    """
    magnitudes = [2.0**power for power in range(LOWEST, HIGHEST + 1)]
    return [-math.inf, *(-m for m in reversed(magnitudes)), *magnitudes, math.inf]


@dataclass
class TensorStatistics:
    """What one tensor was like; grows with every `add`.

    Attributes
    ----------
    count : elements seen, those that are no numbers left out.
    not_finite : how many were NaN or infinite; nothing else counts them.
    low, high : the range.
    mean, deviation : the latter of the elements themselves, divided by their count.
    zeros, negatives : how many.
    at_low, at_high : how many elements are just `low`, or just `high`: many, where something saturates.
    channel_low, channel_high, channel_mean : (C,) of axis 1; None where there is no such axis.
    histogram : (83,) counts, in the bins of `bin_edges`.
    """

    count: int = 0
    not_finite: int = 0
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    zeros: int = 0
    negatives: int = 0
    at_low: int = 0
    at_high: int = 0
    channel_low: Array | None = None
    channel_high: Array | None = None
    channel_mean: Array | None = None
    channel_count: int = 0
    histogram: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def deviation(self) -> float:
        """Root mean square of what elements differ from their mean by."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan

    @property
    def dead_channels(self) -> list[int]:
        """Channels with the same value at every position of every image: they say nothing of the image."""
        if self.channel_low is None or self.channel_high is None or self.count < 2 * len(self.channel_low):
            return []
        return [int(channel) for channel in np.flatnonzero(self.channel_low == self.channel_high)]

    def add(self, x: Array) -> None:
        """Take in one more array, (N, ...) or (N, C, ...); C is the same every time."""
        x = x.astype(np.float64, copy=False)
        finite = np.isfinite(x)
        if not finite.all():
            self.not_finite += int(x.size - finite.sum())
        elif x.ndim >= 2:
            self._add_channels(x)
        values = x[finite]
        if values.size == 0:
            return
        self._add_moments(values)
        self._add_range(values)
        self.zeros += int((values == 0).sum())
        self.negatives += int((values < 0).sum())
        level = np.clip(np.where(values == 0, LOWEST, np.frexp(values)[1]) - LOWEST, 0, LEVELS)
        self.histogram += np.bincount(LEVELS + np.sign(values).astype(np.int64) * level, minlength=BINS)

    def _add_moments(self, values: Array) -> None:
        """Merge mean and squares (Chan et al.)."""
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        together = self.count + values.size
        shift = mean - self.mean
        self.squares += squares + shift * shift * self.count * values.size / together
        self.mean += shift * values.size / together
        self.count = together

    def _add_range(self, values: Array) -> None:
        """Merge the range, and how many elements are at its ends."""
        low, high = float(values.min()), float(values.max())
        if low <= self.low:
            self.at_low = int((values == low).sum()) + (self.at_low if low == self.low else 0)
            self.low = low
        if high >= self.high:
            self.at_high = int((values == high).sum()) + (self.at_high if high == self.high else 0)
            self.high = high

    def _add_channels(self, x: Array) -> None:
        """Merge the range and the mean of every channel."""
        others = (0, *range(2, x.ndim))
        low, high, mean = x.min(axis=others), x.max(axis=others), x.mean(axis=others)
        count = x.size // max(x.shape[1], 1)
        if self.channel_low is None or self.channel_high is None or self.channel_mean is None:
            self.channel_low, self.channel_high, self.channel_mean = low, high, mean
        else:
            self.channel_low, self.channel_high = np.minimum(self.channel_low, low), np.maximum(self.channel_high, high)
            self.channel_mean = self.channel_mean + (mean - self.channel_mean) * count / (self.channel_count + count)
        self.channel_count += count

    def to_json(self) -> dict[str, Any]:
        """A plain dict; shares are fractions of `count`, None where nothing was counted."""
        seen = self.count > 0
        return {
            "count": self.count,
            "not_finite": self.not_finite,
            "min": self.low if seen else None,
            "max": self.high if seen else None,
            "mean": self.mean if seen else None,
            "std": self.deviation if seen else None,
            "zeros": self.zeros / self.count if seen else None,
            "negatives": self.negatives / self.count if seen else None,
            "at_min": self.at_low / self.count if seen else None,
            "at_max": self.at_high / self.count if seen else None,
            "channels": None if self.channel_low is None else len(self.channel_low),
            "dead_channels": self.dead_channels,
            "histogram": [int(count) for count in self.histogram],
        }


def statistics(
    network: Network, batches: Iterable[Array], patterns: Sequence[str] = ("*",)
) -> dict[str, TensorStatistics]:
    """Run the float64 reference over batches of images and describe the tensors that match.

    Parameters
    ----------
    network : Network
    batches : (N, C, H, W) arrays
        As `Network.__call__` takes them; memory grows with N, results do not depend on how images are batched, but for
        rounding.
    patterns : names or globs

    Returns
    -------
    {tensor: TensorStatistics}, in the graph's order; tensors that no image changes are left out.

    Raises
    ------
    UsageError
        If a pattern matches no tensor, or nothing that images change. Otherwise as `Network.__call__`.
    """
    found = {name: TensorStatistics() for name in described(network.graph, patterns)}
    for images in batches:
        for name, array in network.stream(images, patterns):
            if name in found:
                found[name].add(array)
    return found


def described(graph: Graph, patterns: Sequence[str]) -> list[str]:
    """The tensors that match and that images change, in the graph's order."""
    chosen = matching(graph, patterns)
    changing = {tensor.name for tensor in graph.inputs}
    for node in graph.nodes:
        if changing.intersection(node.inputs):
            changing.add(node.output)
    names = [node.output for node in graph.nodes if node.output in chosen & changing]
    if not names:
        raise UsageError(f"{', '.join(map(repr, patterns))} match only tensors that no image changes")
    return names
