"""The embeddings of a set of pairs: computed batch by batch, or those of an earlier run."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refnet.errors import InputError, ModelError, UsageError
from refnet.evaluation.pairs import PairSet, crops
from refnet.faces.embedding_file import SCHEMA_VERSION
from refnet.faces.embedding_reader import read_embeddings
from refnet.files import replacing
from refnet.graph import Array
from refnet.network import Network
from refnet.npz import NpzFile, write_array
from refnet.provenance import Provenance, provenance

BATCH = 32
MIRRORED = "mirrored_embeddings"


@dataclass(frozen=True)
class PairEmbeddings:
    """Raw embeddings (N, D) of all images of a set, those of their mirror images if there are any, and their origin."""

    upright: Array
    mirrored: Array | None
    provenance: Provenance


def embed_pairs(
    network: Network, pairs: PairSet, *, mirror: bool, advance: Callable[[int], None] | None = None
) -> PairEmbeddings:
    """Compute the embeddings; at most `BATCH` images are decoded at a time.

    Parameters
    ----------
    network : Network
    pairs : PairSet
    mirror : bool
        Whether mirror images are embedded as well.
    advance : told how many images are done
    """
    _, height, width = network.contract.shape
    if height is None or width is None:
        raise ModelError(
            f"the model leaves the size of {network.contract.name} open; expected a fixed height and width"
        )
    upright, mirrored = [], []
    for some in crops(pairs, height, width, BATCH):
        upright.append(network(network.contract.prepare(some)))
        if mirror:
            mirrored.append(network(network.contract.prepare(some[..., ::-1])))
        if advance:
            advance(len(some))
    found = np.concatenate(upright)
    return _finite(
        PairEmbeddings(found, np.concatenate(mirrored) if mirror else None, provenance(network)), pairs.images
    )


def save_embeddings(path: Path, pairs: PairSet, embeddings: PairEmbeddings) -> None:
    """Write the embeddings as a file that `refnet` reads, with those of the mirror images beside."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected .npz")
    said = json.dumps({"schema_version": SCHEMA_VERSION, **embeddings.provenance.to_json()})
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        write_array(archive, "names", np.array(pairs.images))
        write_array(archive, "embeddings", embeddings.upright)
        if embeddings.mirrored is not None:
            write_array(archive, MIRRORED, embeddings.mirrored)
        write_array(archive, "provenance", np.array(said))


def load_embeddings(path: Path, pairs: PairSet) -> PairEmbeddings:
    """The embeddings of an earlier run, brought into the order of the pairs' images.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks an image; it may hold more.
    """
    found = read_embeddings(path)
    place = {name: n for n, name in enumerate(found.names)}
    missing = [name for name in pairs.images if name not in place]
    if missing:
        raise InputError(
            f"{path} lacks the embeddings of {len(missing)} of {len(pairs.images)} images of {pairs.name}, "
            f"{missing[0]!r} the first; expected those of the same images, by the same names"
        )
    order = [place[name] for name in pairs.images]
    mirrored = None
    if path.suffix.lower() == ".npz":
        with NpzFile(path, "a file of embeddings") as file:
            if MIRRORED in file:
                mirrored = file.array(MIRRORED)
                if mirrored.shape != found.embeddings.shape:
                    raise InputError(
                        f"{path}: {MIRRORED} has shape {mirrored.shape}; expected {found.embeddings.shape}"
                    )
                mirrored = mirrored[order]
    return _finite(PairEmbeddings(found.embeddings[order], mirrored, found.provenance), pairs.images)


def _finite(embeddings: PairEmbeddings, names: tuple[str, ...]) -> PairEmbeddings:
    for rows in (embeddings.upright, embeddings.mirrored):
        if rows is not None and not np.isfinite(rows).all():
            bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InputError(f"the embedding of image {names[bad]!r} is not finite")
    return embeddings
