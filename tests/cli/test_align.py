"""`refnet align`: crops in files, what was found on stdout, what is wrong on stderr."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.faces.align import align
from refnet.faces.image import read_image
from tests import localdata

TEMPLATE = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
SMALL, LARGE = (np.array(TEMPLATE) + 20).tolist(), (np.array(TEMPLATE) * 2 + [150, 30]).tolist()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph, and beside it landmarks of two faces in it."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(path)
    (tmp_path / "two.json").write_text(json.dumps({"photo.png": [SMALL, LARGE]}))
    (tmp_path / "none.json").write_text("{}")
    return path


def _align(photo: Path, *options: object, landmarks: str = "two.json") -> int:
    return main(["align", str(photo), "--landmarks", str(photo.parent / landmarks), *map(str, options)])


def test_the_largest_face_is_written_and_told(capsys, photo, tmp_path):
    assert _align(photo, "-o", tmp_path / "crop.png", "--picture", tmp_path / "picture.png") == 0
    printed = capsys.readouterr()
    assert printed.out == "face 1 of 2: residual 0.00 pixels, turned by 0.0 degrees, scaled by 0.500\n"
    assert np.array_equal(read_image(tmp_path / "crop.png"), align(read_image(photo), np.array(LARGE)).crop)
    assert read_image(tmp_path / "picture.png").shape == (526, 932, 3)


def test_all_faces_are_numbered(capsys, photo, tmp_path):
    assert _align(photo, "--faces", "all", "-o", tmp_path / "crop.png", "--size", 128) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert [read_image(tmp_path / f"crop-{n}.png").shape for n in (1, 2)] == [(128, 128, 3)] * 2
    assert not (tmp_path / "crop.png").exists()


def test_several_faces_are_a_negative_finding_where_one_is_expected(capsys, photo, tmp_path):
    assert _align(photo, "--faces", "single", "-o", tmp_path / "crop.png") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith("photo.png: 2 faces were found; expected a single one\n")
    assert not (tmp_path / "crop.png").exists()


def test_what_is_left_out_is_said(capsys, photo):
    assert _align(photo, "--faces", "all", "--min-eyes", 50) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "left out: the eyes are 35.2 pixels apart; expected at least 50" in printed.err


def test_json_tells_everything_and_its_landmarks_can_be_given_back(capsys, photo, tmp_path):
    assert _align(photo, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema_version"], told["status"], told["found"]) == (1, "ok", 2)
    assert told["pipeline"].startswith("landmarks as given; aligned to ArcFace's five points, 112 x 112")
    (tmp_path / "again.json").write_text(json.dumps({"photo.png": told["faces"][0]["landmarks"]}))
    assert _align(photo, "--json", landmarks="again.json") == 0
    assert json.loads(capsys.readouterr().out)["faces"] == told["faces"]


def test_a_photograph_without_a_face_is_a_negative_finding(capsys, photo):
    assert _align(photo, "--json", landmarks="none.json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["status"] == "no face"
    assert "the file of landmarks has none for this photograph" in printed.err


def test_further_frames_are_mentioned(capsys, photo):
    frames = [Image.fromarray(np.full((300, 400, 3), value, np.uint8)) for value in (50, 100)]
    frames[0].save(photo, format="TIFF", save_all=True, append_images=frames[1:])
    assert _align(photo) == 0
    assert "photo.png: the file holds 2 frames; the first is taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["-o", "crop.jpg"], 2, "cannot write crop.jpg: expected one of .png"),
        (["--size", "100"], 2, "crops of 100 pixels have no template"),
        (["-o", "/nowhere/crop.png"], 2, "cannot write /nowhere/crop.png: there is no folder /nowhere"),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors(capsys, photo, options, status, message):
    assert _align(photo, *options) == status
    assert message in capsys.readouterr().err


def test_unreadable_photographs_and_unknown_detectors_have_their_status(capsys, photo, tmp_path, narrow_path):
    assert main(["align", str(tmp_path / "absent.jpg")]) == 4
    (tmp_path / "page.jpg").write_text("<html>")
    assert main(["align", str(tmp_path / "page.jpg")]) == 4
    assert "it looks like a web page" in capsys.readouterr().err
    assert main(["align", str(photo), "--detector", str(narrow_path)]) == 3
    assert "is no face detector that refnet reads: it takes data (1, 3, 112, 112)" in capsys.readouterr().err
    assert main(["align", str(photo), "--detector", str(tmp_path / "absent.onnx")]) == 3


def test_every_face_of_a_group_is_cut_out(capsys, tmp_path):
    group = localdata.path("photos/group.jpg")
    detector = localdata.path("models/face_detection_yunet_2023mar.onnx")
    options = ["--faces", "all", "-o", str(tmp_path / "x.png"), "--detector", str(detector), "--json"]
    assert main(["align", str(group), *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["found"] == len(told["faces"]) == 6
    assert len([*tmp_path.glob("x-?.png")]) == 6
    assert all(face["rms"] < 10 for face in told["faces"])
