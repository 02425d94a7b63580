"""Checks of files of embeddings: each with its fault planted, and with healthy files."""

import json
from pathlib import Path

import numpy as np
import pytest

from refnet.audit.doctor.embedding_checks import CHECKS, Files
from refnet.audit.doctor.embedding_rows import read_rows
from refnet.audit.doctor.embedding_spread import effective_rank, mean_cosine
from refnet.errors import InputError
from refnet.faces.embedding_file import EmbeddingSet, write_embeddings
from refnet.graph import Array
from refnet.provenance import Provenance
from tests.audit.doctor.patients import ask, found
from tests.comparison import assert_within

MODEL = "ab" * 32


def _random(count: int = 12, length: int = 64) -> Array:
    return np.random.default_rng(1).normal(size=(count, length)).astype(np.float32) * 3


def _file(path: Path, rows: Array, digest: str = MODEL, pipeline: str = "aligned crops") -> Files:
    said = Provenance("m.onnx", digest, "", "fast", "RGB, values 0..255", "1", "2", pipeline)
    write_embeddings(path, EmbeddingSet(tuple(f"{i}.png" for i in range(len(rows))), rows, said))
    return Files([read_rows(path)], rows.shape[1], MODEL)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".jsonl"])
def test_healthy_embeddings_pass_in_every_form(tmp_path: Path, suffix: str) -> None:
    rows = _random()
    files = _file(tmp_path / f"e{suffix}", rows)
    matrix = files.files[0].matrix
    assert matrix is not None
    assert_within(matrix, rows)
    for check in CHECKS:
        said = ask(check.id, files)
        assert said.status == "passed" or [it.severity for it in said.findings] == ["note"], said


def test_plain_arrays_are_read_and_do_not_say_where_they_come_from(tmp_path: Path) -> None:
    rows = _random()
    np.save(tmp_path / "e.npy", rows)
    np.savez(tmp_path / "e.npz", anything=rows, labels=np.arange(12))
    for name in ("e.npy", "e.npz"):
        files = Files([read_rows(tmp_path / name)])
        severity, said, _ = found("embeddings-origins", files)
        assert (severity, said) == ("note", "12 embeddings do not say which model they come from")
        assert ask("embedding-length", files).status == "passed"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_without_direction_are_found(tmp_path: Path, value: float) -> None:
    rows = _random()
    rows[3, 5] = value
    rows[7] = 0
    np.save(tmp_path / "e.npy", rows)
    severity, said, evidence = found("embeddings-finite", Files([read_rows(tmp_path / "e.npy")]))
    assert (severity, said) == ("problem", "2 embeddings have no direction")
    assert "row 3: 1 numbers are NaN or infinite" in evidence
    assert "row 7: all numbers are 0" in evidence


def test_null_in_json_lines_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"name": "a", "embedding": [1, null]}\n\n{"name": "b", "embedding": [1, 2]}\n')
    assert found("embeddings-finite", Files([read_rows(path)]))[0] == "problem"


def test_lengths_that_differ_are_found(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"name": "a", "embedding": [1, 2, 3]}\n{"name": "b", "embedding": [1, 2]}\n')
    files = Files([read_rows(path)])
    severity, _, evidence = found("embedding-length", files)
    assert severity == "problem"
    assert "e.jsonl: b: 2 numbers" in evidence
    assert ask("embeddings-collapsed", files).reason == "it takes four embeddings of one length"


def test_a_length_that_is_not_the_models_is_found(tmp_path: Path) -> None:
    files = _file(tmp_path / "e.npz", _random())
    assert ask("embedding-length", files).status == "passed"
    severity, _, evidence = found("embedding-length", Files(files.files, 512))
    assert severity == "problem"
    assert "64 numbers, as 12 embeddings have, expected 512, as the model gives" in evidence


def test_collapsed_embeddings_are_a_problem_and_crowded_ones_a_warning(tmp_path: Path) -> None:
    common = np.full(64, 3.0, np.float32)
    severity, said, evidence = found("embeddings-collapsed", _file(tmp_path / "e.npz", _random() * 0.1 + common))
    assert (severity, said) == ("problem", "embeddings are collapsed (e.npz)")
    assert "mean cosine of different rows 0.9" in evidence
    crowded = found("embeddings-collapsed", _file(tmp_path / "f.npz", _random() * 0.6 + common))
    assert crowded[0] == "warning"


def test_embeddings_that_fill_few_dimensions_are_a_warning(tmp_path: Path) -> None:
    flat = np.random.default_rng(2).normal(size=(64, 3)) @ np.random.default_rng(3).normal(size=(3, 64))
    severity, _, evidence = found("embeddings-collapsed", _file(tmp_path / "e.npz", flat.astype(np.float32)))
    assert severity == "warning"
    assert "of 64, expected above 6.4" in evidence


def test_equal_rows_are_found(tmp_path: Path) -> None:
    rows = _random()
    rows[4] = rows[9]
    severity, said, evidence = found("embeddings-doubled", _file(tmp_path / "e.npz", rows))
    assert (severity, said) == ("warning", "2 of 12 embeddings are not the only ones of their kind")
    assert "4.png = 9.png: 2 rows, the same bits" in evidence
    assert found("embeddings-doubled", _file(tmp_path / "f.npz", np.repeat(rows[:1], 6, axis=0)))[0] == "problem"


def test_raw_and_unit_embeddings_in_one_set_are_found(tmp_path: Path) -> None:
    rows = _random()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert ask("embeddings-mixed", _file(tmp_path / "u.npz", unit)).status == "passed"
    assert found("embeddings-mixed", _file(tmp_path / "r.npz", rows))[0] == "note"
    severity, said, evidence = found(
        "embeddings-mixed", _file(tmp_path / "m.npz", np.concatenate([rows[:6], unit[6:]]))
    )
    assert (severity, said) == ("problem", "raw and unit embeddings are mixed")
    assert "6 of 12 are 1" in evidence


def test_embeddings_of_two_models_are_found(tmp_path: Path) -> None:
    one, other = (_file(tmp_path / f"{digest[:2]}.npz", _random(), digest).files[0] for digest in (MODEL, "cd" * 32))
    severity, said, _ = found("embeddings-origins", Files([one, other]))
    assert (severity, said) == ("problem", "embeddings come from 2 different models")
    _, said, evidence = found("embeddings-origins", Files([other], 64, MODEL))
    assert said == "embeddings come from 2 different models"
    assert "the model given" in evidence


def test_embeddings_of_two_pipelines_are_found(tmp_path: Path) -> None:
    files = [
        _file(tmp_path / f"{i}.csv", _random(), pipeline=text).files[0] for i, text in enumerate(("crops", "photos"))
    ]
    assert found("embeddings-origins", Files(files))[1] == "embeddings come from 2 different pipelines"


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    rows = _random().astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [unit[i] @ unit[j] for i in range(12) for j in range(12) if i != j]
    assert_within(mean_cosine(unit), float(np.mean(pairs)), 1e-12)


def test_the_effective_rank_of_equal_shares_is_their_number() -> None:
    assert_within(effective_rank(np.repeat(np.eye(5), 3, axis=0)), 5.0, 1e-12)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.txt", b"1", r"the suffix is '.txt'; expected .npz, .csv, .jsonl, .npy"),
        ("e.npz", b"no zip", "not a file of embeddings, or damaged"),
        ("e.npy", b"\x93NUMPY", "not a file of embeddings, or damaged"),
        ("e.csv", b"name,value\na,1\n", r"expected columns e0, e1"),
        ("e.csv", b"name,e0\n", "it holds no embeddings"),
        ("e.csv", b"name,e0\na,b\n", "not a file of embeddings, or damaged"),
        ("e.jsonl", b"{}\n", "not a file of embeddings, or damaged"),
        ("e.jsonl", b"[1]\n", "not a file of embeddings, or damaged"),
    ],
)
def test_files_that_hold_none_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "e.npz")


def test_objects_in_an_archive_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", embeddings=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="holds Python objects"):
        read_rows(tmp_path / "e.npz")


def test_a_record_says_its_own_origin(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = [{"name": str(i), "embedding": [i, 1], "provenance": {"model_sha256": str(i)}} for i in range(2)]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert found("embeddings-origins", Files([read_rows(path)]))[1] == "embeddings come from 2 different models"
