"""Embeddings out of a file: what `embedding_file` writes, read back and checked.

A record is meant by ``FILE#NAME``; without a name the file must hold one record. A file of another program is read too
if it has the same members, but without a provenance its embeddings can be compared with nothing.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError
from refnet.faces.embedding_file import CSV_PROVENANCE, SCHEMA_VERSION, EmbeddingSet
from refnet.graph import Array
from refnet.npz import NpzFile
from refnet.opening import exists, open_regular, open_text, reading, reason
from refnet.provenance import Provenance, comparable

Record = tuple[str, Any, Any]  # name, numbers, provenance


def is_embeddings(path: Path) -> bool:
    """Whether a path has a suffix of the forms of embedding files."""
    return path.suffix.lower() in _READERS


def split_record(text: str) -> tuple[Path, str | None]:
    """What ``FILE#NAME`` means: the file and the name of a record; a file whose own name holds ``#`` is itself."""
    head, mark, name = text.partition("#")
    if mark and not exists(text) and is_embeddings(Path(head)):
        return Path(head), name
    return Path(text), None


def read_embeddings(path: Path, name: str | None = None) -> EmbeddingSet:
    """Read a file of embeddings, or one record of it.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``, ``.csv`` or ``.jsonl``.
    name : str, optional
        Keep only the record of that name.

    Raises
    ------
    InputError
        If the file is missing, damaged or no file of embeddings; if its records come from several models or
        pipelines; if a number is not finite; if no record, or more than one, has the name.
    """
    if not is_embeddings(path):
        raise InputError(f"{path}: the suffix is {path.suffix!r}; expected {', '.join(_READERS)}")
    with reading(path, InputError, "not a file of embeddings, or damaged"):
        found = _READERS[path.suffix.lower()](path)
    bad = np.flatnonzero(~np.isfinite(found.embeddings).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: the embedding of {found.names[bad[0]]!r} is not finite")
    if name is None:
        return found
    rows = [row for row, other in enumerate(found.names) if other == name]
    if len(rows) != 1:
        count = "no record" if not rows else f"{len(rows)} records"
        raise InputError(f"{path}: {count} of the name {name!r}; expected one. {_listed(found.names)}")
    return EmbeddingSet((name,), found.embeddings[rows], found.provenance)


def _listed(names: tuple[str, ...]) -> str:
    """The first names, for a message."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"It holds {', '.join(map(repr, names[:5]))}{more}."


def _read_npz(path: Path) -> EmbeddingSet:
    with NpzFile(path, "a file of embeddings") as file:
        names, embeddings, text = (file.array(part) for part in ("names", "embeddings", "provenance"))
    if names.dtype.kind != "U" or embeddings.dtype.kind != "f" or names.ndim != 1 or embeddings.ndim != 2:
        raise InputError(f"{path}: not a file of embeddings; expected names (N,) and embeddings (N, D)")
    if len(names) != len(embeddings) or embeddings.size == 0:
        raise InputError(
            f"{path}: it has {len(names)} names for {len(embeddings)} embeddings; expected as many, not none"
        )
    with reading(path, InputError, "the part 'provenance' is not JSON text"):
        said = json.loads(str(text))
    return EmbeddingSet(tuple(names.tolist()), embeddings, _provenance(path, said))


def _read_csv(path: Path) -> EmbeddingSet:
    def records() -> Iterator[Record]:
        with open_text(path, errors="surrogateescape") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            columns = [i for i, column in enumerate(header) if re.fullmatch(r"e\d+", column)]
            counted = [header[i] for i in columns] == [f"e{i}" for i in range(len(columns))]
            if "name" not in header or not columns or not counted:
                raise InputError(f"{path}: not a file of embeddings; expected columns name, e0, e1, ...")
            for row in rows:
                if len(row) != len(header):
                    raise InputError(f"{path}: line {rows.line_num} has {len(row)} fields; expected {len(header)}")
                said = {key: row[header.index(key)] for key in CSV_PROVENANCE if key in header}
                yield row[header.index("name")], [row[i] for i in columns], said

    return _collected(path, records())


def _read_jsonl(path: Path) -> EmbeddingSet:
    def records() -> Iterator[Record]:
        with open_regular(path) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict) or not isinstance(record.get("name"), str) or "embedding" not in record:
                    raise InputError(f"{path}: line {number} is no record; expected an object with name and embedding")
                if record.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
                    raise InputError(
                        f"{path}: line {number} has schema_version {record['schema_version']!r}; this refnet reads {SCHEMA_VERSION}"
                    )
                yield record["name"], record["embedding"], record.get("provenance")

    return _collected(path, records())


def _collected(path: Path, records: Iterator[Record]) -> EmbeddingSet:
    """Records of text as arrays; all of one length, model and pipeline."""
    names: list[str] = []
    rows: list[Array] = []
    first: Provenance | None = None
    seen: Any = None
    try:
        for name, numbers, said in records:
            if first is None:
                first, seen = _provenance(path, said), said
            elif said != seen and (why := comparable(first, _provenance(path, said))):
                raise InputError(f"{path}: its records cannot stand in one file: {why}")
            row = np.array([float(number) for number in numbers])
            if rows and len(row) != len(rows[0]):
                raise InputError(f"{path}: the embedding of {name!r} has {len(row)} numbers; expected {len(rows[0])}")
            names.append(name)
            rows.append(row)
    except (InputError, OSError):
        raise
    except Exception as error:
        raise InputError(f"{path}: record {len(names) + 1} cannot be read ({reason(error)})") from None
    if first is None or not rows[0].size:
        raise InputError(f"{path}: it holds no embeddings")
    return EmbeddingSet(tuple(names), np.stack(rows), first)


def _provenance(path: Path, said: Any) -> Provenance:
    """A provenance from what a file says of it; what it does not say is empty."""
    if not isinstance(said, dict):
        raise InputError(f"{path}: its embeddings do not say where they come from (provenance)")
    if said.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise InputError(f"{path}: schema_version is {said['schema_version']!r}; this refnet reads {SCHEMA_VERSION}")
    values = {field.name: said.get(field.name, "") for field in fields(Provenance)}
    wrong = [key for key, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise InputError(f"{path}: provenance member {wrong[0]!r} is {values[wrong[0]]!r}; expected text")
    return Provenance(**values)


_READERS: dict[str, Callable[[Path], EmbeddingSet]] = {".npz": _read_npz, ".csv": _read_csv, ".jsonl": _read_jsonl}
