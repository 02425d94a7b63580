"""Faces as commands take them: images, which are embedded, or embeddings that are in a file already."""

from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from refnet.bulk.photographs import Photographs
from refnet.cli.embed import embed_paths, embedding_set, origin_of
from refnet.errors import InputError
from refnet.faces.embedding_file import EmbeddingSet, why_not_comparable
from refnet.faces.embedding_reader import is_embeddings, read_embeddings, split_record
from refnet.faces.image import find_images
from refnet.network import Network


def read_faces(
    faces: Sequence[str], open_network: Callable[[], Network], how: Photographs | None = None
) -> EmbeddingSet:
    """The embeddings of faces, in the order given.

    Each is an image, a folder of images, FILE#NAME, or a whole file of embeddings.

    Parameters
    ----------
    faces : as on the command line
    open_network : called only if there is an image
    how : of photographs; None for aligned crops

    Raises
    ------
    InputError
        If a face cannot be read, or they come from different models or pipelines.
    """
    targets = [split_record(face) for face in faces]
    read = [read_embeddings(path, name) if is_embeddings(path) else None for path, name in targets]
    images = [[] if is_embeddings(path) else find_images([path]) for path, _ in targets]
    paths = [path for some in images for path in some]
    embedded = iter(_embed(open_network(), paths, how) if paths else [])
    parts = [[one] if one else list(islice(embedded, len(some))) for one, some in zip(read, images, strict=True)]
    return joined([part for some in parts for part in some])


def joined(parts: Sequence[EmbeddingSet]) -> EmbeddingSet:
    """Several sets as one, with the provenance of the first.

    Raises
    ------
    InputError
        If one of them cannot be compared with the first.
    """
    first = parts[0]
    for part in parts[1:]:
        if reason := why_not_comparable(first, part):
            raise InputError(f"{first.names[0]} and {part.names[0]} cannot be compared: {reason}")
    if len(parts) == 1:
        return first
    names = tuple(name for part in parts for name in part.names)
    return EmbeddingSet(names, np.concatenate([part.embeddings for part in parts]), first.provenance)


def _embed(network: Network, paths: list[Path], how: Photographs | None) -> list[EmbeddingSet]:
    """The faces of each image; the first image that cannot be used ends it."""
    rows, failed = embed_paths(network, paths, how)
    if failed:
        raise failed[0]
    origin = origin_of(network, how)
    starts = [n for n, row in enumerate(rows) if row.face == 1]
    return [embedding_set(rows[a:b], origin) for a, b in pairwise([*starts, len(rows)])]
