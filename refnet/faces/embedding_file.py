"""Embeddings in a file, with what they came from.

Three forms of the same records: ``.npz`` (arrays `names`, `embeddings`, `unit_embeddings`, `norms`, and `provenance` as
JSON text), ``.csv`` and ``.jsonl`` (one image a line). Floats are written so that reading gives the same number.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from refnet.errors import UsageError
from refnet.files import replacing
from refnet.graph import Array
from refnet.provenance import Provenance, comparable

SCHEMA_VERSION = 1
CSV_PROVENANCE = ("model_sha256", "input", "pipeline")  # what decides whether embeddings can be compared


class Embeddings(Protocol):
    """Embeddings (N, D) and where they come from, whatever else stands beside them."""

    @property
    def embeddings(self) -> Array:
        """(N, D), raw."""

    @property
    def provenance(self) -> Provenance:
        """Of all of them."""


def why_not_comparable(a: Embeddings, b: Embeddings) -> str | None:
    """Why embeddings must not be compared, in the words of `refnet.provenance.comparable`; None if they may."""
    first, second = a.embeddings.shape[1], b.embeddings.shape[1]
    lengths = f"one has {first} numbers, the other {second}" if first != second else None
    return comparable(a.provenance, b.provenance) or lengths


@dataclass(frozen=True)
class EmbeddingSet:
    """Images by name and their raw embeddings (N, D), from one model and pipeline."""

    names: tuple[str, ...]
    embeddings: Array
    provenance: Provenance

    @property
    def norms(self) -> Array:
        """(N,) lengths of the raw embeddings."""
        norms: Array = np.linalg.norm(self.embeddings, axis=1)
        return norms

    @property
    def unit_embeddings(self) -> Array:
        """(N, D) embeddings of length 1; an embedding of length 0 stays as it is."""
        norms = self.norms
        unit: Array = self.embeddings / np.where(norms > 0, norms, 1)[:, np.newaxis]
        return unit


def write_embeddings(path: Path, embeddings: EmbeddingSet) -> None:
    """Write to `path` in the form its suffix names; the file is whole or not there."""
    check_form(path)
    with replacing(path) as file:
        _WRITERS[path.suffix.lower()](file, embeddings)


def check_form(path: Path) -> None:
    """Refuse a path whose suffix names no form, before any work is done for it."""
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected {', '.join(_WRITERS)}")


def json_lines(embeddings: EmbeddingSet) -> str:
    """One JSON object an image, each with its provenance."""
    provenance = embeddings.provenance.to_json()
    rows = zip(embeddings.names, embeddings.embeddings.tolist(), embeddings.norms.tolist(), strict=True)
    lines = [
        json.dumps(
            {"schema_version": SCHEMA_VERSION, "name": name, "norm": norm, "embedding": row, "provenance": provenance}
        )
        for name, row, norm in rows
    ]
    return "\n".join(lines) + "\n"


def _write_npz(file: BinaryIO, embeddings: EmbeddingSet) -> None:
    np.savez(
        file,
        names=np.array(embeddings.names),
        embeddings=embeddings.embeddings,
        unit_embeddings=embeddings.unit_embeddings,
        norms=embeddings.norms,
        provenance=np.array(json.dumps({"schema_version": SCHEMA_VERSION, **embeddings.provenance.to_json()})),
    )


def _write_csv(file: BinaryIO, embeddings: EmbeddingSet) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    columns: Sequence[str] = [f"e{i}" for i in range(embeddings.embeddings.shape[1])]
    rows.writerow(["name", "norm", *CSV_PROVENANCE, *columns])
    origin = [embeddings.provenance.to_json()[column] for column in CSV_PROVENANCE]
    for name, norm, row in zip(
        embeddings.names, embeddings.norms.tolist(), embeddings.embeddings.tolist(), strict=True
    ):
        rows.writerow([name, norm, *origin, *row])
    text.detach()


def _write_jsonl(file: BinaryIO, embeddings: EmbeddingSet) -> None:
    file.write(json_lines(embeddings).encode())


_WRITERS: dict[str, Callable[[BinaryIO, EmbeddingSet], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
}
