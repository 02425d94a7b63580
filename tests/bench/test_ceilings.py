"""Ceilings: what is measured does what it says, at a rate that no machine lacks."""

import numpy as np
import pytest

from refnet.bench import ceilings
from refnet.bench.ceilings import CHAINS, chains, measure_ceilings, total
from refnet.fast.lanes import WIDTH
from refnet.fast.pack import zeros


def test_reading_adds_up_every_value_as_often_as_said():
    x, result = np.arange(16 * WIDTH, dtype=np.float32), np.full(2 * WIDTH, -1, np.float32)
    total(x, 3, result, WIDTH)
    assert np.array_equal(result[WIDTH:], 3 * x.reshape(-1, WIDTH).sum(axis=0))
    assert (result[:WIDTH] == -1).all()


def test_chains_repeat_their_multiply_add():
    result = zeros(WIDTH * CHAINS)
    result[:] = np.linspace(0, 0.5, result.size, dtype=np.float32)
    expected = result.copy()
    for _ in range(3):
        exact = expected.astype(np.float64) * expected + expected
        expected = exact.astype(np.float32)
    chains(result, 0, 3)
    np.testing.assert_allclose(result, expected, rtol=4 * 2.0**-24)


@pytest.mark.parametrize("threads", [1, 2])
def test_ceilings_are_those_of_a_machine(monkeypatch, threads):
    monkeypatch.setattr(ceilings, "_MOST_BYTES", 1 << 24)
    monkeypatch.setattr(ceilings, "_BYTES_A_RUN", 1 << 24)
    found = measure_ceilings(threads)
    assert found.threads == threads
    assert 1e8 < found.flops_per_second < 1e13 * threads
    assert 1e8 < found.memory_bytes_per_second < 1e13 * threads
    assert 1e8 < found.l2_bytes_per_second < 1e13 * threads
