"""`refnet explain`: three files or none, and what it says."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.faces.calibration import Calibration, write_calibration
from refnet.zoo.samples import sample_paths
from tests import localdata

PAIR = [str(path) for path in sample_paths()]
GRADIENT = ["--part", "gradient"]
COARSE = ["--square", "56", "--stride", "56"]


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
        ("taken", "it is a file; expected FILE.png or a folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused_and_nothing_is_left(narrow_model, tmp_path, capsys, output, words):
    (tmp_path / "taken").touch()
    assert main(["explain", *PAIR, "-o", str(tmp_path / output), *narrow_model, *GRADIENT]) == 2
    assert words in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [tmp_path / "taken"]


def test_a_folder_may_be_called_like_a_picture(narrow_model, tmp_path):
    (tmp_path / "why.png").mkdir()
    assert main(["explain", *PAIR, "-o", str(tmp_path / "why.png"), *narrow_model, *GRADIENT]) == 0
    assert (tmp_path / "why.png" / "explanation.png").is_file()


def test_work_that_is_interrupted_leaves_nothing(narrow_model, tmp_path, monkeypatch):
    def interrupted(*_args, **_how):
        raise KeyboardInterrupt

    monkeypatch.setattr("refnet.cli.explain.explain_pair", interrupted)
    assert main(["explain", *PAIR, "-o", str(tmp_path / "why"), *narrow_model]) == 130
    assert not [*tmp_path.iterdir()]


def test_without_matplotlib_nothing_is_computed(narrow_model, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["explain", *PAIR, "-o", str(tmp_path / "why"), *narrow_model]) == 5
    assert 'pip install "refnet[report]"' in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_image_is_explained_with_finite_numbers(narrow_model, tmp_path, capsys, level):
    flat = saved(tmp_path / "flat.png", level)
    parts = [*GRADIENT, "--part", "occlusion", "--part", "robustness", *COARSE, "--json"]
    assert main(["explain", flat, PAIR[1], "-o", str(tmp_path / "why"), *narrow_model, *parts]) == 0
    json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    with np.load(tmp_path / "why" / "explanation.npz") as maps:
        assert all(np.isfinite(maps[name]).all() for name in maps)


def test_the_baseline_itself_has_nothing_to_attribute(narrow_model, tmp_path, capsys):
    """Grey of 127 is half a step beside the baseline, 127.5, so what there is to attribute is small and complete."""
    grey = saved(tmp_path / "grey.png", 127)
    parts = ["--part", "integrated", "--json"]
    assert main(["explain", grey, PAIR[1], "-o", str(tmp_path / "why"), *narrow_model, *parts]) == 0
    said = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["integrated"]
    assert said["complete"]
    assert abs(said["sum"]) < 0.05


def test_an_image_is_as_like_itself_as_can_be(narrow_model, tmp_path, capsys):
    parts = [*GRADIENT, "--part", "occlusion", *COARSE, "--threshold", "1"]
    assert main(["explain", PAIR[0], PAIR[0], "-o", str(tmp_path / "why"), *narrow_model, *parts]) == 0
    assert "similarity 1.000000" in capsys.readouterr().out
    with np.load(tmp_path / "why" / "explanation.npz") as maps:
        assert abs(maps["gradient"]).max() < 1e-14
        assert (maps["occlusion"] < 0).all()


def test_names_of_files_do_nothing_to_a_terminal_nor_to_the_picture(narrow_model, tmp_path, capsys):
    hostile = tmp_path / "$a_{b$ [red]\x1b[31m\n.png"
    hostile.write_bytes(Path(PAIR[0]).read_bytes())
    assert main(["explain", str(hostile), PAIR[1], "-o", str(tmp_path / "w"), *narrow_model, *GRADIENT, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["a"] == str(hostile)
    assert main(["explain", str(hostile), "absent.png", "-o", str(tmp_path / "w"), *narrow_model, *GRADIENT]) == 4
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"<html>", "a web page"),
        (Path(PAIR[0]).read_bytes()[:900], "damaged or unreadable"),
    ],
)
def test_a_broken_image_is_named(narrow_model, tmp_path, capsys, content, words):
    (tmp_path / "b.png").write_bytes(content)
    assert main(["explain", PAIR[0], str(tmp_path / "b.png"), "-o", str(tmp_path / "why"), *narrow_model]) == 4
    said = capsys.readouterr().err
    assert "b.png" in said
    assert words in said
    assert not (tmp_path / "why").exists()


@pytest.mark.parametrize("asked", [["--square", "113"], ["--stride", "0"], ["--square", "4", "--stride", "5"]])
def test_squares_that_do_not_fit_leave_nothing(narrow_model, tmp_path, capsys, asked):
    assert main(["explain", *PAIR, "-o", str(tmp_path / "why"), *narrow_model, "--part", "occlusion", *asked]) == 2
    assert "expected a square of 1 to 112 pixels that moves by 1 to its own side" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_calibration_gives_the_threshold_of_its_own_model_only(narrow_model, narrow_path, tmp_path, capsys):
    digest = hashlib.sha256(narrow_path.read_bytes()).hexdigest()
    own, other = (Calibration("cosine", 0.25, 0.01, 1000, sha, "aligned crops") for sha in (digest, "0" * 64))
    for name, calibration in (("own.json", own), ("other.json", other)):
        write_calibration(tmp_path / name, calibration)
    command = ["explain", *PAIR, "-o", str(tmp_path / "why"), *narrow_model, *GRADIENT, "--json", "--calibration"]
    assert main([*command, str(tmp_path / "own.json")]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"] == 0.25
    assert main([*command, str(tmp_path / "other.json")]) == 4
    assert "calibration" in capsys.readouterr().err


def test_a_photograph_without_a_face_is_refused(tmp_path, capsys):
    models = localdata.path("models/mobilefacenet-arcface-mxnet.onnx").parent
    sky = tmp_path / "sky.png"
    Image.new("RGB", (300, 200), "#88aaff").save(sky)
    found = ["--faces", "largest", "--detector", str(models / "face_detection_yunet_2023mar.onnx")]
    command = ["explain", str(sky), str(sky), *found, "-m", str(models / "mobilefacenet-arcface-mxnet.onnx")]
    assert main([*command, "-o", str(tmp_path / "x.png")]) == 4
    said = capsys.readouterr().err
    assert "sky.png" in said
    assert "no face" in said
    assert [*tmp_path.iterdir()] == [sky]


def saved(path, level):
    """The name of a flat image."""
    Image.new("RGB", (112, 112), (level,) * 3).save(path)
    return str(path)


def test_a_photograph_of_several_is_refused(tmp_path, capsys):
    models = localdata.path("models/mobilefacenet-arcface-mxnet.onnx").parent
    found = ["--faces", "all", "--detector", str(models / "face_detection_yunet_2023mar.onnx")]
    group = str(localdata.path("photos/group.jpg"))
    command = ["explain", group, group, *found, "-m", str(models / "mobilefacenet-arcface-mxnet.onnx")]
    assert main([*command, "-o", str(tmp_path / "x.png")]) == 4
    assert "6 faces; expected one" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
