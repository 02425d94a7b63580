"""`refnet threshold`, and thresholds of `refnet compare`."""

import json
from pathlib import Path

import pytest

from refnet.cli import main
from refnet.zoo.samples import sample_paths

A, B = map(str, sample_paths())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))


def test_a_threshold_is_said_in_every_convention(capsys):
    assert main(["threshold", "1.24", "--from", "squared_l2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert lines[0].split() == ["cosine", "match", "if", "at", "least", "0.38", "c"]
    assert lines[2].split()[:6] == ["half_cosine_distance", "match", "if", "at", "most", "0.31"]
    assert main(["threshold", "0.3", "--from", "half_cosine_distance", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["given"] == {"value": 0.3, "metric": "half_cosine_distance"}
    assert said["thresholds"]["cosine"] == {"value": 0.4, "match": "at least", "formula": "c"}
    assert said["thresholds"]["l2"]["value"] == pytest.approx(1.2**0.5)


def test_a_threshold_needs_its_convention_and_lies_in_its_range(capsys):
    assert main(["threshold", "0.3"]) == 2
    assert "--from" in capsys.readouterr().err
    assert main(["threshold", "1.24", "--from", "cosine"]) == 2
    assert "threshold is 1.24; expected cosine, -1 to 1. It could be one of cosine_distance, l2" in capsys.readouterr().err.replace("\n", " ")  # fmt: skip
    assert main(["threshold", "1", "--from", "euclid"]) == 2
    capsys.readouterr()


def test_compare_takes_a_distance_and_says_whose_threshold_it_was(capsys):
    assert main(["compare", A, A, "--threshold", "0.01", "--metric", "squared_l2"]) == 0
    assert "- match at 0.995 (squared_l2 0.01); threshold given by the user" in capsys.readouterr().out
    assert main(["compare", A, B, "--threshold", "0.01", "--metric", "squared_l2", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["match"] is False
    assert result["threshold"]["origin"] == "given by the user"


def test_compare_takes_embeddings_by_name_and_opens_no_model(capsys, tmp_path, monkeypatch):
    assert main(["compare", A, B, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["similarity"]
    for suffix in ("npz", "csv", "jsonl"):
        assert main(["embed", A, B, "-o", str(tmp_path / f"e.{suffix}")]) == 0
    monkeypatch.setenv("REFNET_MODEL", "absent.onnx")
    capsys.readouterr()
    assert main(["compare", f"{tmp_path}/e.npz#{A}", f"{tmp_path}/e.csv#{B}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["similarity"] == expected
    assert main(["compare", f"{tmp_path}/e.jsonl#{A}", f"{tmp_path}/e.npz"]) == 4
    assert "hold 3 embeddings; expected one each. Give FILE#NAME." in capsys.readouterr().err.replace("\n", " ")
    assert main(["compare", f"{tmp_path}/e.npz#c.png", A]) == 4
    assert "no record of the name 'c.png'" in capsys.readouterr().err


def test_compare_refuses_embeddings_of_two_models(capsys, tmp_path):
    other = str(tmp_path / "other.onnx")
    assert main(["models", "make", "arcfaceresnet100-8", "--width", "1/16", "--units", "1,1,1,1", "-o", other]) == 0
    assert main(["embed", A, "-o", str(tmp_path / "e.npz"), "-m", other]) == 0
    capsys.readouterr()
    assert main(["compare", f"{tmp_path}/e.npz", B]) == 4
    assert "cannot be compared: one comes from the model other.onnx" in capsys.readouterr().err.replace("\n", " ")
