"""The machine's limits, and what follows from them."""

import pytest

from refnet.bench.roof import Roof, measure_roof


def test_the_roofline_is_the_larger_of_both_bounds() -> None:
    roof = Roof(threads=1, peak_gflops=100, cache_gbytes=50, memory_gbytes=10)
    assert roof.least_seconds(1e9, 0) == pytest.approx(0.01)
    assert roof.least_seconds(0, 1e9) == pytest.approx(0.1)
    assert roof.least_seconds(2e10, 1e9) == pytest.approx(0.2)


def test_what_is_measured_is_possible() -> None:
    roof = measure_roof(1)
    assert 0.1 < roof.peak_gflops < 4000
    assert roof.memory_gbytes > 0.1
    assert roof.cache_gbytes > 0.1
