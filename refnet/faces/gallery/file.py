"""A gallery in one file, in which every part has a checksum, and which is replaced whole or not at all.

A ``.npz`` that any NumPy opens, with four arrays and no pickles:

=============== ================= =====================================================================================
`embeddings`    (N, D) float32    raw embeddings
`labels`        JSON as bytes     N texts
`names`         JSON as bytes     N texts: what the images were called
`manifest`      JSON as bytes     schema version, counts, provenance, the SHA-256 of the other parts as they are stored
                                  (header and all), and the SHA-256 of the manifest's own text
=============== ================= =====================================================================================

The same entries give the same bytes. A new state of the gallery is written beside the old one, waits until it is on the
disk and then takes its name; `locked` keeps two programs from writing one gallery at once.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from refnet import files
from refnet.errors import InputError, RefnetError, UsageError
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.gallery.entries import Gallery, as_float32, ordered
from refnet.faces.gallery.labels import clean_label
from refnet.files import replacing
from refnet.graph import Array
from refnet.npz import NpzFile, write_array
from refnet.opening import open_regular, reading
from refnet.provenance import Provenance

SCHEMA_VERSION = 1
KIND = "gallery"
PARTS = ("embeddings", "labels", "names")
MEND = "Put back a copy, or build the gallery again."


def check_gallery_path(path: Path) -> None:
    """Refuse a path that no gallery can be written to, before any work is done for it."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected .npz")
    files.check_place(Path(os.path.realpath(path)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only program that changes the gallery at `path`; waits for the one that does."""
    path = Path(os.path.realpath(path))
    with files.locked(path.parent / f".{path.name}.lock"):
        yield


@contextmanager
def changing(path: Path) -> Iterator[Gallery]:
    """Be the only program that changes the gallery, and have it as it is now."""
    with reading(path, InputError):
        open_regular(path).close()  # no lock is left beside what is no gallery
    with locked(path):
        yield read_gallery(path)


def write_gallery(path: Path, gallery: Gallery) -> None:
    """Write a gallery; the file is the old one or the new one, whole, whatever happens."""
    check_gallery_path(path)
    parts = {
        "embeddings": gallery.embeddings,
        "labels": _json_bytes(gallery.labels),
        "names": _json_bytes(gallery.names),
    }
    with (
        replacing(Path(os.path.realpath(path)), durable=True) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "entries": len(gallery),
            "identities": len(gallery.identities),
            "dimension": gallery.embeddings.shape[1],
            "provenance": gallery.provenance.to_json(),
            "sha256": {part: write_array(archive, part, array) for part, array in parts.items()},
        }
        write_array(archive, "manifest", _json_bytes({**manifest, "manifest_sha256": _digest(manifest)}))


def read_gallery(path: Path) -> Gallery:
    """Read a gallery and check every part of it.

    Raises
    ------
    InputError
        If the file is missing, is no gallery, is of another version, or a part of it is damaged; the message names
        the part and what to do.
    """
    with NpzFile(path, "a gallery") as file:
        manifest = _manifest(path, file)
        for part in PARTS:
            if file.sha256(part) != manifest["sha256"][part]:
                raise InputError(
                    f"{path}: the part {part!r} is damaged (its SHA-256 is another than was written). {MEND}"
                )
        embeddings = file.array("embeddings")
        labels, names = (_texts(path, file, part) for part in ("labels", "names"))
    if embeddings.dtype != np.float32 or embeddings.ndim != 2 or not embeddings.size:
        raise InputError(f"{path}: embeddings are {embeddings.dtype} {embeddings.shape}; expected float32 (N, D)")
    if not len(labels) == len(names) == len(embeddings):
        raise InputError(f"{path}: it has {len(labels)} labels, {len(names)} names and {len(embeddings)} embeddings")
    provenance = Provenance(**manifest["provenance"])
    try:
        as_float32(EmbeddingSet(names, embeddings, provenance))
        if any(clean_label(label) != label for label in labels):
            raise UsageError("a label is not in the Unicode form NFC")
    except RefnetError as error:
        raise InputError(f"{path}: {error}") from None
    return ordered(labels, names, embeddings, provenance)


def _manifest(path: Path, file: NpzFile) -> dict[str, Any]:
    """The manifest, of this version and undamaged."""
    manifest = _json(path, file, "manifest")
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError(f"{path}: not a gallery; its manifest does not say so")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {manifest.get('schema_version')!r}; this refnet reads {SCHEMA_VERSION}"
        )
    said = manifest.pop("manifest_sha256", None)
    origin, digests = manifest.get("provenance"), manifest.get("sha256")
    whole = (
        isinstance(origin, dict)
        and origin.keys() == {field.name for field in fields(Provenance)}
        and all(isinstance(value, str) for value in origin.values())
        and isinstance(digests, dict)
        and digests.keys() == set(PARTS)
    )
    if said != _digest(manifest) or not whole:
        raise InputError(f"{path}: the part 'manifest' is damaged. {MEND}")
    return manifest


def _texts(path: Path, file: NpzFile, part: str) -> tuple[str, ...]:
    """A part that is a list of texts."""
    found = _json(path, file, part)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise InputError(f"{path}: the part {part!r} is no list of texts. {MEND}")
    return tuple(found)


def _json(path: Path, file: NpzFile, part: str) -> Any:
    """What a part of JSON says."""
    found = file.array(part)
    with reading(path, InputError, f"the part {part!r} is not JSON. {MEND}"):
        return json.loads(found.tobytes())


def _json_bytes(value: object) -> Array:
    """A value as JSON, which is ASCII whatever its texts hold."""
    return np.frombuffer(json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii"), np.uint8)


def _digest(value: object) -> str:
    """The SHA-256 of a value's JSON."""
    return hashlib.sha256(_json_bytes(value).tobytes()).hexdigest()
