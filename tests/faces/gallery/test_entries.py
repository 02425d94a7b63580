"""What a gallery keeps, and in which order."""

from dataclasses import replace

import numpy as np
import pytest

from refnet import InputError, ShapeError, UsageError
from refnet.faces.gallery import build, merge, remove
from refnet.faces.gallery.entries import shared_embeddings
from tests.faces.gallery.people import FROM, crowd, embeddings, gallery_of


def same(one, other):
    return (one.labels, one.names) == (other.labels, other.names) and np.array_equal(one.embeddings, other.embeddings)


def test_a_gallery_does_not_depend_on_the_order_it_was_made_in():
    labels, names, rows = crowd()
    names = ["same.png"] * len(names)  # so that only numbers tell some entries apart
    gallery = gallery_of(labels, names, rows)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        assert same(gallery, gallery_of([labels[i] for i in order], [names[i] for i in order], rows[order]))
    grown = gallery_of(labels[40:], names[40:], rows[40:])
    grown = merge(grown, embeddings(rows[:40], names[:40]), labels[:40]).gallery
    assert same(gallery, grown)


def test_identities_and_their_entries():
    gallery = gallery_of(["b", "a", "b", "c"], ["1", "2", "0", "3"], np.eye(4, dtype=np.float32))
    assert gallery.identities == ("a", "b", "c")
    assert [[gallery.names[entry] for entry in gallery.entries_of(i)] for i in range(3)] == [["2"], ["0", "1"], ["3"]]


def test_the_same_numbers_under_the_same_label_are_one_entry_and_what_is_there_stays():
    first = build(embeddings(np.eye(3), ["1", "2", "3"]), ["a", "a", "b"])
    assert (first.added, first.known) == (3, 0)
    again = merge(first.gallery, embeddings(np.eye(3), ["new name", "2", "3"]), ["a", "a", "c"])
    assert (again.added, again.known) == (1, 2)
    assert again.gallery.labels == ("a", "a", "b", "c")
    assert again.gallery.names == ("1", "2", "3", "3")
    twice = build(embeddings([[1.0, 0.0]] * 2, ["1", "2"]), ["a", "a"])
    assert (twice.added, twice.known, twice.gallery.names) == (1, 1, ("1",))


def test_the_same_name_with_other_numbers_is_another_entry():
    gallery = build(embeddings(np.eye(2), ["1.png", "1.png"]), ["a", "a"]).gallery
    assert len(gallery) == 2


def test_the_same_numbers_under_two_labels_are_kept_and_told():
    gallery = build(embeddings([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], ["1", "2", "3"]), ["a", "b", "b"]).gallery
    assert len(gallery) == 3
    assert list(shared_embeddings(gallery)) == [(("a", "1"), ("b", "2"))]


def test_identities_and_images_are_removed_by_name():
    gallery = gallery_of(["a", "a", "b", "c"], ["1", "2", "3", "4"], np.eye(4, dtype=np.float32))
    assert remove(gallery, ["b"], ["1"]).names == ("2", "4")
    assert np.array_equal(remove(gallery, ["a"]).embeddings, np.eye(4, dtype=np.float32)[2:])
    with pytest.raises(UsageError, match="no identity in the gallery is called 'z'"):
        remove(gallery, ["a", "z"])
    with pytest.raises(UsageError, match="no image in the gallery is called '9'"):
        remove(gallery, names=["9"])
    with pytest.raises(UsageError, match="nothing would be left in the gallery; remove its file instead"):
        remove(gallery, ["a", "b", "c"])


def test_another_model_pipeline_or_length_is_refused():
    gallery = gallery_of(["a"], ["1"], np.eye(1, 4, dtype=np.float32))
    others = [
        (embeddings(np.eye(1, 4), ["x.png"], replace(FROM, model_sha256="cd" * 32)), "x.png and the gallery cannot be compared: one comes from the model"),
        (embeddings(np.eye(1, 4), None, replace(FROM, pipeline="yunet")), "from the pipeline aligned crops, the other from yunet"),
        (embeddings(np.eye(1, 5)), "one has 4 numbers, the other 5"),
    ]  # fmt: skip
    for other, message in others:
        with pytest.raises(InputError, match=message):
            merge(gallery, other, ["b"])


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [1e300, 1.0], [1e-30, 0.0], [1e30, 0.0]])
def test_an_embedding_without_a_direction_is_refused_by_its_name(row):
    with pytest.raises(InputError, match=r"bad.png: the length of its embedding is .*; expected 9e-19 to 1e\+18"):
        build(embeddings([[1.0, 0.0], row], ["good.png", "bad.png"]), ["a", "b"])


def test_there_are_as_many_labels_as_embeddings():
    with pytest.raises(ShapeError, match="there are 1 labels for 2 embeddings; expected as many"):
        build(embeddings(np.eye(2)), ["a"])
