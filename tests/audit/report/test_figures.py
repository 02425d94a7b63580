"""A tensor's figures beside NumPy on the whole array, whatever the parts."""

import numpy as np
import pytest

from refnet.audit.report.figures import PART, activation, compact, edges, figures, statistics_of
from refnet.audit.statistics import TensorStatistics


def test_a_large_tensor_taken_in_parts_has_the_figures_of_the_whole() -> None:
    x = np.random.default_rng(0).normal(3, 2, (3, PART // 2 + 7)).astype(np.float32)
    x[0, :9] = 0
    found = figures(statistics_of(x))
    wide = x.astype(np.float64)
    assert found["count"] == x.size
    assert (found["low"], found["high"]) == (wide.min(), wide.max())
    assert found["mean"] == pytest.approx(wide.mean(), rel=1e-12)
    assert found["deviation"] == pytest.approx(wide.std(), rel=1e-12)
    assert found["zeros"] == 9 / x.size


def test_the_histogram_counts_what_lies_between_its_edges() -> None:
    x = np.random.default_rng(1).standard_normal(1000) * 10.0 ** np.random.default_rng(2).integers(-4, 4, 1000)
    first, counts = figures(statistics_of(x))["histogram"]
    bounds = [-np.inf, *edges(), np.inf]
    assert sum(counts) == x.size
    for n, count in enumerate(counts, first):
        low, high = bounds[n], bounds[n + 1]
        inside = (
            (x > low) & (x <= high) if high <= 0 else (x >= low) & (x < high) if low > 0 else (x > low) & (x < high)
        )
        assert count == inside.sum(), (low, high)


def test_what_is_not_finite_is_counted_apart_and_nothing_seen_is_null() -> None:
    found = figures(statistics_of(np.array([np.nan, np.inf, 2.0])))
    assert (found["count"], found["not_finite"], found["mean"]) == (1, 2, 2.0)
    empty = figures(statistics_of(np.array([np.nan])))
    assert (empty["count"], empty["low"], empty["zeros"], empty["histogram"]) == (0, None, None, [0, []])


def test_empty_bins_between_filled_ones_stay() -> None:
    assert compact(np.array([0, 1, 0, 0, 2, 0])) == [1, [1, 0, 0, 2]]


def test_a_channel_without_change_is_dead() -> None:
    found = TensorStatistics()
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    x[:, 1] = -0.5
    found.add(x)
    told = activation(found)
    assert (told["channels"], told["dead_channels"]) == (3, [1])
    assert told["negatives"] == (x < 0).mean()
