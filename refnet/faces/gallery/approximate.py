"""1:N search that looks at a part of the gallery: for galleries so large that exact search takes too long.

The index is usearch's HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over the embeddings' directions in float32.
Once one image of an identity is found, all its images are compared exactly, so similarities are the numbers of exact
search; but an identity may be missed, and which one depends on how the graph was built, which several threads do in an
order that is not fixed. docs/gallery.md says how much is missed, and from which size on it is worth it.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from refnet.cache_folder import cache_folder, make_own_folder, open_own
from refnet.errors import InputError, MissingExtraError, RefnetError
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.gallery.entries import Gallery, as_float32
from refnet.faces.gallery.exact import Candidate, best_identities, check_search
from refnet.files import replacing, sweep
from refnet.graph import Array
from refnet.opening import reading

_log = logging.getLogger(__name__)

CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 32, 128, 256
ENTRIES_AN_IDENTITY, MORE_ENTRIES = 4, 28  # entries looked up for k identities: 4 k + 28
BLOCK = 1 << 16  # entries given to usearch at a time


class ApproximateIndex:
    """A graph over the entries of one gallery.

    Parameters
    ----------
    gallery : Gallery
    kept : bytes, optional
        What `save` gave for the same gallery; without it the graph is built, which takes minutes for 100,000 entries.

    Raises
    ------
    MissingExtraError
        If usearch is not installed.
    ValueError
        If `kept` is no index, or that of a gallery of another size.
    """

    def __init__(self, gallery: Gallery, kept: bytes | None = None) -> None:
        self.gallery = gallery
        rows = gallery.embeddings
        self._index = _empty_index(rows.shape[1])
        if kept is not None:
            self._restore(kept)
            return
        for i in range(0, len(rows), BLOCK):
            self._index.add(np.arange(i, min(i + BLOCK, len(rows))), rows[i : i + BLOCK])

    def save(self) -> bytes:
        """The graph, to be kept."""
        kept: bytes = self._index.save()
        return kept

    def search(self, probes: EmbeddingSet, count: int = 5) -> list[list[Candidate]]:
        """Rank identities as `refnet.faces.gallery.search` does; some that belong there may be missing."""
        check_search(self.gallery, probes, count)
        rows = as_float32(probes)
        wanted = min(len(self.gallery), ENTRIES_AN_IDENTITY * count + MORE_ENTRIES)
        return [
            best_identities(self.gallery, row, self._entries(self._index.search(row, wanted).keys), count)
            for row in rows
        ]

    def _entries(self, found: Array) -> list[int]:
        """All entries of the identities of which one was found."""
        identities = np.unique(np.searchsorted(self.gallery.starts, found.astype(np.int64), side="right") - 1)
        return [entry for identity in identities for entry in self.gallery.entries_of(int(identity))]

    def _restore(self, kept: bytes) -> None:
        """Take the graph that was kept."""
        try:
            self._index.load(kept)
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        shape = (len(self._index), self._index.ndim)
        if shape != self.gallery.embeddings.shape:
            raise ValueError(f"the index is of {shape}, the gallery of {self.gallery.embeddings.shape}")


def kept_index(gallery: Gallery, announce: Callable[[], None]) -> ApproximateIndex:
    """The gallery's index, from the cache folder if nobody but the user can have put it there, else built and put there.

    `announce` is called before the index is built.
    """
    digest = hashlib.sha256(gallery.embeddings.data)
    digest.update(f"{gallery.embeddings.shape} {CONNECTIVITY} {EXPANSION_ADD} {_usearch().__version__}".encode())
    path = cache_folder("gallery-indexes") / f"{digest.hexdigest()}.usearch"
    try:
        with reading(path, InputError), open_own(path) as kept:
            return ApproximateIndex(gallery, _sound(kept.read()))
    except RefnetError as error:
        _log.info("an index is built: %s", error)  # there is none, others can have written it, or it is damaged
    announce()
    index = ApproximateIndex(gallery)
    try:
        make_own_folder(path.parent)
        sweep(path.parent)
        with replacing(path, private=True, swept=True) as file:
            content = index.save()
            file.write(hashlib.sha256(content).digest() + content)
    except (OSError, RefnetError) as error:
        _log.warning("the index is not kept, and every search builds it anew: %s", error)
    return index


def _sound(content: bytes) -> bytes:
    """What follows the digest that a file begins with, if it is the digest of that: usearch trusts what it loads."""
    start = hashlib.sha256().digest_size
    if hashlib.sha256(content[start:]).digest() != content[:start]:
        raise InputError("its digest is wrong")
    return content[start:]


def _empty_index(dimension: int) -> Any:
    """A graph without entries."""
    return _usearch().index.Index(
        ndim=dimension,
        metric="cos",
        dtype="f32",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )


def _usearch() -> Any:
    """The usearch module, or how to get it."""
    try:
        import usearch
        import usearch.index
    except ImportError:
        raise MissingExtraError('to search approximately, usearch is needed: pip install "refnet[ann]"') from None
    return usearch
