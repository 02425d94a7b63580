"""1:N search that is exact: the identities most alike a probe, by the similarity of their most alike image.

A matrix product in float32 goes over the whole gallery, and the entries that could still be among the best given its
rounding are then compared one by one with `refnet.similarity`. So the answer is that of comparing the probe with every
entry by itself: it does not depend on the gallery's order, on other probes, on the BLAS library or its threads.

The rounding: for unit vectors, products added in any order, with or without fused multiply-adds, differ from the exact
sum by at most gamma(D) = D u / (1 - D u), u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
section 3.1); rounding the probe's direction, the length and the quotient adds less than 4 u.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refnet.errors import UsageError
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.gallery.entries import Gallery, as_float32
from refnet.faces.similarity import similarity
from refnet.faces.thresholds import Threshold
from refnet.graph import Array

UNIT_ROUNDOFF = 2.0**-24
SCORES = 1 << 24  # float32 numbers at a time: 64 MB


@dataclass(frozen=True)
class Candidate:
    """An identity, its similarity to a probe, and the image that is most alike."""

    label: str
    similarity: float
    name: str


def search(gallery: Gallery, probes: EmbeddingSet, count: int = 5) -> list[list[Candidate]]:
    """Rank identities for every probe.

    Parameters
    ----------
    gallery : Gallery
    probes : EmbeddingSet
        Of the gallery's model and pipeline; numbers are rounded to float32.
    count : int
        Identities a probe; fewer if the gallery has fewer.

    Returns
    -------
    One list a probe, most alike first; at the same similarity in the order of labels, and of names within one.

    Raises
    ------
    InputError
        If the probes come from another model or pipeline, or one has no direction.
    UsageError
        If `count` is not positive.
    """
    check_search(gallery, probes, count)
    return [
        best_identities(gallery, probe, _contenders(gallery, scores, count), count)
        for probe, scores in _scored(gallery, as_float32(probes))
    ]


def check_search(gallery: Gallery, probes: EmbeddingSet, count: int) -> None:
    """Refuse a search that cannot be meant."""
    if count < 1:
        raise UsageError(f"{count} identities were asked for; expected at least 1")
    gallery.check_comparable(probes)


def decide(candidates: Sequence[Candidate], threshold: Threshold) -> Candidate | None:
    """The best candidate if it is alike enough; None for an unknown face."""
    best = candidates[0] if candidates else None
    return best if best is not None and best.similarity >= threshold.cosine else None


def best_identities(gallery: Gallery, probe: Array, entries: Sequence[int], count: int) -> list[Candidate]:
    """Compare a probe with entries one by one; the best of each identity, best first."""
    best: dict[str, Candidate] = {}
    for entry in sorted(entries):
        label, name = gallery.labels[entry], gallery.names[entry]
        alike = similarity(probe, gallery.embeddings[entry])
        if label not in best or alike > best[label].similarity:
            best[label] = Candidate(label, alike, name)
    return sorted(best.values(), key=lambda candidate: (-candidate.similarity, candidate.label))[:count]


def _scored(gallery: Gallery, probes: Array) -> Iterator[tuple[Array, Array]]:
    """Each probe with its cosines to all entries, as float32 gives them."""
    at_once = max(1, SCORES // len(gallery))
    for i in range(0, len(probes), at_once):
        some = probes[i : i + at_once]
        directions = (some / np.linalg.norm(some.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)
        scores = directions @ gallery.embeddings.T
        scores /= gallery.norms
        yield from zip(some, scores, strict=True)


def _contenders(gallery: Gallery, scores: Array, count: int) -> list[int]:
    """The entries that could be the most alike of one of the best identities, given the rounding of their scores."""
    terms = gallery.embeddings.shape[1] + 4
    margin = 2 * terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
    best = np.maximum.reduceat(scores, gallery.starts)
    least = np.partition(best, -count)[-count] if count < len(best) else -np.inf
    entries: list[int] = []
    for identity in np.flatnonzero(best >= least - margin):
        its = gallery.entries_of(int(identity))
        entries += [its.start + int(i) for i in np.flatnonzero(scores[its.start : its.stop] >= best[identity] - margin)]
    return entries
