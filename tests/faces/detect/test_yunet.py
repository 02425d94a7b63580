"""YuNet: read as OpenCV reads it; with the real file, on real photographs, the faces that OpenCV finds."""

import math

import cv2
import numpy as np
import pytest

from refnet.faces.detect import load_detector, yunet
from refnet.faces.detect.detector import Detector
from refnet.faces.detect.kinds import YUNET
from refnet.faces.detect.shown import shown
from refnet.faces.image import read_image
from tests import localdata
from tests.comparison import assert_within

MODEL = "models/face_detection_yunet_2023mar.onnx"
PEOPLE = ("Aaron_Peirsol_0001", "Aaron_Peirsol_0002", "Abdullah_Gul_0013", "Abdullah_Gul_0014", "Rob_Lowe_0001",
          "Rob_Lowe_0002")  # fmt: skip


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(localdata.path(MODEL))


def _outputs(rng: np.random.Generator, height: int, width: int) -> dict[str, np.ndarray]:
    outputs = {}
    for stride in (8, 16, 32):
        count = (height // stride) * (width // stride)
        outputs[f"cls_{stride}"] = rng.uniform(-0.1, 1.1, (1, count, 1)).astype(np.float32)
        outputs[f"obj_{stride}"] = rng.uniform(-0.1, 1.1, (1, count, 1)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 1, (1, count, 4)).astype(np.float32)
        outputs[f"kps_{stride}"] = rng.normal(0, 2, (1, count, 10)).astype(np.float32)
    return outputs


def test_candidates_are_read_as_opencv_reads_them() -> None:
    """`FaceDetectorYNImpl::postProcess` of face_detect.cpp, restated one cell at a time."""
    height, width, threshold = 64, 96, 0.5
    outputs = _outputs(np.random.default_rng(8), height, width)
    boxes, scores, points = [], [], []
    for stride in (8, 16, 32):
        columns = width // stride
        for index in range(len(outputs[f"cls_{stride}"][0])):
            row, column = divmod(index, columns)
            classes, objects = (float(outputs[f"{part}_{stride}"][0, index, 0]) for part in ("cls", "obj"))
            score = math.sqrt(min(max(classes, 0), 1) * min(max(objects, 0), 1))
            if score < threshold:
                continue
            dx, dy, dw, dh = outputs[f"bbox_{stride}"][0, index].astype(float)
            w, h = math.exp(dw) * stride, math.exp(dh) * stride
            x, y = (column + dx) * stride - w / 2, (row + dy) * stride - h / 2
            boxes.append([x, y, x + w, y + h])
            scores.append(score)
            k = outputs[f"kps_{stride}"][0, index].astype(float)
            points.append([[(k[2 * n] + column) * stride, (k[2 * n + 1] + row) * stride] for n in range(5)])
    found = yunet.decode(outputs, height, width, threshold)
    assert len(scores) > 10
    assert_within(found.scores, np.array(scores), 1e-12)
    assert_within(found.boxes, np.array(boxes), 1e-9)
    assert_within(found.landmarks, np.array(points), 1e-9)


def test_pixels_are_bgr_as_they_are() -> None:
    pixels = np.array([[[1, 2, 3]]], np.uint8)
    assert yunet.prepare(pixels)[0, :, 0, 0].tolist() == [3, 2, 1]


def test_the_kind_of_the_file_is_told_by_its_outputs(detector: Detector) -> None:
    assert detector.kind is YUNET


@pytest.mark.parametrize("name", [*PEOPLE, "group"])
@pytest.mark.parametrize("limit", [320, 640])
def test_the_faces_are_those_of_opencv(detector: Detector, name: str, limit: int) -> None:
    """The same pixels, scaled and filled up by refnet, through cv2.FaceDetectorYN: both compute in float32.

    A coordinate is a cell plus an offset, times 8, 16 or 32: an error of the network of 1e-4 of a cell, which is a
    thousand roundings, is 0.0032 pixels of what is shown.
    """
    photograph = read_image(localdata.path(f"photos/{name}.jpg"))
    seen, scale = shown(photograph, limit)
    opencv = cv2.FaceDetectorYN.create(str(localdata.path(MODEL)), "", seen.shape[1::-1], YUNET.threshold, 0.3, 5000)
    theirs = opencv.detect(np.ascontiguousarray(seen[..., ::-1]))[1]
    ours = detector(photograph, limit=limit)
    assert len(ours) == len(theirs) == (6 if name == "group" else 1)
    theirs = theirs[np.argsort(-theirs[:, 14])]
    for face, row in zip(ours, theirs, strict=True):
        corners = np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]])
        assert_within(np.array(face.box) * scale, corners, 0.0032)
        assert_within(face.landmarks * scale, row[4:14].reshape(5, 2), 0.0032)
        assert face.score == pytest.approx(row[14], abs=1e-5)


def test_every_face_of_the_group_is_found_at_every_size(detector: Detector) -> None:
    photograph = read_image(localdata.path("photos/group.jpg"))
    for limit in (320, 480, 640, 960, 1280):
        assert len(detector(photograph, limit=limit)) == 6


def test_both_engines_find_the_same_faces(detector: Detector) -> None:
    photograph = read_image(localdata.path("photos/Rob_Lowe_0001.jpg"))
    exact = load_detector(localdata.path(MODEL), engine="reference")(photograph)
    ours = detector(photograph)
    assert len(ours) == len(exact) == 1
    assert_within(ours[0].landmarks, exact[0].landmarks, 0.001)


def test_eyes_are_told_from_the_left_of_the_image(detector: Detector) -> None:
    for name in PEOPLE:
        left, right, nose, left_mouth, right_mouth = detector(read_image(localdata.path(f"photos/{name}.jpg")))[
            0
        ].landmarks
        assert left[0] < nose[0] < right[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left[1], right[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
