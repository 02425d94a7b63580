"""Made-up people: embeddings that lie around a direction of their own."""

import numpy as np

from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.gallery import build
from refnet.provenance import Provenance

FROM = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB, values 0..255", "1", "2")


def embeddings(rows, names=None, provenance=FROM):
    """Rows as a set of embeddings."""
    rows = np.asarray(rows)
    return EmbeddingSet(tuple(names or (f"{i}.png" for i in range(len(rows)))), rows, provenance)


def crowd(people=20, images=3, dimension=64, seed=0):
    """(labels, names, (N, D) float32): every person has a few images."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, 1, dimension))
    rows = (centres + 0.7 * rng.normal(size=(people, images, dimension))).reshape(-1, dimension).astype(np.float32)
    labels = [f"person {i:03d}" for i in range(people) for _ in range(images)]
    return labels, [f"{label}/{i % images}.png" for i, label in enumerate(labels)], rows


def gallery_of(labels, names, rows, provenance=FROM):
    """A gallery of them."""
    return build(embeddings(rows, names, provenance), labels).gallery
