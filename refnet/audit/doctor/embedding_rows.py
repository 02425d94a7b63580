"""Embeddings out of a file as they are, right or wrong: what is refused elsewhere is looked at here.

Reads what `refnet embed` writes (.npz, .csv, .jsonl), and arrays of other programs: .npy, and .npz whose one array of
two axes holds embeddings.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError
from refnet.graph import Array
from refnet.npz import NpzFile, read_array
from refnet.opening import open_regular, open_text, reading


@dataclass(frozen=True)
class EmbeddingRows:
    """One file's embeddings.

    Attributes
    ----------
    path
    names : one a row; numbers in words where the file has no names.
    rows : each its own length.
    provenances : what each row, or the file, says of where it comes from; empty dicts where it says nothing.
    """

    path: Path
    names: tuple[str, ...]
    rows: tuple[Array, ...]
    provenances: tuple[dict[str, str], ...]

    @property
    def matrix(self) -> Array | None:
        """(N, D) float64; None if rows differ in length."""
        return np.stack(self.rows) if len({len(row) for row in self.rows}) == 1 else None


def read_rows(path: Path) -> EmbeddingRows:
    """Read a file of embeddings.

    Raises
    ------
    InputError
        If it is missing, damaged or holds no embeddings.
    """
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path}: the suffix is {path.suffix!r}; expected {', '.join(_READERS)}")
    with reading(path, InputError, "not a file of embeddings, or damaged"):
        names, rows, provenances = _READERS[path.suffix.lower()](path)
    if not rows:
        raise InputError(f"{path}: it holds no embeddings")
    return EmbeddingRows(path, tuple(names), tuple(rows), tuple(provenances))


_Rows = tuple[list[str], list[Array], list[dict[str, str]]]


def _npy(path: Path) -> _Rows:
    with open_regular(path) as file:
        return _of_matrix(read_array(file, os.fstat(file.fileno()).st_size), [], {})


def _npz(path: Path) -> _Rows:
    with NpzFile(path, "a file of embeddings") as archive:
        arrays = {name: archive.array(name) for name in archive.names}
    flat = [array for array in arrays.values() if array.ndim == 2 and array.dtype.kind == "f"]
    matrix = arrays.get("embeddings", flat[0] if len(flat) == 1 else None)
    if matrix is None:
        raise ValueError(f"it has no array 'embeddings', and {len(flat)} of two axes")
    said = json.loads(str(arrays["provenance"])) if "provenance" in arrays else {}
    return _of_matrix(matrix, [str(name) for name in arrays.get("names", [])], _texts(said))


def _of_matrix(matrix: Array, names: list[str], said: dict[str, str]) -> _Rows:
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise ValueError(f"its array has shape {matrix.shape} and dtype {matrix.dtype}; expected numbers (N, D)")
    if len(names) != len(matrix):
        names = [f"row {i}" for i in range(len(matrix))]
    return names, list(matrix.astype(np.float64)), [said] * len(matrix)


def _csv(path: Path) -> _Rows:
    with open_text(path, errors="surrogateescape") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        columns = [i for i, column in enumerate(header) if re.fullmatch(r"e\d+", column)]
        if not columns:
            raise ValueError("expected columns e0, e1, ...")
        others = [i for i in range(len(header)) if i not in columns]
        names, rows, provenances = [], [], []
        for number, line in enumerate(lines):
            said = {header[i]: line[i] for i in others if i < len(line)}
            names.append(said.pop("name", f"row {number}"))
            said.pop("norm", None)
            rows.append(_numbers(line[i] for i in columns if i < len(line) and line[i] != ""))
            provenances.append(said)
    return names, rows, provenances


def _jsonl(path: Path) -> _Rows:
    names, rows, provenances = [], [], []
    with open_regular(path) as file:
        for number, line in enumerate(filter(bytes.strip, file)):
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"record {number} is no object")
            names.append(str(record.get("name", f"row {number}")))
            rows.append(_numbers(record["embedding"]))
            provenances.append(_texts(record.get("provenance")))
    return names, rows, provenances


def _numbers(values: Iterable[Any]) -> Array:
    """One row; JSON's null stands for what is not finite."""
    return np.array([float("nan") if value is None else float(value) for value in values])


def _texts(said: Any) -> dict[str, str]:
    return {key: value for key, value in said.items() if isinstance(value, str)} if isinstance(said, dict) else {}


_READERS: dict[str, Callable[[Path], _Rows]] = {".npz": _npz, ".csv": _csv, ".jsonl": _jsonl, ".npy": _npy}
