"""Exact search finds what comparing one by one finds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet import InputError, UsageError, similarity
from refnet.faces.gallery import search
from refnet.faces.gallery.exact import decide
from refnet.faces.thresholds import Threshold
from tests.faces.gallery.people import FROM, crowd, embeddings, gallery_of


def one_by_one(labels, names, rows, probe, count):
    """The answer by definition: every entry compared, the best of each label, sorted."""
    best = {}
    for label, name, row in sorted(zip(labels, names, rows, strict=True), key=lambda entry: entry[:2]):
        alike = similarity(probe, row)
        if label not in best or alike > best[label][0]:
            best[label] = (alike, name)
    ranked = sorted((-alike, label, name) for label, (alike, name) in best.items())
    return [(label, -negative, name) for negative, label, name in ranked[:count]]


def plain(candidates):
    return [(candidate.label, candidate.similarity, candidate.name) for candidate in candidates]


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4), st.integers(1, 6), st.integers(1, 15))
def test_it_is_comparing_one_by_one(seed, people, images, dimension, count):
    labels, names, rows = crowd(people, images, dimension, seed)
    probes = np.random.default_rng(seed + 1).normal(size=(3, dimension)).astype(np.float32)
    found = search(gallery_of(labels, names, rows), embeddings(probes), count)
    for probe, candidates in zip(probes, found, strict=True):
        assert plain(candidates) == one_by_one(labels, names, rows, probe, count)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_similarities_too_close_for_float32_are_told_apart(seed, count):
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=512)
    rows = (centre + 1e-6 * rng.normal(size=(60, 512))).astype(np.float32)  # cosines of 1 - 1e-12
    labels, names = [f"{i % 20}" for i in range(60)], [f"{i}" for i in range(60)]
    probe = (centre + 0.01 * rng.normal(size=512)).astype(np.float32)
    (found,) = search(gallery_of(labels, names, rows), embeddings([probe]), count)
    assert plain(found) == one_by_one(labels, names, rows, probe, count)


def test_its_bits_depend_on_no_order_and_on_no_other_probe(monkeypatch):
    labels, names, rows = crowd(people=50, dimension=512)
    probes = np.random.default_rng(5).normal(size=(20, 512)).astype(np.float32)
    expected = search(gallery_of(labels, names, rows), embeddings(probes), 7)
    order = np.random.default_rng(6).permutation(len(rows))
    shuffled = gallery_of([labels[i] for i in order], [names[i] for i in order], rows[order])
    assert search(shuffled, embeddings(probes), 7) == expected
    assert [search(shuffled, embeddings([probe]), 7)[0] for probe in probes] == expected
    monkeypatch.setattr("refnet.faces.gallery.exact.SCORES", 3 * len(rows))
    assert search(shuffled, embeddings(probes), 7) == expected


def test_the_number_is_that_of_refnet_similarity():
    labels, names, rows = crowd()
    (found,) = search(gallery_of(labels, names, rows), embeddings([rows[4]]), 100)
    assert len(found) == 20
    assert found[0].label == labels[4]
    for candidate in found:
        assert candidate.similarity == similarity(rows[4], rows[names.index(candidate.name)])


def test_ties_go_to_the_first_label_and_the_first_name():
    rows = np.array([[2.0, 0.0], [1.0, 0.0], [4.0, 0.0], [0.0, 1.0]], np.float32)
    gallery = gallery_of(["b", "a", "b", "c"], ["2", "1", "0", "3"], rows)
    (found,) = search(gallery, embeddings([[3.0, 0.0]]), 2)
    assert plain(found) == [("a", 1.0, "1"), ("b", 1.0, "0")]


def test_lengths_far_from_one_change_nothing():
    labels, names, rows = crowd(dimension=16)
    lengths = 2.0 ** np.random.default_rng(0).integers(-40, 40, len(rows))
    probe = np.random.default_rng(1).normal(size=16)
    (found,) = search(gallery_of(labels, names, rows), embeddings([probe]), 20)
    scaled = (rows * lengths[:, None]).astype(np.float32)
    (again,) = search(gallery_of(labels, names, scaled), embeddings([probe * 2.0**30]), 20)
    assert [c.label for c in again] == [c.label for c in found]
    assert [c.similarity for c in again] == pytest.approx([c.similarity for c in found], abs=1e-15)


def test_a_face_is_known_from_the_threshold_on_and_unknown_below():
    gallery = gallery_of(["a", "b"], ["1", "2"], np.eye(2, dtype=np.float32))
    (found,) = search(gallery, embeddings([[3.0, 4.0]]))
    assert [c.similarity for c in found] == [0.8, 0.6]
    assert decide(found, Threshold(0.8, "cosine", "")).label == "b"
    assert decide(found, Threshold(0.81, "cosine", "")) is None
    assert decide([], Threshold(-1, "cosine", "")) is None


def test_probes_of_another_model_and_senseless_counts_are_refused():
    gallery = gallery_of(["a"], ["1"], np.eye(1, 2, dtype=np.float32))
    with pytest.raises(InputError, match=r"0.png and the gallery cannot be compared: one comes from the model"):
        search(gallery, embeddings([[1.0, 0.0]], None, replace(FROM, model_sha256="cd" * 32)))
    with pytest.raises(InputError, match=r"0.png: the length of its embedding is 0"):
        search(gallery, embeddings([[0.0, 0.0]]))
    with pytest.raises(UsageError, match="0 identities were asked for"):
        search(gallery, embeddings([[1.0, 0.0]]), 0)
