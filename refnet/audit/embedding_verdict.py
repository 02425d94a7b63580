"""What a difference between two runtimes means for recognition: angles, similarities, decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from refnet.graph import Array


@dataclass(frozen=True)
class ImageVerdict:
    """One image's embedding from two sides.

    Attributes
    ----------
    cosine, one_minus_cosine, angle_degrees : between ours and theirs; the last two keep their digits where they are tiny.
    relative_l2 : ||ours - theirs|| / ||theirs||
    ours_relative_l2, theirs_relative_l2 : of each beside the float64 embedding
    """

    cosine: float
    one_minus_cosine: float
    angle_degrees: float
    relative_l2: float
    ours_relative_l2: float
    theirs_relative_l2: float


@dataclass(frozen=True)
class EmbeddingVerdict:
    """All images, and the pairs among them.

    Attributes
    ----------
    images : one each
    largest_change_of_similarity : over all pairs of the images, |ours - theirs|; None for a single image.
    margin : no similarity of such a pair can differ by more: the sum of the two largest angles, in radians; for a single
        image its angle, for pairs with an embedding that both sides share.
    sentence : what that means for decisions.
    """

    images: tuple[ImageVerdict, ...]
    largest_change_of_similarity: float | None
    margin: float
    sentence: str


def embedding_verdict(ours: Array, theirs: Array, exact: Array) -> EmbeddingVerdict:
    """Judge embeddings (N, D) of the same images from two sides, beside those in float64."""
    a, b, e = (np.asarray(side, dtype=np.float64) for side in (ours, theirs, exact))
    rows = tuple(_image(*image) for image in zip(a, b, e, strict=True))
    radians = sorted((np.radians(row.angle_degrees) for row in rows), reverse=True)
    margin = float(sum(radians[:2]))
    change = _largest_change(_unit(a), _unit(b))
    pairs = "of this image with any embedding" if change is None else "of any two of these images"
    sentence = (
        f"No decision on the similarity {pairs}, at any threshold t, can differ between the two "
        f"unless the similarity is within {1.05 * margin:.1e} of t."  # two digits, never rounded down
    )
    return EmbeddingVerdict(rows, change, margin, sentence)


def _image(ours: Array, theirs: Array, exact: Array) -> ImageVerdict:
    """One image; the chord between unit vectors keeps the digits that 1 - cosine would lose."""
    chord = float(np.linalg.norm(_unit(ours) - _unit(theirs)))
    return ImageVerdict(
        cosine=1 - chord**2 / 2,
        one_minus_cosine=chord**2 / 2,
        angle_degrees=float(np.degrees(2 * np.arcsin(min(1.0, chord / 2)))),
        relative_l2=_relative(ours, theirs),
        ours_relative_l2=_relative(ours, exact),
        theirs_relative_l2=_relative(theirs, exact),
    )


def _largest_change(ours: Array, theirs: Array) -> float | None:
    """The largest change of a cosine over all pairs of unit embeddings."""
    pairs: Sequence[tuple[int, int]] = list(combinations(range(len(ours)), 2))
    return max((abs(float(ours[i] @ ours[j] - theirs[i] @ theirs[j])) for i, j in pairs), default=None)


def _unit(vectors: Array) -> Array:
    """Along the last axis of length 1; zero stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = vectors / np.where(norms > 0, norms, 1)
    return unit


def _relative(actual: Array, expected: Array) -> float:
    """||actual - expected|| / ||expected||; where expected is zero, 0 or 1."""
    length = float(np.linalg.norm(expected))
    error = float(np.linalg.norm(actual - expected))
    return error / length if length else float(error > 0)
