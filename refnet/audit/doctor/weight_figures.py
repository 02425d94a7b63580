"""Every weight looked through once: what the checks of weights need to know of each tensor, and no tensor kept.

Middle and spread are robust (median, and median absolute deviation times 1.4826, which is the standard deviation for
normal weights), from at most `SAMPLE` evenly spaced numbers of a tensor.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refnet.graph import Array, Graph, Shape

Role = Literal["weight", "bias", "gamma", "beta", "mean", "variance", "slope", "other"]

SAMPLE = 1 << 20
ZERO = 1e-8  # a filter with no larger weight is dead; insightface's converter from MXNet sets such weights to 0
SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)
_BATCH_NORMALIZATION: tuple[Role, ...] = ("gamma", "beta", "mean", "variance")


@dataclass(frozen=True)
class Outlier:
    """The number furthest from the middle of its tensor.

    Attributes
    ----------
    index, value
    deviations : how many robust standard deviations it is from the median; 0 where over half the numbers are equal.
    isolation : its distance from the median, divided by that of the next furthest.
    """

    index: tuple[int, ...]
    value: float
    deviations: float
    isolation: float


@dataclass(frozen=True)
class WeightFigures:
    """One tensor of constants.

    Attributes
    ----------
    name, shape, role
    node : the node that reads it.
    low, high : its extremes.
    subnormal : how many numbers are so small that float32 keeps fewer digits of them.
    outlier : None for tensors of fewer than 32 numbers.
    dead : which filters (rows of a weight) hold nothing but zeros.
    twins : pairs of equal filters that are not dead.
    digest : of its bytes; empty where all its numbers are equal, or are fewer than 16.
    """

    name: str
    shape: Shape
    role: Role
    node: str
    low: float
    high: float
    subnormal: int
    outlier: Outlier | None
    dead: tuple[int, ...]
    twins: tuple[tuple[int, int], ...]
    digest: str

    @property
    def count(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape))


def weight_figures(graph: Graph) -> Iterator[WeightFigures]:
    """Read one tensor after the other, in the order of the file."""
    places = roles(graph)
    for name in graph.constants:
        array = graph.constants[name]
        if array.dtype.kind == "f" and array.size:
            yield _figures(name, array, *places.get(name, ("other", "")))


def roles(graph: Graph) -> dict[str, tuple[Role, str]]:
    """What each constant is to the first node that reads it; a slope is found through the Reshape before it."""
    behind = {node.output: node.inputs[0] for node in graph.nodes if node.op == "Reshape"}
    found: dict[str, tuple[Role, str]] = {}
    for node in graph.nodes:
        named: tuple[Role, ...] = ()
        if node.op in ("Conv", "Gemm", "MatMul"):
            named = ("weight", "bias")
        elif node.op == "BatchNormalization":
            named = _BATCH_NORMALIZATION
        elif node.op == "PRelu":
            named = ("slope",)
        for name, role in zip(node.inputs[1:], named, strict=False):
            found.setdefault(behind.get(name, name), (role, node.name))
    return found


def _figures(name: str, array: Array, role: Role, node: str) -> WeightFigures:
    magnitude = abs(array)
    low, high = float(array.min()), float(array.max())
    dead: tuple[int, ...] = ()
    twins: tuple[tuple[int, int], ...] = ()
    if role == "weight" and array.ndim > 1:
        largest = magnitude.reshape(len(array), -1).max(axis=1)
        dead = tuple(int(i) for i in np.flatnonzero(largest <= ZERO))
        twins = tuple(_twins(array, frozenset(dead)))
    return WeightFigures(
        name=name,
        shape=array.shape,
        role=role,
        node=node,
        low=low,
        high=high,
        subnormal=int(np.count_nonzero((magnitude > 0) & (magnitude < SMALLEST_NORMAL))),
        outlier=_outlier(array) if array.size >= 32 else None,
        dead=dead,
        twins=twins,
        digest=_digest(array) if array.size >= 16 and low < high else "",
    )


def _outlier(array: Array) -> Outlier:
    """The number furthest from the middle."""
    flat = array.reshape(-1)
    sample = flat[:: -(-flat.size // SAMPLE)].astype(np.float64)
    middle = float(np.median(sample))
    spread = 1.4826 * float(np.median(abs(sample - middle)))
    distance = abs(flat - np.float32(middle))
    first = int(distance.argmax())
    furthest = float(distance[first])
    distance[first] = -1
    following = float(distance.max())
    return Outlier(
        index=tuple(int(i) for i in np.unravel_index(first, array.shape)),
        value=float(flat[first]),
        deviations=furthest / spread if spread else 0.0,
        isolation=furthest / following if following > 0 else 1.0,
    )


def _twins(weight: Array, dead: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Equal filters of at least 9 numbers."""
    if weight[0].size < 9:
        return
    seen: dict[str, int] = {}
    for i, row in enumerate(weight):
        if i not in dead:
            first = seen.setdefault(_digest(row), i)
            if first != i:
                yield first, i


def _digest(array: Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
