"""The rows of a ledger as a file: streamed, so that memory does not grow with it, and the same bytes every time.

One row a face, in the order of the images' names: name, the face's number, the raw embedding, its length, the unit
embedding, box, landmarks and score where a detector found the face, and where it all comes from. An image of several
faces gives each the name ``NAME#1``, ``NAME#2``, ... Floats are written so that reading gives the same number.

- ``.npz``: arrays `names`, `faces`, `embeddings`, `unit_embeddings`, `norms`, `boxes`, `landmarks`, `scores`,
  `provenance` (JSON text); NaN where there is no box, landmark or score
- ``.csv``, ``.jsonl``: one face a line
- ``.parquet``: one face a row, the provenance in the schema's metadata (needs pyarrow)
"""

import csv
import importlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refnet.bulk.ledger import Row
from refnet.errors import MissingExtraError, UsageError
from refnet.faces.embedding_file import CSV_PROVENANCE, SCHEMA_VERSION, EmbeddingSet
from refnet.files import check_place, replacing
from refnet.graph import Array
from refnet.npz import EPOCH
from refnet.provenance import Provenance

AT_A_TIME = 4096  # rows in memory
Rows = Callable[[], Iterator[Row]]  # the same rows in the same order at each call

_BOX = ("left", "top", "right", "bottom")
_LANDMARKS = tuple(
    f"{part}_{axis}" for part in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"
)


def write_rows(path: Path, rows: Rows, provenance: Provenance) -> None:
    """Write to `path` in the form its suffix names; the file is whole or not there."""
    check_output(path)
    with replacing(path, durable=True) as file:
        _WRITERS[path.suffix.lower()](file, rows, provenance)


def check_output(path: Path) -> None:
    """Refuse a path that cannot be written, or whose suffix names no form, before any work is done for it."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected {', '.join(_WRITERS)}")
    if suffix == ".parquet":
        pyarrow("pyarrow")
    check_place(path)


def name_of(row: Row) -> str:
    """The row's name: the image's, and the number of the face if there are several."""
    return row.name if row.faces == 1 else f"{row.name}#{row.face}"


def json_line(row: Row, provenance: Provenance) -> str:
    """One face as a JSON object."""
    said: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "name": name_of(row), "face": row.face}
    if row.box is not None:
        said["box"] = row.box.tolist()
    if row.landmarks is not None:
        said["landmarks"] = row.landmarks.tolist()
    if row.score is not None:
        said["score"] = row.score
    said |= {
        "norm": float(_norms(row.embedding[np.newaxis])[0]),
        "embedding": row.embedding.tolist(),
        "provenance": provenance.to_json(),
    }
    return json.dumps(said) + "\n"


def _matrix(rows: Sequence[Row], width: int) -> Array:
    """The rows' embeddings, (len(rows), width) float32, however many they are."""
    return np.array([row.embedding for row in rows], np.float32).reshape(len(rows), width)


def _norms(embeddings: Array) -> Array:
    return EmbeddingSet((), embeddings, _NOWHERE).norms


def _units(embeddings: Array) -> Array:
    return EmbeddingSet((), embeddings, _NOWHERE).unit_embeddings


_NOWHERE = Provenance("", "", "", "", "", "", "")


def _batches(rows: Rows) -> Iterator[list[Row]]:
    stream = rows()
    while some := list(islice(stream, AT_A_TIME)):
        yield some


def _or_nan(values: Iterable[Array | float | None], shape: tuple[int, ...]) -> Array:
    """One array of values, NaN for those that are None."""
    return np.array([np.full(shape, np.nan) if value is None else value for value in values], np.float32).reshape(
        -1, *shape
    )


def _write_npz(file: BinaryIO, rows: Rows, provenance: Provenance) -> None:
    """Each array is a pass over the rows; its header says how many there will be."""
    count, length, width = 0, 1, 0
    for row in rows():
        count, length, width = count + 1, max(length, len(name_of(row))), len(row.embedding)
    text = f"<U{length}"
    arrays: dict[str, tuple[tuple[int, ...], str, Callable[[Sequence[Row]], Array]]] = {
        "names": ((count,), text, lambda some: np.array([name_of(row) for row in some], text)),
        "faces": ((count,), "<i4", lambda some: np.array([row.face for row in some], np.int32)),
        "embeddings": ((count, width), "<f4", lambda some: _matrix(some, width)),
        "unit_embeddings": ((count, width), "<f4", lambda some: _units(_matrix(some, width))),
        "norms": ((count,), "<f4", lambda some: _norms(_matrix(some, width))),
        "boxes": ((count, 4), "<f4", lambda some: _or_nan((row.box for row in some), (4,))),
        "landmarks": ((count, 5, 2), "<f4", lambda some: _or_nan((row.landmarks for row in some), (5, 2))),
        "scores": ((count,), "<f4", lambda some: _or_nan((row.score for row in some), ())),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, (shape, dtype, values) in arrays.items():
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for some in _batches(rows):
                    member.write(np.ascontiguousarray(values(some), dtype).tobytes())
        said = json.dumps({"schema_version": SCHEMA_VERSION, **provenance.to_json()})
        with archive.open(zipfile.ZipInfo("provenance.npy", EPOCH), "w") as member:
            np.lib.format.write_array(member, np.array(said), allow_pickle=False)


def _write_csv(file: BinaryIO, rows: Rows, provenance: Provenance) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
    table = csv.writer(text, lineterminator="\n")
    origin = [provenance.to_json()[column] for column in CSV_PROVENANCE]
    begun = False
    for some in _batches(rows):
        for row, norm in zip(some, _norms(_matrix(some, len(some[0].embedding))).tolist(), strict=True):
            if not begun:
                columns = [f"e{i}" for i in range(len(row.embedding))]
                table.writerow(["name", "norm", *CSV_PROVENANCE, "face", "score", *_BOX, *_LANDMARKS, *columns])
                begun = True
            found = [row.score, *_spread(row.box, 4), *_spread(row.landmarks, 10)]
            table.writerow([name_of(row), norm, *origin, row.face, *found, *row.embedding.tolist()])
    text.detach()


def _spread(values: Array | None, count: int) -> list[Any]:
    return [None] * count if values is None else values.reshape(-1).tolist()


def _write_jsonl(file: BinaryIO, rows: Rows, provenance: Provenance) -> None:
    for row in rows():
        file.write(json_line(row, provenance).encode("utf-8", "surrogateescape"))


def _write_parquet(file: BinaryIO, rows: Rows, provenance: Provenance) -> None:
    parquet = pyarrow("pyarrow.parquet")
    writer = None
    for some in _batches(rows):
        table = parquet_table(some, provenance, len(some[0].embedding))
        writer = writer or parquet.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is None:
        raise UsageError("there is no row to write")
    writer.close()


def parquet_table(rows: Sequence[Row], provenance: Provenance, width: int) -> Any:
    """Rows as a pyarrow Table, embeddings of `width` numbers, the provenance in the metadata of the schema."""
    pa = pyarrow("pyarrow")

    def lists(values: Iterable[Array | None], size: int) -> Any:
        flat = [None if value is None else value.reshape(-1).tolist() for value in values]
        return pa.array(flat, pa.list_(pa.float32(), size))

    def matrix(values: Array) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), pa.float32()), width)

    embeddings = _matrix(rows, width)
    columns = {
        "name": pa.array([_as_text(name_of(row)) for row in rows], pa.string()),
        "face": pa.array([row.face for row in rows], pa.int32()),
        "embedding": matrix(embeddings),
        "unit_embedding": matrix(_units(embeddings)),
        "norm": pa.array(_norms(embeddings), pa.float32()),
        "box": lists((row.box for row in rows), 4),
        "landmarks": lists((row.landmarks for row in rows), 10),
        "score": pa.array([row.score for row in rows], pa.float32()),
    }
    said = json.dumps({"schema_version": SCHEMA_VERSION, **provenance.to_json()})
    return pa.table(columns).replace_schema_metadata({"refnet": said})


def _as_text(name: str) -> str:
    """A name as UTF-8 has it; bytes of a file name that are no text are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def pyarrow(module: str) -> Any:
    """A module of the pyarrow package, which is an extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError('writing Parquet needs pyarrow; install it: pip install "refnet[parquet]"') from error


_WRITERS: dict[str, Callable[[BinaryIO, Rows, Provenance], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
