"""Embeddings leave with their provenance, and come back the same numbers."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from refnet import UsageError
from refnet.faces.embedding_file import EmbeddingSet, write_embeddings
from refnet.provenance import Provenance


@pytest.fixture
def embeddings() -> EmbeddingSet:
    provenance = Provenance("m.onnx", "ab" * 32, "", "reference", "RGB", "0", "2")
    return EmbeddingSet(("a.png", 'b "c",.png'), np.random.default_rng(0).normal(size=(2, 5)), provenance)


def test_npz_holds_raw_unit_norm_and_provenance_and_no_pickle(tmp_path: Path, embeddings: EmbeddingSet) -> None:
    write_embeddings(tmp_path / "e.npz", embeddings)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as file:
        assert file["names"].tolist() == list(embeddings.names)
        assert np.array_equal(file["embeddings"], embeddings.embeddings)
        assert np.linalg.norm(file["unit_embeddings"], axis=1) == pytest.approx([1, 1])
        assert np.array_equal(file["norms"], np.linalg.norm(embeddings.embeddings, axis=1))
        assert json.loads(str(file["provenance"]))["model_sha256"] == "ab" * 32


def test_csv_gives_back_the_same_numbers(tmp_path: Path, embeddings: EmbeddingSet) -> None:
    write_embeddings(tmp_path / "e.csv", embeddings)
    with (tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(embeddings.names)
    assert [[float(row[f"e{i}"]) for i in range(5)] for row in rows] == embeddings.embeddings.tolist()


def test_jsonl_gives_back_the_same_numbers(tmp_path: Path, embeddings: EmbeddingSet) -> None:
    write_embeddings(tmp_path / "e.jsonl", embeddings)
    rows = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [row["embedding"] for row in rows] == embeddings.embeddings.tolist()
    assert {row["provenance"]["model_sha256"] for row in rows} == {"ab" * 32}


def test_an_embedding_of_length_zero_stays_zero(embeddings: EmbeddingSet) -> None:
    zero = EmbeddingSet(("z",), np.zeros((1, 5)), embeddings.provenance)
    assert not zero.unit_embeddings.any()


def test_an_unknown_suffix_is_refused_and_nothing_is_written(tmp_path: Path, embeddings: EmbeddingSet) -> None:
    with pytest.raises(UsageError, match=r"the suffix is '.txt'; expected .npz, .csv, .jsonl"):
        write_embeddings(tmp_path / "e.txt", embeddings)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, embeddings: EmbeddingSet) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*no such file or directory"):
        write_embeddings(tmp_path / "absent" / "e.npz", embeddings)
