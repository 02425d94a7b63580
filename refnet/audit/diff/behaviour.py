"""How far two models' tensors are apart on the same images, layer by layer in float64, and what it does to embeddings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from refnet import reference
from refnet.audit.diff.pairing import Pairing
from refnet.audit.diff.structure import place_of
from refnet.audit.difference import difference
from refnet.audit.steps import Arrivals
from refnet.faces.similarity import similarity
from refnet.graph import Array
from refnet.network import Network

RESOLVED = 1e-6  # relative L2 that float32 computations can tell; below it lie roundings


@dataclass(frozen=True)
class LayerDivergence:
    """One pair of tensors: relative L2 and largest absolute difference of b's beside a's; None where shapes differ."""

    where: str
    op: str
    relative_l2: float | None
    max_abs: float | None


@dataclass(frozen=True)
class Behaviour:
    """What two models make of the same images.

    Attributes
    ----------
    images : how many.
    layers : in the order of a.
    one_minus_cosine : between the two embeddings of each image; None if their lengths differ.
    largest_change_of_similarity : over all pairs of images; None for one image.
    """

    images: int
    layers: tuple[LayerDivergence, ...]
    one_minus_cosine: tuple[float, ...] | None
    largest_change_of_similarity: float | None

    @property
    def first(self) -> LayerDivergence | None:
        """The first tensor that differs at all."""
        return next((it for it in self.layers if it.relative_l2 != 0), None)

    @property
    def first_resolved(self) -> LayerDivergence | None:
        """The first that differs by more than `RESOLVED`."""
        return next((it for it in self.layers if it.relative_l2 is None or it.relative_l2 > RESOLVED), None)


def diff_behaviour(
    a: Network, b: Network, pixels: Array, pairing: Pairing, progress: Callable[[], object] = lambda: None
) -> Behaviour:
    """Compute both in float64 and compare each pair of tensors.

    Parameters
    ----------
    a, b : Network
    pixels : (N, 3, H, W), 0..255
        Each network gets them as its own input takes them.
    pairing : of their graphs
    progress : called after every layer
    """
    pairs = {it.a.output: it for it in pairing.pairs}
    others = frozenset(it.b.output for it in pairing.pairs)
    ends: tuple[dict[str, Array], dict[str, Array]] = ({}, {})
    rest = _stream(b, pixels, others, ends[1])
    arriving = Arrivals(rest, others)
    layers = []
    for name, ours in _stream(a, pixels, frozenset(pairs), ends[0]):
        theirs = arriving.take(pairs[name].b.output)
        layers.append(_layer(place_of(pairs[name]), pairs[name].a.op, ours, theirs))
        progress()
    for _ in rest:  # to b's outputs, if they have no counterpart
        pass
    return Behaviour(len(pixels), tuple(layers), *_embeddings(*(_only(found) for found in ends)))


def _stream(
    network: Network, pixels: Array, names: frozenset[str], ends: dict[str, Array]
) -> Iterator[tuple[str, Array]]:
    """The tensors of those names; the graph's outputs are kept in `ends` on the way."""
    outputs = {tensor.name for tensor in network.graph.outputs}
    for name, array in reference.stream(network.graph, {network.contract.name: network.contract.prepare(pixels)}):
        if name in outputs:
            ends[name] = array
        if name in names:
            yield name, array


def _only(ends: dict[str, Array]) -> Array | None:
    """The output, if there is one."""
    return next(iter(ends.values())) if len(ends) == 1 else None


def _layer(where: str, op: str, ours: Array, theirs: Array | None) -> LayerDivergence:
    if theirs is None or ours.shape != theirs.shape:
        return LayerDivergence(where, op, None, None)
    figures = difference(theirs, ours)
    return LayerDivergence(where, op, figures.relative_l2, figures.max_abs)


def _embeddings(a: Array | None, b: Array | None) -> tuple[tuple[float, ...] | None, float | None]:
    """1 - cosine of each image, and the largest change of a similarity; None where they cannot be compared."""
    if a is None or b is None or a.shape != b.shape or a.ndim != 2 or not np.isfinite([a, b]).all():
        return None, None
    if not (a.any(axis=1).all() and b.any(axis=1).all()):
        return None, None
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b)]
    chords = np.square(units[0] - units[1]).sum(axis=1)  # |u - v|^2 = 2 - 2 cosine, and keeps the digits
    changes = [abs(similarity(a[i], a[j]) - similarity(b[i], b[j])) for i, j in combinations(range(len(a)), 2)]
    return tuple(float(chord) / 2 for chord in chords), max(changes, default=None)
