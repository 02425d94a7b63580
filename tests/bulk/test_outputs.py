"""Rows as files: every form says the same, to the bit, and is the same file every time."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from refnet.bulk import outputs
from refnet.bulk.ledger import Row
from refnet.bulk.outputs import check_output, name_of, parquet_table, write_rows
from refnet.errors import MissingExtraError, UsageError
from refnet.faces.embedding_reader import read_embeddings
from refnet.provenance import Provenance

ORIGIN = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB, values 0..255", "0.1.0", "2.4", "a pipeline")


def rows() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for n in range(10):
        box, points = rng.normal(size=4).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
        faces = 2 if n in (3, 4) else 1
        name = f"photo {3 if n == 4 else n}, with a comma.jpg"
        found = (box, points, 0.5 + n / 100) if n % 2 else (None, None, None)
        yield Row(name, 2 if n == 4 else 1, faces, rng.normal(size=6).astype(np.float32) * 10, *found)


EXPECTED = [*rows()]
NAMES = tuple(name_of(row) for row in EXPECTED)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "AT_A_TIME", 3)


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"out{suffix}"
    write_rows(path, rows, ORIGIN)
    return path


def test_faces_of_one_image_are_told_apart() -> None:
    assert NAMES[3:5] == ("photo 3, with a comma.jpg#1", "photo 3, with a comma.jpg#2")
    assert NAMES[0] == "photo 0, with a comma.jpg"


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".jsonl"])
def test_the_reader_of_embeddings_reads_them_to_the_bit(tmp_path: Path, suffix: str) -> None:
    read = read_embeddings(written(tmp_path, suffix))
    assert read.names == NAMES
    assert np.array_equal(read.embeddings, np.stack([row.embedding for row in EXPECTED]))
    assert (read.provenance.model_sha256, read.provenance.pipeline) == (ORIGIN.model_sha256, ORIGIN.pipeline)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".jsonl", ".parquet"])
def test_a_file_is_the_same_to_the_byte_every_time(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(tmp_path, suffix).read_bytes()
    assert written(tmp_path, suffix).read_bytes() == first
    if suffix != ".parquet":  # its row groups are what is written at a time
        monkeypatch.setattr(outputs, "AT_A_TIME", 100)
        assert written(tmp_path, suffix).read_bytes() == first


def test_npz_has_all_that_was_found(tmp_path: Path) -> None:
    with np.load(written(tmp_path, ".npz")) as file:
        norms = np.sqrt((file["embeddings"].astype(np.float64) ** 2).sum(axis=1))
        assert np.allclose(file["norms"], norms, rtol=1e-6, atol=0)
        assert np.allclose(np.linalg.norm(file["unit_embeddings"], axis=1), 1, rtol=1e-6, atol=0)
        assert file["faces"].tolist() == [row.face for row in EXPECTED]
        for n, row in enumerate(EXPECTED):
            assert np.isnan(file["boxes"][n]).all() if row.box is None else np.array_equal(file["boxes"][n], row.box)
            found = row.landmarks is not None
            assert (
                np.array_equal(file["landmarks"][n], row.landmarks) if found else np.isnan(file["landmarks"][n]).all()
            )
        assert json.loads(str(file["provenance"]))["pipeline"] == "a pipeline"


def test_csv_has_a_column_for_each_number(tmp_path: Path) -> None:
    with written(tmp_path, ".csv").open(newline="") as file:
        table = [*csv.DictReader(file)]
    assert EXPECTED[1].box is not None
    assert EXPECTED[1].landmarks is not None
    assert [float(table[1][side]) for side in ("left", "top", "right", "bottom")] == EXPECTED[1].box.tolist()
    assert float(table[1]["nose_y"]) == EXPECTED[1].landmarks[2, 1]
    assert table[0]["score"] == table[0]["left"] == ""


def test_parquet_has_a_row_a_face_and_its_provenance(tmp_path: Path) -> None:
    table = pq.read_table(written(tmp_path, ".parquet"))
    assert tuple(table["name"].to_pylist()) == NAMES
    assert np.array_equal(
        np.array(table["embedding"].to_pylist(), np.float32), np.stack([r.embedding for r in EXPECTED])
    )
    assert table["box"].to_pylist()[0] is None
    assert EXPECTED[1].landmarks is not None
    assert table["landmarks"].to_pylist()[1] == EXPECTED[1].landmarks.reshape(-1).tolist()
    assert json.loads(table.schema.metadata[b"refnet"])["model_sha256"] == ORIGIN.model_sha256


def test_a_table_without_rows_has_the_columns_of_one_with_rows() -> None:
    none, some = (parquet_table(rows, ORIGIN, 6) for rows in ([], EXPECTED))
    assert none.num_rows == 0
    assert none.schema.equals(some.schema, check_metadata=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", r"the suffix is '\.txt'; expected \.npz, \.csv, \.jsonl, \.parquet"),
        ("absent/out.npz", "there is no folder .*absent"),
        ("folder.npz", "it is a folder; give a file name"),
    ],
)
def test_what_cannot_be_written_is_refused_beforehand(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UsageError, match=message):
        check_output(tmp_path / name)


def test_parquet_without_pyarrow_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "refnet\[parquet\]"'):
        check_output(tmp_path / "out.parquet")
