"""The same threshold in every convention."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance

from refnet import UsageError
from refnet.faces.thresholds import CONVENTIONS, METRICS, Threshold, all_conventions, convert

# Two unit vectors at 60 degrees, by hand: cos 60 = 1/2, chord 2 sin 30 = 1.
SIXTY_DEGREES = {
    "cosine": 0.5,
    "cosine_distance": 0.5,
    "half_cosine_distance": 0.25,
    "l2": 1.0,
    "squared_l2": 1.0,
    "degrees": 60.0,
    "radians": math.pi / 3,
    "angular": 1 / 3,
}


@pytest.mark.parametrize("source", METRICS)
@pytest.mark.parametrize("target", METRICS)
def test_sixty_degrees_in_every_convention(source, target):
    assert convert(SIXTY_DEGREES[source], source, target) == pytest.approx(SIXTY_DEGREES[target], rel=8 * 2.0**-53)


@pytest.mark.parametrize("source", METRICS)
def test_the_ends_of_a_range_are_the_ends_of_every_other(source):
    it = CONVENTIONS[source]
    closest, farthest = (it.high, it.low) if it.larger_is_closer else (it.low, it.high)
    for target, other in CONVENTIONS.items():
        ends = (other.high, other.low) if other.larger_is_closer else (other.low, other.high)
        assert convert(closest, source, target) == pytest.approx(ends[0], abs=1e-7)
        assert convert(farthest, source, target) == pytest.approx(ends[1], abs=1e-7)


@given(st.integers(0, 2**32 - 1))
def test_the_distances_are_those_that_scipy_computes(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 16))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    cosine = float(a @ b)
    said = all_conventions(cosine, "cosine")
    assert said["cosine_distance"] == pytest.approx(distance.cosine(a, b), abs=1e-14)
    assert said["half_cosine_distance"] == pytest.approx(distance.cosine(a, b) * 0.5, abs=1e-14)
    assert said["l2"] == pytest.approx(distance.euclidean(a, b), abs=1e-12)
    assert said["squared_l2"] == pytest.approx(distance.sqeuclidean(a, b), abs=1e-14)
    assert said["radians"] == pytest.approx(math.acos(cosine), abs=1e-12)
    assert said["degrees"] == pytest.approx(math.acos(cosine) * 180 / math.pi, abs=1e-10)
    assert said["angular"] == pytest.approx(math.acos(cosine) / math.pi, abs=1e-13)


@given(st.sampled_from(METRICS), st.sampled_from(METRICS), st.floats(0, 1), st.floats(0, 1))
def test_a_threshold_in_another_convention_orders_faces_the_same_way(source, target, one, two):
    low, high = CONVENTIONS[source].low, CONVENTIONS[source].high
    first, second = sorted(low + share * (high - low) for share in (one, two))
    turned = CONVENTIONS[source].larger_is_closer != CONVENTIONS[target].larger_is_closer
    there = [convert(value, source, target) for value in (first, second)]
    assert (there[0] >= there[1] if turned else there[0] <= there[1]) or first == pytest.approx(second, abs=1e-12)


def test_small_angles_keep_their_digits():
    assert convert(1e-9, "radians", "l2") == pytest.approx(1e-9, rel=1e-12)
    assert convert(1e-9, "l2", "degrees") == pytest.approx(math.degrees(1e-9), rel=1e-12)


@pytest.mark.parametrize(
    ("value", "metric", "message"),
    [
        (1.24, "cosine", r"threshold is 1.24; expected cosine, -1 to 1. It could be one of cosine_distance, l2"),
        (-0.1, "l2", r"expected l2, 0 to 2. It could be one of cosine\."),
        (181, "degrees", r"threshold is 181; expected degrees, 0 to 180.$"),
        (math.nan, "cosine", "threshold is nan"),
        (math.inf, "squared_l2", "threshold is inf"),
    ],
)
def test_a_value_outside_its_range_is_refused(value, metric, message):
    with pytest.raises(UsageError, match=message):
        convert(value, metric, "cosine")
    with pytest.raises(UsageError, match=message):
        Threshold(value, metric, "given by the user")


def test_a_threshold_says_what_it_means_and_where_it_comes_from():
    threshold = Threshold(1.24, "squared_l2", "given by the user")
    assert str(threshold) == "0.38 (squared_l2 1.24)"
    assert str(Threshold(0.4, "cosine", "")) == "0.4"
    assert threshold.to_json() == {
        "value": 1.24,
        "metric": "squared_l2",
        "cosine": pytest.approx(0.38),
        "origin": "given by the user",
    }
