"""Where two models' weights differ, down to one unit in the last place of one number; a pair of tensors at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refnet.audit.diff.pairing import Pairing, parameter_pairs, squeezed
from refnet.audit.diff.structure import place_of
from refnet.graph import Array, Graph, Shape

PART = 1 << 20  # numbers compared at a time


@dataclass(frozen=True)
class WeightDifference:
    """Two tensors that hold other numbers.

    Attributes
    ----------
    a, b : their names.
    where : the node that reads them.
    shape : of a's.
    count, total : numbers that differ, and all.
    first : index of the first that differs.
    a_first, b_first : the two numbers there.
    max_abs : the largest difference.
    relative_l2 : length of the difference as a share of a's; infinite if a's is zero.
    max_ulp : the largest distance in float32 numbers: 1 for neighbours. 0 for integers.
    """

    a: str
    b: str
    where: str
    shape: Shape
    count: int
    total: int
    first: tuple[int, ...]
    a_first: float
    b_first: float
    max_abs: float
    relative_l2: float
    max_ulp: int


@dataclass(frozen=True)
class WeightsDiff:
    """How many tensors and numbers were compared, and those that differ, in the order of the graph."""

    tensors: int
    numbers: int
    differences: tuple[WeightDifference, ...]


def diff_weights(a: Graph, b: Graph, pairing: Pairing, progress: Callable[[], object] = lambda: None) -> WeightsDiff:
    """Compare every constant that has a counterpart of the same shape; one pair is in memory at a time."""
    tensors = numbers = 0
    differences = []
    for it, name, other in parameter_pairs(a, b, pairing):
        one, two = a.constants[name], b.constants[other]
        progress()
        if squeezed(one.shape) != squeezed(two.shape):
            continue  # a difference in structure, which is said there
        tensors += 1
        numbers += one.size
        found = compare_arrays(one, two)
        if found is not None:
            differences.append(WeightDifference(name, other, place_of(it), one.shape, *found))
    return WeightsDiff(tensors, numbers, tuple(differences))


_Found = tuple[int, int, tuple[int, ...], float, float, float, float, int]


def compare_arrays(a: Array, b: Array) -> _Found | None:
    """What `WeightDifference` says of two arrays of as many numbers; None where all are equal (0 equals -0)."""
    one, two = a.reshape(-1), b.reshape(-1)
    count = ulp = 0
    first = -1
    largest = squares = length = 0.0
    for start in range(0, one.size, PART):
        x, y = one[start : start + PART], two[start : start + PART]
        differ = x != y
        wide = x.astype(np.float64)
        length += float(wide @ wide)
        if not differ.any():
            continue
        if first < 0:
            first = start + int(differ.argmax())
        count += int(np.count_nonzero(differ))
        distance = abs(wide - y.astype(np.float64))
        largest = max(largest, float(distance.max()))
        squares += float(distance @ distance)
        if x.dtype == y.dtype == np.float32:
            ulp = max(ulp, int(ulp_distance(x, y).max()))
    if not count:
        return None
    index = tuple(int(i) for i in np.unravel_index(first, a.shape))
    relative = float(np.sqrt(squares / length)) if length else float("inf")
    return count, one.size, index, float(one[first]), float(two[first]), largest, relative, ulp


def ulp_distance(x: Array, y: Array) -> Array:
    """How many float32 numbers lie between, plus one; 0 for equal ones, and between 0 and -0.

    Examples
    --------
    >>> one = np.float32([1, 1, -0.0, 1e-45])
    >>> ulp_distance(one, np.float32([1, np.nextafter(np.float32(1), np.float32(2)), 0, -1e-45])).tolist()
    [0, 1, 0, 2]
    """
    distance: Array = abs(_ordered(x) - _ordered(y))
    return distance


def _ordered(x: Array) -> Array:
    """float32 numbers as integers in the same order."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.int32).astype(np.int64)
    ordered: Array = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return ordered
