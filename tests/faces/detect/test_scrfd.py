"""SCRFD: what insightface reads in the outputs, refnet reads."""

import numpy as np
import pytest

from refnet.faces.detect import scrfd
from refnet.faces.detect.detector import Detector
from refnet.faces.detect.kinds import SCRFD, at_size, kind_of
from refnet.network import Network
from tests.comparison import assert_within
from tests.faces.detect.graphs import scrfd_form

HEIGHT, WIDTH = 96, 64


def _read_as_insightface_does(outputs: list[np.ndarray], threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`SCRFD.forward` of scrfd.py, restated: loops over strides, cells and the two anchors of a cell."""
    boxes, scores, points = [], [], []
    for index, stride in enumerate((8, 16, 32)):
        row = 0
        for i in range(HEIGHT // stride):
            for j in range(WIDTH // stride):
                for _ in range(2):
                    score = float(outputs[index].reshape(-1)[row])
                    if score >= threshold:
                        left, top, right, bottom = outputs[index + 3].reshape(-1, 4)[row].astype(float) * stride
                        x, y = j * stride, i * stride
                        boxes.append([x - left, y - top, x + right, y + bottom])
                        scores.append(score)
                        offsets = outputs[index + 6].reshape(-1, 5, 2)[row].astype(float) * stride
                        points.append([[x + dx, y + dy] for dx, dy in offsets])
                    row += 1
        assert row == len(outputs[index].reshape(-1))
    return np.array(boxes), np.array(scores), np.array(points)


@pytest.mark.parametrize("batched", [False, True])
def test_candidates_are_those_of_insightface(batched: bool) -> None:
    graph = at_size(scrfd_form(1, batched=batched), HEIGHT, WIDTH)
    pixels = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    by_name = Network(graph).run(scrfd.prepare(pixels))
    outputs = [by_name[tensor.name] for tensor in graph.outputs]
    found = scrfd.decode(outputs, HEIGHT, WIDTH, 0.3)
    boxes, scores, landmarks = _read_as_insightface_does(outputs, 0.3)
    assert 0 < len(scores) < sum(output.size for output in outputs[:3])
    assert np.array_equal(found.scores, scores)
    assert_within(found.boxes, boxes, 1e-9)
    assert_within(found.landmarks, landmarks, 1e-9)


def test_pixels_are_rgb_scaled_by_128() -> None:
    """`cv2.dnn.blobFromImage(img, 1/128, size, (127.5, 127.5, 127.5), swapRB=True)` of a BGR image."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 0] = 255
    blob = scrfd.prepare(pixels)
    assert (blob.shape, blob.dtype) == ((1, 3, 32, 32), np.float32)
    assert blob[0, :, 0, 0].tolist() == [127.5 / 128, -127.5 / 128, -127.5 / 128]


def test_the_kind_is_told_by_the_outputs() -> None:
    assert kind_of(scrfd_form()) is SCRFD
    assert kind_of(scrfd_form(batched=True)) is SCRFD


def test_both_engines_find_the_same_faces() -> None:
    graph, pixels = scrfd_form(3), np.random.default_rng(4).integers(0, 256, (70, 101, 3), dtype=np.uint8)
    fast, reference = (Detector(graph, engine=engine)(pixels, threshold=0.3) for engine in ("fast", "reference"))  # type: ignore[arg-type]
    assert len(fast) == len(reference) > 0
    for ours, exact in zip(fast, reference, strict=True):
        assert ours.score == pytest.approx(exact.score, abs=1e-5)
        assert_within(ours.landmarks, exact.landmarks, 1e-3)
        assert_within(np.array(ours.box), np.array(exact.box), 1e-3)
