"""Both protocols: equal, to all digits, to independent restatements and to scikit-learn's folds."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from refnet.errors import InputError
from refnet.evaluation.folds import contiguous_folds, equal_subsets
from refnet.evaluation.insightface import THRESHOLDS, flip_sum, insightface, squared_distances
from refnet.evaluation.omz import half_cosine_distances, normalised, omz
from tests.evaluation import restatements


def people(pairs: int, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw embeddings of pairs, in mixed order, that a threshold separates more or less well."""
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.5
    same[:2] = True, False
    first, other = rng.normal(size=(2, pairs, 8)) * 5
    second = np.where(same[:, np.newaxis], first, other) + rng.normal(size=(pairs, 8)) * 5 * noise
    return first, second, same


@pytest.mark.parametrize("pairs", [10, 13, 57, 100])
@pytest.mark.parametrize("seed", range(4))
def test_insightface_is_its_restatement_to_all_digits(pairs: int, seed: int) -> None:
    first, second, same = people(pairs, seed)
    a, _ = flip_sum(first, np.zeros_like(first))
    b, _ = flip_sum(second, np.zeros_like(second))
    result = insightface(squared_distances(a, b), same, 0.0)
    accuracy, std, thresholds = restatements.insightface(a.tolist(), b.tolist(), same.tolist())
    assert result.accuracy == pytest.approx(accuracy, abs=1e-15)
    assert result.accuracy_std == pytest.approx(std, abs=1e-15)
    assert np.allclose(result.thresholds, thresholds, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pairs", [10, 13, 57, 100])
@pytest.mark.parametrize("seed", range(4))
def test_omz_is_its_restatement_to_all_digits(pairs: int, seed: int) -> None:
    first, second, same = people(pairs, seed)
    result = omz(half_cosine_distances(normalised(first), normalised(second)), same)
    assert result.accuracy == pytest.approx(restatements.omz(first.tolist(), second.tolist(), same.tolist()), abs=1e-15)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_val_at_far_is_its_restatement(noise: float) -> None:
    first, second, same = people(400, 1, noise)
    a, _ = flip_sum(first, first)
    b, _ = flip_sum(second, second)
    result = insightface(squared_distances(a, b), same, 0.0)
    distances = np.square(a - b).sum(axis=1).tolist()
    assert (result.val, result.far) == pytest.approx(restatements.val_at_far(distances, same.tolist()), abs=1e-15)


def test_val_is_not_defined_where_a_fold_has_one_kind_only() -> None:
    first, second, same = people(100, 0)
    order = np.argsort(same, kind="stable")
    result = insightface(squared_distances(first, second)[order], same[order], 0.0)
    assert result.val is result.far is result.val_std is None


@pytest.mark.parametrize("count", [10, 11, 19, 6000])
def test_folds_are_those_of_scikit_learn(count: int) -> None:
    ours = [*contiguous_folds(count)]
    for (train, test), (their_train, their_test) in zip(ours, KFold(10).split(np.zeros(count)), strict=True):
        assert np.array_equal(train, their_train)
        assert np.array_equal(test, their_test)


def test_subsets_cover_every_pair_once() -> None:
    tests = [test.tolist() for _, test in equal_subsets(57)]
    assert [n for test in tests for n in test] == [*range(57)]
    assert [len(test) for test in tests] == [5, 6, 6, 5, 6, 6, 5, 6, 6, 6]


def test_the_first_of_equally_good_thresholds_is_taken() -> None:
    first = np.tile([[1.0, 0.0]], (20, 1))
    second = np.array([[1.0, 0.0], [0.0, 1.0]] * 10)  # distances 0 and 2: anything from 0.01 to 2 separates them
    result = insightface(squared_distances(first, second), np.array([True, False] * 10), 0.0)
    assert result.accuracy == 1
    assert result.thresholds.tolist() == [0.01] * 10
    assert len(THRESHOLDS) == 400


def test_a_distance_equal_to_the_threshold_is_not_the_same() -> None:
    result = insightface(np.zeros(10), np.array([False] * 9 + [True]), 0.0)
    assert result.thresholds[0] == 0.0  # 0 < 0 is false: nothing is called the same
    assert result.correct == 9


def test_mirror_images_are_added_before_the_length_is_taken() -> None:
    unit, xnorm = flip_sum(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]))
    assert unit.tolist() == [[0.6, 0.8]]
    assert xnorm == 5


def test_fewer_than_ten_pairs_are_refused() -> None:
    distances, same = np.zeros(9), np.zeros(9, bool)
    for protocol in (lambda: insightface(distances, same, 0.0), lambda: omz(distances, same)):
        with pytest.raises(InputError, match="there are 9 pairs; both protocols cut them into 10 folds"):
            protocol()
