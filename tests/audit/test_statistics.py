"""Statistics that were streamed, beside plain NumPy on tensors that were kept."""

import math
import tracemalloc

import numpy as np
import pytest

from refnet.audit.statistics import BINS, TensorStatistics, bin_edges, described, statistics
from refnet.errors import UsageError
from refnet.network import Network
from refnet.zoo.samples import sample_images
from tests.comparison import assert_within


def described_in_parts(x, parts):
    found = TensorStatistics()
    for part in np.array_split(x, parts):
        found.add(part)
    return found


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_they_are_what_numpy_finds_in_all_of_it(parts):
    x = np.random.default_rng(0).normal(3, 2, size=(7, 5, 4, 6))
    x[x < 1] = 0
    found = described_in_parts(x, parts)
    assert found.count == x.size
    assert (found.low, found.high) == (x.min(), x.max())
    assert_within(np.array(found.mean), x.mean(), 1e-14)
    assert_within(np.array(found.deviation), x.std(), 1e-14)
    assert (found.zeros, found.negatives) == ((x == 0).sum(), (x < 0).sum())
    assert (found.at_low, found.at_high) == ((x == x.min()).sum(), (x == x.max()).sum())
    assert_within(found.channel_low, x.min(axis=(0, 2, 3)), 0)
    assert_within(found.channel_high, x.max(axis=(0, 2, 3)), 0)
    assert_within(found.channel_mean, x.mean(axis=(0, 2, 3)), 1e-14)


def test_no_digits_are_lost_far_from_zero():
    # Worked by hand: 1e9 + (0, 1, 2, 3) has variance 5/4; a sum of squares in float64 would hold none of it.
    found = described_in_parts(1e9 + np.arange(4.0).reshape(4, 1), 4)
    assert found.deviation == math.sqrt(1.25)
    assert found.mean == 1e9 + 1.5


def test_the_histogram_counts_as_numpy_does():
    rng = np.random.default_rng(1)
    x = rng.choice([-1, 1], 5000) * 2.0 ** rng.uniform(-25, 25, 5000)
    x[:3] = [0.0, 1.0, -1.0]
    edges = bin_edges()
    assert len(edges) == BINS + 1
    assert edges == sorted(edges)
    found = described_in_parts(x.reshape(-1, 1), 3)
    positive, _ = np.histogram(x[x >= 0], edges)
    negative, _ = np.histogram(-x[x < 0], edges)
    assert found.histogram.tolist() == (positive + negative[::-1]).tolist()


def test_a_channel_that_never_changes_is_dead_and_one_that_once_does_is_not():
    x = np.random.default_rng(2).normal(size=(3, 4, 2, 2))
    x[:, 1], x[:, 3] = 0.0, 5.0
    x[2, 3, 1, 1] = 5.5
    assert described_in_parts(x, 3).dead_channels == [1]
    assert described_in_parts(np.ones((1, 4)), 1).dead_channels == []  # of one image and one position nothing is known


def test_what_saturates_shows_at_its_ends():
    found = described_in_parts(np.clip(np.array([[-3.0, 0.5, 2.0], [2.0, 1.0, 7.0]]), 0, 1), 2)
    assert (found.at_low, found.at_high) == (1, 4)


def test_what_is_no_number_is_counted_apart():
    found = described_in_parts(np.array([[1.0, np.nan], [np.inf, 3.0]]), 2)
    assert (found.count, found.not_finite, found.mean) == (2, 2, 2.0)
    empty = described_in_parts(np.array([[np.nan]]), 1).to_json()
    assert (empty["min"], empty["mean"], empty["std"], empty["zeros"]) == (None, None, None, None)


def test_of_a_network_they_are_those_of_its_tensors(narrow):
    network, images = Network(narrow), sample_images()[:2].astype(np.float32)
    found = statistics(network, [images[:1], images[1:]], ["stage1_*relu1", "fc1"])
    _, kept = network.trace(images, ["stage1_*relu1", "fc1"])
    assert list(found) == list(kept)
    for name, x in kept.items():
        assert_within(np.array(found[name].mean), x.mean(), 1e-12 * abs(x).max())
        assert_within(np.array(found[name].deviation), x.std(), 1e-12 * abs(x).max())
        assert (found[name].low, found[name].high) == (x.min(), x.max())


def test_tensors_that_no_image_changes_are_left_out(narrow):
    assert not [name for name in described(narrow, ["*"]) if name.startswith("slope")]
    with pytest.raises(UsageError, match=r"'slope\*' match only tensors that no image changes"):
        described(narrow, ["slope*"])


def test_memory_does_not_grow_with_the_images(narrow):
    network, image = Network(narrow), sample_images()[:1].astype(np.float32)

    def peak(count):
        tracemalloc.start()
        statistics(network, (image for _ in range(count)), ["stage1_*"])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(4) < 1.1 * peak(1)
