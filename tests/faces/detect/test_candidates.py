"""Suppression keeps the best of every face, as its definition says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refnet.faces.detect.candidates import Candidates, cells, suppress


def _candidates(boxes: list[list[float]], scores: list[float]) -> Candidates:
    landmarks = np.arange(len(boxes) * 10, dtype=np.float64).reshape(-1, 5, 2)
    return Candidates(np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64), landmarks)


def test_the_better_of_two_that_overlap_is_kept() -> None:
    """Two squares of 10, shifted by 5: they share 50 of 150, a third."""
    pair = _candidates([[0, 0, 10, 10], [5, 0, 15, 10]], [0.8, 0.9])
    assert suppress(pair, 0.33).scores.tolist() == [0.9]
    assert suppress(pair, 0.34).scores.tolist() == [0.9, 0.8]


def test_landmarks_go_with_their_box() -> None:
    kept = suppress(_candidates([[0, 0, 1, 1], [9, 9, 10, 10]], [0.1, 0.2]), 0.3)
    assert kept.landmarks[:, 0, 0].tolist() == [10, 0]


def test_what_is_suppressed_suppresses_nothing() -> None:
    chain = _candidates([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7])
    assert suppress(chain, 0.4).scores.tolist() == [0.9, 0.7]


def test_equal_scores_go_in_order() -> None:
    kept = suppress(_candidates([[0, 0, 10, 10], [1, 0, 11, 10]], [0.5, 0.5]), 0.3)
    assert kept.boxes.tolist() == [[0, 0, 10, 10]]


def test_nothing_stays_nothing() -> None:
    assert len(suppress(_candidates([], []), 0.3).scores) == 0


def test_boxes_without_area_share_nothing() -> None:
    assert len(suppress(_candidates([[1, 1, 1, 1], [1, 1, 1, 1]], [0.9, 0.8]), 0.3).scores) == 2


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 40), overlap=st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_suppression_is_its_definition(seed: int, count: int, overlap: float) -> None:
    """One by one, from the best down, in integers: whole coordinates, areas without rounding."""
    rng = np.random.default_rng(seed)
    corners, extents = rng.integers(0, 20, (count, 2)), rng.integers(1, 15, (count, 2))
    boxes, scores = np.concatenate([corners, corners + extents], axis=1), rng.integers(0, 10, count) / 10
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: (-scores[i], i)):
        if all(_intersection_over_union(boxes[i].tolist(), boxes[j].tolist()) <= overlap for j in kept):
            kept.append(i)
    found = suppress(_candidates(boxes.tolist(), scores.tolist()), overlap)
    assert np.array_equal(found.boxes, boxes[kept])


def _intersection_over_union(a: list[int], b: list[int]) -> float:
    grid_a = {(x, y) for x in range(a[0], a[2]) for y in range(a[1], a[3])}
    grid_b = {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}
    return len(grid_a & grid_b) / len(grid_a | grid_b)


def test_cells_go_row_by_row() -> None:
    assert cells(2, 3).tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]
