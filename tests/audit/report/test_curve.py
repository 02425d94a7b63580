"""Thinned curves: nothing made up, the shape kept; histograms: every pair counted once."""

import numpy as np
import pytest

from refnet.audit.report.curve import curve_points, similarity_histograms
from refnet.evaluation.rates import area, roc


def test_a_short_curve_keeps_its_corners_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    same = np.array([True, True, False, False, True])
    points = curve_points(roc(similarities, same), genuine=3, impostor=2)
    # Up to (0, 1/3) and (0, 2/3), then right to (1/2, 2/3) and (1, 2/3), then up: inner points of a run go.
    assert [(p["threshold"], p["fmr"], round(p["fnmr"], 9)) for p in points] == [
        (None, 0.0, 1.0),
        (0.8, 0.0, round(1 / 3, 9)),
        (0.6, 1.0, round(1 / 3, 9)),
        (0.5, 1.0, 0.0),
    ]


def test_intervals_are_wilson_s() -> None:
    # Of 10 trials 3: by the closed form with z = 1.959964, computed by hand to five digits.
    similarities = np.concatenate([np.linspace(0.5, 0.9, 7), np.linspace(-0.9, -0.7, 3), [0.0] * 10])
    same = np.arange(20) < 10
    point = next(p for p in curve_points(roc(similarities, same), 10, 10) if p["threshold"] == 0.5)
    assert point["fnmr_interval"] == pytest.approx([0.10779, 0.60322], abs=1e-5)
    assert point["fmr_interval"] == pytest.approx([0.0, 0.27753], abs=1e-5)


@pytest.mark.parametrize("overlap", [0.5, 2.0])
def test_a_long_curve_is_thinned_to_points_of_its_own_with_the_same_area(overlap: float) -> None:
    rng = np.random.default_rng(0)
    same = rng.random(20_000) < 0.5
    similarities = np.clip(rng.normal(np.where(same, 0.2 * overlap, 0), 0.15), -1, 1)
    curve = roc(similarities, same)
    genuine, impostor = int(same.sum()), int((~same).sum())
    points = curve_points(curve, genuine, impostor)
    assert 100 < len(points) <= 400
    own = set(zip(curve.far.tolist(), (1 - curve.tar).tolist(), strict=True))
    assert all((p["fmr"], p["fnmr"]) in own for p in points)
    far, tar = [p["fmr"] for p in points], [1 - p["fnmr"] for p in points]
    assert far == sorted(far)
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1)
    # Between neighbours the curve lies in their box, so the area differs by no more than half the boxes.
    boxes = float((np.diff(far) * np.diff(tar)).sum())
    assert abs(float(np.trapezoid(tar, far)) - area(curve)) <= boxes / 2 + 1e-12
    assert boxes < 0.005
    assert min(f for f in far if f > 0) < 10 / impostor  # the end with few errors is there


def test_histograms_count_every_pair_once() -> None:
    found = similarity_histograms(np.array([-1.0, -0.99, 0.0, 0.3, 1.0, 1.0 + 1e-12]), np.array([0, 0, 0, 1, 1, 1]) > 0)
    assert len(found["edges"]) == 81
    assert (sum(found["genuine"]), sum(found["impostor"])) == (3, 3)
    assert found["genuine"][-1] == 2
    assert found["impostor"][0] == 2
    assert found["impostor"][40] == 1
