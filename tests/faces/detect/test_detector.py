"""A detector takes photographs of any size, and refuses what it is not or cannot take."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refnet import ModelError, ShapeError, UsageError
from refnet.errors import NoAnswerError, UnsupportedModelError
from refnet.faces.detect.detector import KEPT, Detector
from refnet.faces.detect.kinds import kind_of
from refnet.faces.detect.shown import shown
from refnet.graph import Graph
from tests.comparison import assert_within
from tests.faces.detect.graphs import scrfd_form


def _photograph(height: int, width: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(height=st.integers(1, 90), width=st.integers(1, 90), limit=st.integers(32, 96))
def test_what_is_shown_is_a_multiple_of_32_and_black_where_nothing_is(height: int, width: int, limit: int) -> None:
    photograph = np.full((height, width, 3), 255, np.uint8)
    seen, scale = shown(photograph, limit)
    assert seen.shape[0] % 32 == seen.shape[1] % 32 == 0
    assert scale == min(1, limit / max(height, width))
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    assert max(inner) <= limit
    assert (seen[: inner[0], : inner[1]] == 255).all()
    assert seen.sum(dtype=int) == inner[0] * inner[1] * 3 * 255
    assert all(0 <= extent - part < 32 for extent, part in zip(seen.shape, inner, strict=False))


def test_a_small_photograph_is_shown_as_it_is() -> None:
    photograph = _photograph(40, 50)
    seen, scale = shown(photograph, 640)
    assert scale == 1
    assert np.array_equal(seen[:40, :50], photograph)


def test_scaling_averages_over_what_falls_into_a_pixel() -> None:
    """A board of single black and white pixels becomes grey, and no pattern."""
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    seen, scale = shown(np.repeat(board[..., np.newaxis], 3, axis=2).astype(np.uint8), 64)
    assert scale == 0.25
    assert abs(seen.astype(float) - 127.5).max() < 4


def test_places_are_told_in_pixels_of_the_photograph() -> None:
    detector, photograph = Detector(scrfd_form(3)), _photograph(96, 64)
    large = np.asarray(Image.fromarray(photograph).resize((128, 192), Image.Resampling.NEAREST))
    seen, _ = shown(large, 96)
    direct, scaled = detector(seen, threshold=0.3), detector(large, threshold=0.3, limit=96)
    assert len(direct) == len(scaled) > 0
    for a, b in zip(direct, scaled, strict=True):
        assert_within(b.landmarks, a.landmarks * 2)
        assert_within(np.array(b.box), np.array(a.box) * 2)


def test_more_sizes_than_are_kept_give_the_same_faces() -> None:
    detector, photographs = Detector(scrfd_form(3)), [_photograph(32, 32 * n) for n in range(1, KEPT + 3)]
    first = [detector(photograph, threshold=0.4) for photograph in photographs]
    for photograph, faces in zip(photographs, first, strict=True):
        again = detector(photograph, threshold=0.4)
        assert [face.box for face in again] == [face.box for face in faces]


def test_threads_may_share_a_detector() -> None:
    detector, photographs = Detector(scrfd_form(3)), [_photograph(32 * (n % 3 + 1), 64, n) for n in range(24)]
    expected = [[face.box for face in detector(photograph, threshold=0.4)] for photograph in photographs]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda photograph: [face.box for face in detector(photograph, threshold=0.4)], photographs)
        assert [*found] == expected


def test_nothing_above_the_threshold_is_no_face() -> None:
    assert Detector(scrfd_form(3))(_photograph(32, 32), threshold=1.0) == []


def _without_landmarks() -> Graph:
    return scrfd_form(widths=(1, 4))


def _of_one_size() -> Graph:
    """A file whose reshapes know only 640 x 640."""
    graph = scrfd_form()
    rows = {"8:1:shape": 12800, "16:1:shape": 3200, "32:1:shape": 800}
    constants = {name: np.array([rows[name], 1]) if name in rows else value for name, value in graph.constants.items()}
    return dataclasses.replace(graph, constants=constants)


def test_other_graphs_are_refused(narrow: Graph) -> None:
    with pytest.raises(UnsupportedModelError, match=r"no face detector.*takes data \(1, 3, 112, 112\) and gives fc1"):
        kind_of(narrow)
    with pytest.raises(UnsupportedModelError, match=r"gives 8:1 \(any, 1\).*expected YuNet .* or SCRFD with landmarks"):
        kind_of(_without_landmarks())


def test_a_detector_of_another_number_of_anchors_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"output 8:1 of this SCRFD has shape .64, 1..*expected 128 rows"):
        kind_of(scrfd_form(anchors=1))


def test_a_detector_of_one_size_is_refused() -> None:
    with pytest.raises(ModelError):
        kind_of(_of_one_size())


def test_a_face_at_no_place_is_refused() -> None:
    detector = Detector(scrfd_form(3))
    decode = detector.kind.decode

    def nowhere(*arguments: object) -> object:
        found = decode(*arguments)
        return dataclasses.replace(found, boxes=np.full_like(found.boxes, np.inf))

    detector.kind = dataclasses.replace(detector.kind, decode=nowhere)
    with pytest.raises(ModelError, match="finds a face at no finite place"):
        detector(_photograph(64, 64), threshold=0.1)


def test_a_detector_whose_outputs_are_not_finite_is_refused() -> None:
    graph = scrfd_form(3)
    constants = dict(graph.constants) | {"8:4:bias": np.full(8, np.inf, np.float32)}
    with pytest.raises(NoAnswerError, match=r"output '8:4' holds NaN or infinite values\. "):
        Detector(dataclasses.replace(graph, constants=constants))(_photograph(64, 64), threshold=0.1)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((3, 9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8)],
)
def test_other_pixels_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"expected \(H, W, 3\) uint8"):
        Detector(scrfd_form())(pixels)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_thresholds_that_are_no_scores_are_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="expected a score above 0, at most 1"):
        Detector(scrfd_form())(_photograph(32, 32), threshold=threshold)


def test_a_limit_below_one_cell_is_refused() -> None:
    with pytest.raises(UsageError, match="limit is 31 pixels; expected at least 32"):
        Detector(scrfd_form())(_photograph(32, 32), limit=31)
