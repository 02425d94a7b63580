"""Rates over all thresholds: scikit-learn's curves, brute force, ties, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from refnet.errors import InputError, UsageError
from refnet.evaluation.rates import area, equal_error_rate, roc, supported, tar_at_far


def drawn(seed: int, pairs: int = 60, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.5
    same[:2] = True, False
    similarities = rng.normal(size=pairs) + same
    return (np.round(similarities, 1) if ties else similarities), same


@given(st.integers(0, 2**32 - 1), st.integers(2, 80), st.booleans())
def test_the_curve_and_its_area_are_scikit_learns(seed: int, pairs: int, ties: bool) -> None:
    similarities, same = drawn(seed, pairs, ties)
    curve = roc(similarities, same)
    far, tar, thresholds = roc_curve(same, similarities, drop_intermediate=False)
    assert np.allclose(curve.far, far, rtol=0, atol=1e-12)
    assert np.allclose(curve.tar, tar, rtol=0, atol=1e-12)
    assert np.array_equal(curve.thresholds[1:], thresholds[1:])
    assert area(curve) == pytest.approx(roc_auc_score(same, similarities), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.04, 0.1, 0.25, 1.0]))
def test_tar_at_far_is_the_best_of_all_thresholds(seed: int, target: float) -> None:
    similarities, same = drawn(seed)
    impostors = int((~same).sum())
    if not supported(target, impostors):
        return
    point = tar_at_far(roc(similarities, same), target, impostors)
    candidates = [np.inf, *similarities]
    allowed = [t for t in candidates if (similarities[~same] >= t).mean() <= target + 1e-12]
    assert point.tar == pytest.approx(max((similarities[same] >= t).mean() for t in allowed), abs=1e-12)
    assert point.far == pytest.approx((similarities[~same] >= point.threshold).mean(), abs=1e-12)
    assert point.far <= target + 1e-12


def test_weights_count_as_repeated_pairs() -> None:
    similarities, same = drawn(3)
    weights = np.random.default_rng(0).integers(0, 4, len(same))
    weights[:2] = 1
    weighted = roc(similarities, same, weights.astype(float))
    repeated = roc(np.repeat(similarities, weights), np.repeat(same, weights))
    assert area(weighted) == pytest.approx(area(repeated), abs=1e-12)
    assert equal_error_rate(weighted) == pytest.approx(equal_error_rate(repeated), abs=1e-12)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([3, 4], [1, 2], 0.0),
        ([1, 2], [3, 4], 1.0),
        ([1, 1], [1, 1], 0.5),
        ([1, 3], [0, 2], 0.5),
        ([2, 3, 4, 5], [0, 1, 1, 3], 0.25),
    ],
)
def test_equal_error_rates_worked_by_hand(genuine: list[float], impostor: list[float], expected: float) -> None:
    similarities = np.array([*genuine, *impostor], float)
    same = np.array([True] * len(genuine) + [False] * len(impostor))
    assert equal_error_rate(roc(similarities, same)) == pytest.approx(expected)


def test_a_rate_that_the_pairs_cannot_show_is_refused() -> None:
    curve = roc(*drawn(0))
    with pytest.raises(UsageError, match=r"0\.001 cannot be measured on 300 impostor pairs: it needs at least 1,000"):
        tar_at_far(curve, 1e-3, 300)
    assert supported(1e-3, 1000)
    for target in (0.0, -1.0, 1.5):
        with pytest.raises(UsageError, match="expected a fraction above 0 and at most 1"):
            tar_at_far(curve, target, 300)


def test_pairs_of_one_kind_and_similarities_that_are_no_numbers_are_refused() -> None:
    for same in ([True, True], [False, False]):
        with pytest.raises(InputError, match="all pairs are of one kind"):
            roc(np.zeros(2), np.array(same))
    with pytest.raises(InputError, match="the similarity of pair 1 is not finite"):
        roc(np.array([0, np.nan]), np.array([True, False]))
