"""Who is who in one photograph."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet import MissingExtraError
from refnet.faces.gallery import Candidate, search
from refnet.faces.gallery.assignment import assign_once, nearest
from refnet.faces.thresholds import Threshold
from tests.faces.gallery.people import crowd, embeddings, gallery_of


def ranking(**similarities):
    return sorted(
        (Candidate(label, alike, f"{label}.png") for label, alike in similarities.items()), key=lambda c: -c.similarity
    )


def names(candidates):
    return [candidate and candidate.label for candidate in candidates]


AT_04 = Threshold(0.4, "cosine", "given by the user")


def test_nearest_may_name_two_faces_alike_and_once_may_not():
    rankings = [ranking(ann=0.9, bob=0.5), ranking(ann=0.8, bob=0.1)]
    assert names(nearest(rankings, AT_04)) == ["ann", "ann"]
    assert names(assign_once(rankings, AT_04)) == ["bob", "ann"]  # 0.5 + 0.8 > 0.9 + unknown at 0.4


def test_what_lies_below_the_threshold_pushes_nobody():
    # Adding up everything would give bob the first face for the sake of 0.85 + 0.1, and then call it unknown.
    rankings = [ranking(ann=0.9, bob=0.1), ranking(ann=0.85, bob=-0.5)]
    assert names(assign_once(rankings, AT_04)) == ["ann", None]


def test_at_the_threshold_a_face_is_known():
    assert names(assign_once([ranking(ann=0.4)], AT_04)) == ["ann"]
    assert names(assign_once([ranking(ann=0.39)], AT_04)) == [None]


def test_more_faces_than_identities_leave_some_unknown():
    assert names(assign_once([ranking(ann=0.7), ranking(ann=0.9), ranking(ann=0.8)], AT_04)) == [None, "ann", None]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_it_is_the_best_of_all_assignments(seed, faces, people):
    rng = np.random.default_rng(seed)
    alike = rng.uniform(-1, 1, (faces, people))
    rankings = [ranking(**{f"p{i}": float(value) for i, value in enumerate(row)}) for row in alike]
    found = assign_once(rankings, AT_04)
    taken = [candidate.label for candidate in found if candidate]
    assert len(taken) == len(set(taken))
    best = max(
        sum(alike[face, person] if person is not None else AT_04.cosine for face, person in enumerate(choice))
        for choice in itertools.product([None, *range(people)], repeat=faces)
        if len({p for p in choice if p is not None}) == sum(p is not None for p in choice)
        and all(p is None or alike[face, p] >= AT_04.cosine for face, p in enumerate(choice))
    )
    assert sum(c.similarity if c else AT_04.cosine for c in found) == pytest.approx(best, abs=1e-12)


def test_as_many_candidates_as_faces_are_enough():
    gallery = gallery_of(*crowd(people=15, dimension=4))
    probes = embeddings(np.random.default_rng(3).normal(size=(6, 4)))
    everything, enough = (search(gallery, probes, count) for count in (15, 6))
    assert assign_once(everything, AT_04) == assign_once(enough, AT_04)


def test_without_scipy_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r'pip install "refnet\[gallery\]"'):
        assign_once([ranking(ann=0.9)], AT_04)
