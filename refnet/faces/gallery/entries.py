"""A gallery: labelled embeddings of one model and pipeline, in one order.

An entry is an image of a person: label, the image's name, its raw embedding in float32. Entries are sorted by label,
then name, then numbers, so that a gallery does not depend on the order in which it was made.

The same numbers under the same label are one entry; what is there stays. The same name under the same label with
other numbers is another entry: nothing is ever replaced, only removed. The same numbers under two labels are kept, and
told: one of the labels is wrong, or one image shows two people.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from refnet.errors import InputError, ShapeError, UsageError
from refnet.faces.embedding_file import EmbeddingSet, why_not_comparable
from refnet.faces.gallery.labels import clean_label
from refnet.graph import Array
from refnet.provenance import Provenance

SHORTEST, LONGEST = 2.0**-60, 2.0**60  # lengths of embeddings between which float32 products keep their precision


@dataclass(frozen=True)
class Gallery:
    """Known faces, at least one.

    Attributes
    ----------
    labels, names : tuple of str
        One an entry, in the gallery's order.
    embeddings : (N, D) float32
        Raw, not of unit length.
    provenance : Provenance
        Of its first entries.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    embeddings: Array
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """Every label once, sorted."""
        return tuple(label for label, _ in groupby(self.labels))

    @cached_property
    def starts(self) -> Array:
        """(I,) int64: the first entry of each identity."""
        return np.flatnonzero([i == 0 or self.labels[i] != self.labels[i - 1] for i in range(len(self.labels))])

    @cached_property
    def norms(self) -> Array:
        """(N,) float32 lengths of the embeddings."""
        return _norms(self.embeddings).astype(np.float32)

    def entries_of(self, identity: int) -> range:
        """The entries of an identity, by its place in `identities`."""
        end = self.starts[identity + 1] if identity + 1 < len(self.starts) else len(self)
        return range(int(self.starts[identity]), int(end))

    def check_comparable(self, embeddings: EmbeddingSet) -> None:
        """Refuse embeddings that do not come from the gallery's model and pipeline.

        Raises
        ------
        InputError
        """
        if reason := why_not_comparable(self, embeddings):
            raise InputError(f"{embeddings.names[0]} and the gallery cannot be compared: {reason}")


@dataclass(frozen=True)
class Merged:
    """A gallery after entries were added.

    Attributes
    ----------
    gallery : Gallery
    added, known : int
        Entries that were new, and that were there already.
    """

    gallery: Gallery
    added: int
    known: int


def build(embeddings: EmbeddingSet, labels: Sequence[str]) -> Merged:
    """Make a gallery of labelled embeddings; refuses as `merge` does."""
    empty = Gallery((), (), np.zeros((0, embeddings.embeddings.shape[1]), np.float32), embeddings.provenance)
    return merge(empty, embeddings, labels)


def merge(gallery: Gallery, embeddings: EmbeddingSet, labels: Sequence[str]) -> Merged:
    """Add labelled embeddings.

    Parameters
    ----------
    gallery : Gallery
    embeddings : EmbeddingSet
        Of the gallery's model and pipeline; numbers are rounded to float32.
    labels : one an embedding

    Raises
    ------
    InputError
        If they come from another model or pipeline, or an embedding has no direction that float32 holds.
    UsageError
        If a label is empty or too long.
    """
    if len(labels) != len(embeddings.names):
        raise ShapeError(f"there are {len(labels)} labels for {len(embeddings.names)} embeddings; expected as many")
    gallery.check_comparable(embeddings)
    rows = as_float32(embeddings)
    seen = {(label, _digest(row)) for label, row in zip(gallery.labels, gallery.embeddings, strict=True)}
    fresh: list[tuple[str, str, Array]] = []
    for label, name, row in zip(map(clean_label, labels), embeddings.names, rows, strict=True):
        if (key := (label, _digest(row))) not in seen:
            seen.add(key)
            fresh.append((label, name, row))
    merged = ordered(
        [*gallery.labels, *(label for label, _, _ in fresh)],
        [*gallery.names, *(name for _, name, _ in fresh)],
        np.concatenate([gallery.embeddings, np.array([row for _, _, row in fresh], np.float32).reshape(-1, rows.shape[1])]),
        gallery.provenance,
    )  # fmt: skip
    return Merged(merged, len(fresh), len(rows) - len(fresh))


def remove(gallery: Gallery, labels: Iterable[str] = (), names: Iterable[str] = ()) -> Gallery:
    """Take out identities by label, and entries by the name of their image.

    Raises
    ------
    UsageError
        If a label or name is not in the gallery, or nothing would be left.
    """
    gone_labels, gone_names = {clean_label(label) for label in labels}, set(names)
    for what, asked, there in (("identity", gone_labels, gallery.labels), ("image", gone_names, gallery.names)):
        if unknown := sorted(asked - set(there)):
            raise UsageError(f"no {what} in the gallery is called {unknown[0]!r}")
    keep = [
        i
        for i, (label, name) in enumerate(zip(gallery.labels, gallery.names, strict=True))
        if label not in gone_labels and name not in gone_names
    ]
    if not keep:
        raise UsageError("nothing would be left in the gallery; remove its file instead")
    return Gallery(
        tuple(gallery.labels[i] for i in keep),
        tuple(gallery.names[i] for i in keep),
        gallery.embeddings[keep],
        gallery.provenance,
    )


def shared_embeddings(gallery: Gallery) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield entries, as (label, name), whose numbers stand under another label too."""
    first: dict[bytes, int] = {}
    for i, row in enumerate(gallery.embeddings):
        other = first.setdefault(_digest(row), i)
        if gallery.labels[other] != gallery.labels[i]:
            yield (gallery.labels[other], gallery.names[other]), (gallery.labels[i], gallery.names[i])


def ordered(labels: Sequence[str], names: Sequence[str], embeddings: Array, provenance: Provenance) -> Gallery:
    """A gallery of these entries, in its order."""
    pairs = zip(labels, labels[1:], names, names[1:], strict=False)
    if all(a < b or (a == b and c < d) for a, b, c, d in pairs):  # as in every file that was written
        return Gallery(tuple(labels), tuple(names), embeddings, provenance)
    order: list[int] = []
    for _, group in groupby(
        sorted(range(len(labels)), key=lambda i: (labels[i], names[i])), lambda i: (labels[i], names[i])
    ):
        same = list(group)
        order += sorted(same, key=lambda i: embeddings[i].tobytes()) if len(same) > 1 else same
    return Gallery(tuple(labels[i] for i in order), tuple(names[i] for i in order), embeddings[order], provenance)


def as_float32(embeddings: EmbeddingSet) -> Array:
    """The raw embeddings as a gallery keeps them and searches with them: (N, D) float32.

    Raises
    ------
    InputError
        If one is not finite, or its length is not one that float32 can be computed with.
    """
    with np.errstate(over="ignore"):
        rows: Array = embeddings.embeddings.astype(np.float32, copy=False)
    norms = _norms(rows)
    bad = np.flatnonzero(~((norms >= SHORTEST) & (norms <= LONGEST)))
    if len(bad):
        raise InputError(
            f"{embeddings.names[bad[0]]}: the length of its embedding is {norms[bad[0]]:g}; "
            f"expected {SHORTEST:.0e} to {LONGEST:.0e}"
        )
    return rows


def _digest(row: Array) -> bytes:
    """What stands for an embedding where many are held against each other."""
    return hashlib.sha256(row.tobytes()).digest()


def _norms(rows: Array) -> Array:
    """(N,) float64 lengths; infinite or NaN where a row is not finite. Works through the rows in pieces."""
    pieces = [rows[i : i + 4096].astype(np.float64) for i in range(0, len(rows), 4096)]
    return np.concatenate([np.sqrt(np.einsum("nd,nd->n", piece, piece)) for piece in pieces] or [np.zeros(0)])
