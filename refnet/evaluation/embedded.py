"""The embeddings of a set of pairs: computed batch by batch, or those of an earlier run."""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refnet.errors import InputError, NoAnswerError, UsageError
from refnet.evaluation.pairs import PairSet, check_crops, crops
from refnet.faces.embedding_file import SCHEMA_VERSION
from refnet.faces.embedding_reader import read_embeddings
from refnet.files import check_place, replacing
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

    Raises
    ------
    InputError
        If images cannot be decoded or have another size, before any is embedded.
    NoAnswerError
        If an image has no embedding, or one that is not finite or all zero.
    """
    height, width = network.contract.crop_size
    check_crops(pairs, height, width)
    upright, mirrored = [], []
    done = 0
    for some in crops(pairs, height, width, BATCH):
        names = pairs.images[done : done + len(some)]
        done += len(some)
        upright.append(_embedded(network, some, names))
        if mirror:
            mirrored.append(_embedded(network, some[..., ::-1], names))
        if advance:
            advance(len(some))
    found = np.concatenate(upright)
    return _checked(
        PairEmbeddings(found, np.concatenate(mirrored) if mirror else None, provenance(network)), pairs.images
    )


def _embedded(network: Network, images: Array, names: Sequence[str]) -> Array:
    """The embeddings of crops; the first that has none is named."""
    x = network.contract.prepare(images)
    try:
        return network.embeddings(x)
    except NoAnswerError as together:
        for name, one in zip(names, x, strict=True):
            try:
                network(one[np.newaxis])
            except NoAnswerError as error:
                raise NoAnswerError(f"image {name!r}: {error}") from together
        raise


def check_saved(path: Path) -> None:
    """Refuse a path that `save_embeddings` cannot write to, before any work is done for it."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected .npz")
    check_place(path)


def save_embeddings(path: Path, pairs: PairSet, embeddings: PairEmbeddings) -> None:
    """Write the embeddings as a file that `refnet` reads, with those of the mirror images beside."""
    check_saved(path)
    said = json.dumps({"schema_version": SCHEMA_VERSION, **embeddings.provenance.to_json()})
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        write_array(archive, "names", np.array(pairs.images))
        write_array(archive, "embeddings", embeddings.upright)
        if embeddings.mirrored is not None:
            write_array(archive, MIRRORED, embeddings.mirrored)
        write_array(archive, "provenance", np.array(said))


def load_embeddings(path: Path, pairs: PairSet, model_sha256: str | None = None) -> PairEmbeddings:
    """The embeddings of an earlier run, brought into the order of the pairs' images.

    Parameters
    ----------
    path : of a file that `save_embeddings` or `refnet embed` wrote
    pairs : PairSet
    model_sha256 : the digest of the model they must come from; of any, if None

    Raises
    ------
    InputError
        If the file cannot be read, comes from another model, or lacks an image or has it twice; it may hold more.
    """
    found = read_embeddings(path)
    origin = found.provenance
    if model_sha256 not in (None, origin.model_sha256):
        raise InputError(
            f"{path} holds embeddings of the model {origin.model or 'unknown'} with sha256 "
            f"{origin.model_sha256 or 'unknown'}; expected {model_sha256}. Compute them anew with --save-embeddings"
        )
    place = {name: n for n, name in enumerate(found.names)}
    missing = [name for name in pairs.images if name not in place]
    if missing:
        raise InputError(
            f"{path} lacks the embeddings of {len(missing):,} of {len(pairs.images):,} images of {pairs.name}, "
            f"{missing[0]!r} the first; expected those of the same images, by the same names"
        )
    wanted = {*pairs.images}
    twice = [name for name, times in Counter(found.names).items() if times > 1 and name in wanted]
    if twice:
        raise InputError(f"{path} has several embeddings of {twice[0]!r}; expected one of each image")
    order = [place[name] for name in pairs.images]
    mirrored = _mirrored(path, found.embeddings.shape)
    return _checked(
        PairEmbeddings(found.embeddings[order], None if mirrored is None else mirrored[order], origin), pairs.images
    )


def _mirrored(path: Path, shape: tuple[int, ...]) -> Array | None:
    """The embeddings of the mirror images, if the file has them."""
    if path.suffix.lower() != ".npz":
        return None
    with NpzFile(path, "a file of embeddings") as file:
        if MIRRORED not in file:
            return None
        mirrored = file.array(MIRRORED)
    if mirrored.shape != shape or mirrored.dtype.kind != "f":
        raise InputError(
            f"{path}: {MIRRORED} has shape {mirrored.shape} of {mirrored.dtype}; expected {shape} of floats"
        )
    return mirrored


def _checked(embeddings: PairEmbeddings, names: tuple[str, ...]) -> PairEmbeddings:
    """Refuse embeddings that point nowhere."""
    for rows in (embeddings.upright, embeddings.mirrored):
        if rows is None:
            continue
        finite = np.isfinite(rows).all(axis=1)
        for sound, fault in ((finite, "is not finite"), (rows.any(axis=1), "is all zero: it has no direction")):
            if not sound.all():
                raise InputError(f"the embedding of image {names[int(np.argmin(sound))]!r} {fault}")
    return embeddings
