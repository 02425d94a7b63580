"""`refnet evaluate`: what it prints and writes, what it re-uses and what it refuses."""

import csv
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.faces.calibration import read_calibration
from refnet.zoo.cards import find_card


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pairs of noise; genuine ones share most of it."""
    rng, images, same = np.random.default_rng(0), [], []
    for n in range(20):
        first = rng.integers(0, 256, (112, 112, 3))
        second = first + rng.integers(-9, 9, first.shape) if n % 2 else rng.integers(0, 256, first.shape)
        for pixels in (first, second):
            buffer = io.BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
            images.append(buffer.getvalue())
        same.append(bool(n % 2))
    path = tmp_path_factory.mktemp("pairs") / "lfw-noise.bin"
    path.write_bytes(pickle.dumps((images, same), 4))
    return path


def test_it_says_the_protocol_beside_every_number(
    pairs: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), "--resamples", "10"]) == 0
    said = capsys.readouterr()
    assert "10 genuine and 10 impostor pairs" in said.out
    assert "InsightFace: mirror images added, squared distance, 10 folds, threshold searched" in said.out
    assert "Open Model Zoo: no mirror images, half cosine distance, 10 subsets, median threshold" in said.out
    assert "needs 100 impostor pairs; there are 10" in said.out
    assert "no published figure is compared with: synthetic weights" in said.err


def test_saved_embeddings_give_the_same_numbers_without_the_model(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "e.npz"
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), "--save-embeddings", str(saved), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(pairs), "--embeddings", str(saved), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert first["schema_version"] == 1
    assert first["summary"]["refused"] == [0.01, 0.001, 0.0001]
    assert first["published"] == []


def test_the_curve_and_a_calibration_are_written(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roc, calibration = tmp_path / "roc.csv", tmp_path / "c.json"
    options = ["--roc", str(roc), "--calibrate", str(calibration), "--far", "0.2", "--resamples", "2"]
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), *options]) == 0
    with roc.open() as file:
        rows = [*csv.reader(file)]
    assert rows[0] == ["similarity", "far", "tar"]
    assert rows[1] == ["inf", "0.0", "0.0"]
    assert rows[-1][1:] == ["1.0", "1.0"]
    found = read_calibration(calibration)
    assert found.far == 0.2
    assert found.pairs == 10
    assert "lets 0.20000 of 10 impostor pairs through" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--resamples", "0"], 2, "--resamples is 0; expected at least 1"),
        (["--embeddings", "absent.npz"], 4, "absent.npz: no such file"),
        (["--images", "."], 2, "holds its images itself"),
        (
            ["--calibrate", "c.json", "--far", "0.01"],
            2,
            "cannot be measured on 10 impostor pairs: it needs at least 100",
        ),
        (["--save-embeddings", "e.csv"], 2, "the suffix is '.csv'; expected .npz"),
        (["--save-embeddings", "absent/e.npz"], 2, "cannot write absent/e.npz: there is no folder absent"),
        (["--roc", "."], 2, "cannot write .: it is a folder; give a file name"),
        (["--calibrate", "c.txt"], 2, "cannot write c.txt: the suffix is '.txt'; expected .json"),
        (["--far", "0.1"], 2, "--far is the rate to calibrate at; give --calibrate FILE.json too"),
        (["--embeddings", "e.npz", "--save-embeddings", "f.npz"], 2, "--embeddings computes nothing to save"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    pairs: Path, narrow_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], status: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("refnet.cli.evaluate.embed_pairs", _never)  # refused before hours of computing
    model = [] if "--embeddings" in arguments else ["-m", str(narrow_path)]
    assert main(["evaluate", str(pairs), *model, *arguments]) == status
    assert message in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def _never(*_: object, **__: object) -> None:
    raise AssertionError("embeddings are computed")


def test_saved_embeddings_are_held_against_a_model_if_one_is_given(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, other = tmp_path / "e.npz", tmp_path / "other.onnx"
    other.write_bytes(b"another model")
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), "--save-embeddings", str(saved)]) == 0
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), "--embeddings", str(saved)]) == 0
    assert main(["evaluate", str(pairs), "-m", str(other), "--embeddings", str(saved)]) == 4
    assert "holds embeddings of the model narrow.onnx with sha256" in capsys.readouterr().err


def test_embeddings_of_another_set_of_as_many_images_are_refused(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, other = tmp_path / "e.npz", tmp_path / "other.bin"
    images, same = pickle.loads(pairs.read_bytes())
    other.write_bytes(pickle.dumps((images[::-1], same[::-1]), 4))
    assert main(["evaluate", str(pairs), "-m", str(narrow_path), "--save-embeddings", str(saved)]) == 0
    assert main(["evaluate", str(other), "--embeddings", str(saved)]) == 4
    assert "lacks the embeddings of 40 of 40 images of other.bin" in capsys.readouterr().err


def test_unmixed_folds_are_told_beside_the_number_and_in_json(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, same = pickle.loads(pairs.read_bytes())
    order = sorted(range(len(same)), key=lambda k: same[k])
    path = tmp_path / "sorted.bin"
    path.write_bytes(pickle.dumps(([images[2 * k + n] for k in order for n in (0, 1)], [same[k] for k in order]), 4))
    assert main(["evaluate", str(path), "-m", str(narrow_path)]) == 0
    said = capsys.readouterr()
    assert said.out.count("NOT comparable: unmixed folds") == 2
    assert "10 of 10 folds hold pairs of one kind only" in said.err
    assert main(["evaluate", str(path), "-m", str(narrow_path), "--json"]) == 0
    assert {*json.loads(capsys.readouterr().out)["cautions"]} == {"insightface", "omz"}


def test_a_published_figure_stands_beside_the_run_of_the_published_file(
    pairs: Path, narrow_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("refnet.zoo.card_of", lambda _: find_card("arcfaceresnet100-8"))
    assert main(["evaluate", str(pairs), "-m", str(narrow_path)]) == 0
    said = capsys.readouterr().out
    assert "insightface; it was published for the 6,000 pairs of lfw; this is lfw-noise.bin, of 20" in said
    assert "omz; it was published" in said


def test_a_set_without_published_figures_is_said_to_be_none(
    pairs: Path, narrow_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("refnet.zoo.card_of", lambda _: find_card("arcfaceresnet100-8"))
    path = tmp_path / "mine.bin"
    path.write_bytes(pairs.read_bytes())
    assert main(["evaluate", str(path), "-m", str(narrow_path)]) == 0
    assert "mine.bin is by its name none of those that arcfaceresnet100-8 has figures for: " in capsys.readouterr().err


def test_embeddings_without_mirror_images_serve_the_other_protocol_only(
    pairs: Path, narrow_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "e.npz"
    assert (
        main(["evaluate", str(pairs), "-m", str(narrow_path), "--protocol", "omz", "--save-embeddings", str(saved)])
        == 0
    )
    assert main(["evaluate", str(pairs), "--embeddings", str(saved)]) == 0
    assert "InsightFace" not in capsys.readouterr().out
    assert main(["evaluate", str(pairs), "--embeddings", str(saved), "--protocol", "insightface"]) == 4
    assert "adds the embeddings of mirror images, which this file lacks" in capsys.readouterr().err
