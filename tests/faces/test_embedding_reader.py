"""Embeddings come back from files as they went in, or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest

from refnet import InputError
from refnet.faces.embedding_file import EmbeddingSet, write_embeddings
from refnet.faces.embedding_reader import read_embeddings, split_record
from refnet.provenance import Provenance, comparable

FROM = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB", "0", "2")
SUFFIXES = (".npz", ".csv", ".jsonl")


@pytest.fixture
def embeddings():
    numbers = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    return EmbeddingSet(("a.png", 'b "c",\n.png', "\udcff.png"), numbers, FROM)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_gives_back_names_numbers_and_provenance(tmp_path, embeddings, suffix):
    path = tmp_path / f"e{suffix}"
    write_embeddings(path, embeddings)
    found = read_embeddings(path)
    assert found.names == embeddings.names
    assert np.array_equal(found.embeddings, embeddings.embeddings)
    assert comparable(found.provenance, FROM) is None
    assert read_embeddings(path, "\udcff.png").embeddings.tolist() == found.embeddings[2:].tolist()


def test_a_record_is_meant_by_its_name(tmp_path, embeddings):
    path = tmp_path / "e.npz"
    write_embeddings(path, embeddings)
    assert split_record(f"{path}#a#b.png") == (path, "a#b.png")
    assert split_record("photo#1.png") == (Path("photo#1.png"), None)
    (tmp_path / "x.npz#y.csv").write_text("")
    assert split_record(f"{tmp_path}/x.npz#y.csv") == (tmp_path / "x.npz#y.csv", None)
    with pytest.raises(InputError, match=r"no record of the name 'z'; expected one. It holds 'a.png', "):
        read_embeddings(path, "z")
    write_embeddings(path, EmbeddingSet(("a", "a"), embeddings.embeddings[:2], FROM))
    with pytest.raises(InputError, match="2 records of the name 'a'; expected one"):
        read_embeddings(path, "a")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_that_are_not_finite_are_refused(tmp_path, embeddings, suffix):
    embeddings.embeddings[1, 2] = np.nan
    write_embeddings(tmp_path / f"e{suffix}", embeddings)
    with pytest.raises(InputError, match=r"the embedding of 'b \"c\",.*' is not finite"):
        read_embeddings(tmp_path / f"e{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_off_anywhere_is_refused_or_has_whole_records(tmp_path, embeddings, suffix):
    path = tmp_path / f"e{suffix}"
    write_embeddings(path, embeddings)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            found = read_embeddings(path)
        except InputError:
            continue
        whole = len(found.names) - (suffix == ".csv")  # a number of csv that is cut off is a number
        assert np.array_equal(found.embeddings[:whole], embeddings.embeddings[:whole])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.txt", b"", "the suffix is '.txt'; expected .npz, .csv, .jsonl"),
        ("e.npz", b"not a zip", "not a file of embeddings, or damaged"),
        ("e.csv", b"", "not a file of embeddings; expected columns name, e0, e1"),
        ("e.csv", b"name,e0,e2\na,1,2\n", "expected columns name, e0, e1"),
        ("e.csv", b"name,e0\n", "it holds no embeddings"),
        ("e.csv", b"name,e0\na,1,2\n", "line 2 has 3 fields; expected 2"),
        ("e.csv", b"name,e0\na,x\n", "record 1 cannot be read"),
        ("e.jsonl", b"\xff", "record 1 cannot be read"),
        ("e.jsonl", b"[" * 100_000, "record 1 cannot be read"),
        ("e.jsonl", b"[]", "line 1 is no record"),
        ("e.jsonl", b'{"name": "a", "embedding": [1], "provenance": 5}', "do not say where they come from"),
        ("e.jsonl", b'{"name": "a", "embedding": [[1]], "provenance": {}}', "record 1 cannot be read"),
        ("e.jsonl", b'{"name": "a", "embedding": [], "provenance": {}}', "it holds no embeddings"),
        ("e.jsonl", b'{"name": "a", "embedding": [1], "provenance": {"model": 5}}', "provenance member 'model' is 5; expected text"),
        ("e.jsonl", b'{"name": "a", "embedding": [1], "provenance": {}, "schema_version": 9}', "line 1 has schema_version 9"),
        ("e.jsonl", b'{"name": "a", "embedding": [1], "provenance": {}}\n{"name": "b", "embedding": [1, 2], "provenance": {}}', "'b' has 2 numbers; expected 1"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_embeddings_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_embeddings(tmp_path / name)


def test_records_of_two_models_do_not_stand_in_one_file(tmp_path):
    lines = [
        json.dumps({"name": "a", "embedding": [1], "provenance": {**FROM.to_json(), "model_sha256": digest}})
        for digest in ("ab" * 32, "cd" * 32)
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"its records cannot stand in one file: one comes from the model m.onnx"):
        read_embeddings(tmp_path / "e.jsonl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.npz: no such file"):
        read_embeddings(tmp_path / "absent.npz")


def test_an_npz_of_another_program_must_have_names_and_a_provenance(tmp_path):
    path = tmp_path / "e.npz"
    np.savez(path, embeddings=np.ones((1, 2)))
    with pytest.raises(InputError, match="it has no part 'names'"):
        read_embeddings(path)
    np.savez(path, names=np.array(["a"]), embeddings=np.ones((2, 2)), provenance=np.array("{}"))
    with pytest.raises(InputError, match="1 names for 2 embeddings"):
        read_embeddings(path)
    np.savez(path, names=np.array([1]), embeddings=np.ones((1, 2)), provenance=np.array("{}"))
    with pytest.raises(InputError, match=r"expected names \(N,\) and embeddings \(N, D\)"):
        read_embeddings(path)
    np.savez(path, names=np.array(["a"], dtype=object), embeddings=np.ones((1, 2)), provenance=np.array("{}"))
    with pytest.raises(InputError, match=r"the part 'names' is damaged or not an array .it holds Python objects"):
        read_embeddings(path)
