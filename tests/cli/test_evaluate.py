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
    ],
)
def test_what_cannot_be_meant_is_refused(
    pairs: Path, narrow_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], status: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    model = [] if "--embeddings" in arguments else ["-m", str(narrow_path)]
    assert main(["evaluate", str(pairs), *model, *arguments]) == status
    assert message in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


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
