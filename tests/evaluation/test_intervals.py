"""Intervals and tests: SciPy's, and the coverage that they promise."""

import numpy as np
import pytest
from scipy.stats import binomtest

from refnet.evaluation.intervals import binomial_p_value, bootstrap, percentile_interval, resampled_weights, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (3, 10), (598, 600), (5986, 6000), (50, 100)])
def test_wilson_is_scipys(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(0.95, "wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("count", [1, 3, 100, 300, 6000])
def test_an_interval_without_a_hit_or_a_miss_ends_exactly(count: int) -> None:
    assert wilson(0, count)[0] == 0
    assert wilson(count, count)[1] == 1


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize(
    ("hits", "count", "rate"), [(5986, 6000, 0.99767), (5981, 6000, 0.99767), (3, 10, 0.5), (0, 5, 0.1), (5, 5, 0.1)]
)
def test_the_binomial_test_is_scipys(hits: int, count: int, rate: float) -> None:
    assert binomial_p_value(hits, count, rate) == pytest.approx(binomtest(hits, count, rate).pvalue, rel=1e-8)


def test_resampled_pairs_keep_both_kinds_at_their_numbers() -> None:
    same = np.array([True] * 7 + [False] * 13)
    for weights in resampled_weights(same, None, None, 20, 0):
        assert (weights[same].sum(), weights[~same].sum()) == (7, 13)


def test_resampled_persons_weigh_their_pairs() -> None:
    same = np.array([True, False, False])
    first, second = ["ann", "ann", "bob"], ["ann", "bob", "cid"]
    for weights in resampled_weights(same, first, second, 50, 0):
        ann = weights[0]
        assert weights[1] == 0 if ann == 0 else weights[1] % ann == 0
        assert weights.sum() <= 3 + 3 * 3


def test_the_same_seed_gives_the_same_interval_and_it_covers_what_it_should() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(60):
        values = rng.normal(size=80)
        same = np.ones(80, bool)

        def mean(weights: np.ndarray, values: np.ndarray = values) -> list[float]:
            return [float((weights * values).sum() / weights.sum())]

        (interval,) = bootstrap(mean, resampled_weights(same, None, None, 200, trial))
        (again,) = bootstrap(mean, resampled_weights(same, None, None, 200, trial))
        assert interval == again
        covered += interval[0] <= 0 <= interval[1]
    assert covered >= 51  # 95 % of 60 is 57; fewer than 51 has a chance of one in a thousand


def test_what_could_not_be_computed_is_left_out() -> None:
    assert percentile_interval([1.0, float("nan"), 1.0]) == (1, 1)
    assert np.isnan(percentile_interval([float("nan")])).all()
