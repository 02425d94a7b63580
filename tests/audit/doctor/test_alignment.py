"""Landmarks beside templates: the right one, others that are in use, and none."""

import numpy as np
import pytest

from refnet.audit.doctor.alignment import ARCFACE, OTHERS, found_landmarks, misalignment
from refnet.faces.align import similarity_transform, warp
from refnet.faces.detect import load_detector
from refnet.graph import Array
from tests import localdata
from tests.audit.doctor.photographs import lfw
from tests.comparison import assert_within

# openvinotoolkit/open_model_zoo demos/face_recognition_demo/python/face_identifier.py, in shares of the region.
OMZ = np.array(
    [
        (30.2946 / 96, 51.6963 / 112),
        (65.5318 / 96, 51.5014 / 112),
        (48.0252 / 96, 71.7366 / 112),
        (33.5493 / 96, 92.3655 / 112),
        (62.7299 / 96, 92.2041 / 112),
    ]
)


def _jitter(points: Array, count: int = 9) -> Array:
    """The points of several crops, each found with an error of half a pixel."""
    return points + np.random.default_rng(0).normal(0, 0.5, (count, 5, 2))


def _turned(degrees: float, scale: float, shift: tuple[float, float]) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned: Array = scale * (ARCFACE - 56) @ np.array([[c, s], [-s, c]]) + 56 + shift
    return turned


def test_aligned_crops_pass() -> None:
    assert misalignment(_jitter(ARCFACE)) == []


def test_crops_of_another_size_are_measured_in_their_own_pixels() -> None:
    assert misalignment(_jitter(ARCFACE) * 2, side=224) == []


def test_the_stretched_template_is_that_of_the_demo() -> None:
    assert_within(OTHERS["Open Model Zoo's demo (the 96 x 112 template, stretched)"], OMZ * 112, 1e-12)


def test_the_demos_template_is_told_from_the_right_one() -> None:
    (finding,) = misalignment(_jitter(OMZ * 112))
    assert finding.severity == "warning"
    assert finding.sentence.startswith("crops are aligned to another template: Open Model Zoo's demo")


@pytest.mark.parametrize("name", list(OTHERS))
def test_every_other_template_is_named(name: str) -> None:
    (finding,) = misalignment(_jitter(OTHERS[name]))
    assert finding.sentence.endswith(name)


def test_exchanged_sides_are_a_problem() -> None:
    (finding,) = misalignment(_jitter(ARCFACE[[1, 0, 2, 4, 3]]))
    assert finding.severity == "problem"
    assert finding.sentence.startswith("left and right are exchanged")


@pytest.mark.parametrize(
    ("degrees", "scale", "shift", "severity"),
    [(40, 1, (0, 0), "problem"), (0, 0.4, (0, 0), "problem"), (0, 1, (0, 13), "problem"), (8, 1, (0, 9), "warning")],
)
def test_crops_that_are_not_aligned_say_what_they_need(
    degrees: float, scale: float, shift: tuple[float, float], severity: str
) -> None:
    (finding,) = misalignment(_turned(degrees, scale, shift)[np.newaxis])
    assert (finding.severity, finding.sentence) == (severity, "crops are not aligned")
    needed = finding.evidence[1].found
    assert f"turn by {-degrees:.1f} degrees, scale by {1 / scale:.3f}" in needed
    assert needed.endswith("0.00 px remain")


def test_crops_without_a_face_are_counted() -> None:
    points = _jitter(ARCFACE)
    points[2] = np.nan
    (finding,) = misalignment(points)
    assert (finding.severity, finding.sentence) == ("warning", "no face is found in 1 of 9 crops")
    (finding,) = misalignment(np.full((2, 5, 2), np.nan))
    assert finding.sentence == "no face is found in 2 of 2 crops"


def test_a_detector_finds_what_aligned_photographs_are_aligned_to() -> None:
    detector = load_detector(localdata.path("models/face_detection_yunet_2023mar.onnx"))
    faces = lfw(24)
    assert misalignment(found_landmarks(faces, detector)) == []
    for name in list(OTHERS)[1:]:
        matrix = similarity_transform(ARCFACE, OTHERS[name])
        crops = np.stack([warp(face.transpose(1, 2, 0), matrix, 112) for face in faces]).transpose(0, 3, 1, 2)
        (finding,) = misalignment(found_landmarks(crops, detector))
        assert finding.sentence.endswith(name)
    blank = np.zeros((1, 3, 112, 112), np.uint8)
    assert misalignment(found_landmarks(blank, detector))[0].sentence == "no face is found in 1 of 1 crops"
