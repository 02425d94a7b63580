"""The lessons' face is the reader's own where there is one, and else the sample."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet import InputError
from refnet.faces import lesson
from refnet.faces.face import Face
from refnet.faces.lesson import SAMPLE, lesson_face
from tests import localdata

YUNET = "models/face_detection_yunet_2023mar.onnx"


def test_without_a_photograph_the_sample_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REFNET_IMAGE", raising=False)
    photograph, face = lesson_face()
    assert photograph.shape == (512, 512, 3)
    assert photograph.dtype == np.uint8
    assert face is SAMPLE


def test_the_samples_landmarks_are_the_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REFNET_IMAGE", raising=False)
    photograph, face = lesson_face()
    found = max(lesson.load_detector(localdata.path(YUNET))(photograph), key=lambda face: face.score or 0)
    assert abs(found.landmarks - face.landmarks).max() < 0.06  # they are kept with one decimal
    assert found.box is not None
    assert face.box is not None
    assert abs(np.subtract(found.box, face.box)).max() < 0.06


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "own.png"
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(path)
    monkeypatch.setenv("REFNET_IMAGE", str(path))
    return path


def test_of_several_faces_the_most_certain_is_taken(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    faces = [Face(np.zeros((5, 2)), score=score) for score in (0.7, 0.9, 0.8)]
    monkeypatch.setattr(lesson, "load_detector", lambda: lambda _: faces)
    photograph, face = lesson_face()
    assert photograph.shape == (40, 50, 3)
    assert face is faces[1]


def test_a_photograph_without_a_face_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    monkeypatch.setattr(lesson, "load_detector", lambda: lambda _: [])
    with pytest.raises(InputError, match=r"own\.png: no face was found in it; set REFNET_IMAGE to a photograph"):
        lesson_face()
