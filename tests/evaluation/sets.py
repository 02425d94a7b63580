"""Sets of pairs without pictures, for tests that begin at embeddings."""

from collections.abc import Sequence

import numpy as np

from refnet.evaluation.embedded import PairEmbeddings
from refnet.evaluation.pairs import PairSet
from refnet.graph import Array
from refnet.provenance import Provenance

ORIGIN = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB, values 0..255", "0", "0")


def pair_set(
    same: Sequence[bool],
    name: str = "set.bin",
    groups: Sequence[str] | None = None,
    people: Sequence[str] | None = None,
) -> PairSet:
    """Pair k is images 2k and 2k + 1."""

    def crop(index: int, height: int, width: int) -> Array:
        raise AssertionError(f"image {index} is decoded")

    first = np.arange(len(same)) * 2
    names = tuple(f"image {n}" for n in range(2 * len(same)))
    return PairSet(
        name, names, crop, first, first + 1, np.array(same, bool), groups=None if groups is None else tuple(groups),
        people=None if people is None else tuple(people),
    )  # fmt: skip


def embeddings_of(cosines: Sequence[float], mirrored: bool = True) -> PairEmbeddings:
    """Embeddings in the plane whose pairs have these cosines."""
    rows = np.array([row for c in cosines for row in ((1.0, 0.0), (c, np.sqrt(1 - c * c)))])
    return PairEmbeddings(rows, rows if mirrored else None, ORIGIN)
