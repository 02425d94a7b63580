"""Faces as commands take them: images, which are embedded, or embeddings that are in a file already."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from refnet.bulk.prepared import crop_size
from refnet.errors import InputError
from refnet.faces.embedding_file import EmbeddingSet, why_not_comparable
from refnet.faces.embedding_reader import is_embeddings, read_embeddings, split_record
from refnet.faces.image import find_images, read_crop
from refnet.network import Network
from refnet.provenance import provenance


def read_faces(faces: Sequence[str], open_network: Callable[[], Network]) -> EmbeddingSet:
    """The embeddings of faces, in the order given.

    Each is an image, a folder of images, FILE#NAME, or a whole file of embeddings.

    Parameters
    ----------
    faces : as on the command line
    open_network : called only if there is an image

    Raises
    ------
    InputError
        If a face cannot be read, or they come from different models or pipelines.
    """
    targets = [split_record(face) for face in faces]
    read = [read_embeddings(path, name) if is_embeddings(path) else None for path, name in targets]
    images = [[] if is_embeddings(path) else find_images([path]) for path, _ in targets]
    paths = [path for some in images for path in some]
    embedded = iter(_embed(open_network(), paths) if paths else [])
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


def _embed(network: Network, paths: list[Path]) -> list[EmbeddingSet]:
    """Each image by itself; the first that cannot be read ends it."""
    size = crop_size(network)
    crops = [read_crop(path, *size) for path in paths]
    origin = provenance(network)
    return [
        EmbeddingSet((str(path),), network(network.contract.prepare(crop[np.newaxis])), origin)
        for path, crop in zip(paths, crops, strict=True)
    ]
