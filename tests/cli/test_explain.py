"""`refnet explain`: three files or none, and what it says."""

import json

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.zoo.samples import sample_paths
from tests import localdata

PAIR = [str(path) for path in sample_paths()]


@pytest.fixture
def narrow_model(narrow_path):
    return ["-m", str(narrow_path), "--engine", "reference"]


def test_a_folder_gets_a_picture_its_maps_and_its_numbers(narrow_model, tmp_path, capsys):
    folder = tmp_path / "why"
    asked = ["--part", "occlusion", "--part", "gradient", "--square", "56", "--stride", "56", "--threshold", "0.9"]
    assert main(["explain", *PAIR, "-o", str(folder), *narrow_model, *asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in folder.iterdir()) == ["explanation.json", "explanation.npz", "explanation.png"]
    assert json.loads((folder / "explanation.json").read_text()) == said
    assert said["schema_version"] == 1
    assert said["occlusion"]["squares"] == 4
    assert said["robustness"] is None
    with Image.open(folder / "explanation.png") as picture:
        assert picture.format == "PNG"
    with np.load(folder / "explanation.npz") as maps:
        assert maps["occlusion"].shape == (2, 2)
        assert maps["gradient"].shape == (3, 112, 112)
        assert maps["occlusion"].min() == said["occlusion"]["largest_loss"]


def test_a_curve_says_where_the_threshold_is_crossed(narrow_model, tmp_path, capsys):
    asked = ["--part", "robustness", "--threshold", "-1"]
    assert main(["explain", *PAIR, "-o", str(tmp_path / "x.png"), *narrow_model, *asked]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("similarity ")
    assert printed.count("never below -1") == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.npz", "x.png"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("x.jpg", "expected FILE.png or a folder"),
        ("absent/x.png", "there is no folder"),
        ("absent/y", "there is no folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused_and_nothing_is_left(narrow_model, tmp_path, capsys, output, words):
    asked = ["--part", "gradient"]
    assert main(["explain", *PAIR, "-o", str(tmp_path / output), *narrow_model, *asked]) == 2
    assert words in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_photograph_of_several_is_refused(tmp_path, capsys):
    models = localdata.path("models/mobilefacenet-arcface-mxnet.onnx").parent
    found = ["--faces", "all", "--detector", str(models / "face_detection_yunet_2023mar.onnx")]
    group = str(localdata.path("photos/group.jpg"))
    command = ["explain", group, group, *found, "-m", str(models / "mobilefacenet-arcface-mxnet.onnx")]
    assert main([*command, "-o", str(tmp_path / "x.png")]) == 4
    assert "6 faces; expected one" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
