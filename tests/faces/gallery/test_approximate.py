"""The approximate index: the same numbers, possibly not all of them."""

import os
import sys

import numpy as np
import pytest

from refnet import MissingExtraError
from refnet.faces.gallery import search
from refnet.faces.gallery.approximate import ApproximateIndex, kept_index
from tests.faces.gallery.people import crowd, embeddings, gallery_of


@pytest.fixture(scope="module")
def gallery():
    return gallery_of(*crowd(people=300, dimension=64))


def test_what_it_finds_has_the_exact_similarity(gallery):
    probes = embeddings(gallery.embeddings[::30])
    exact, found = search(gallery, probes, 300), ApproximateIndex(gallery).search(probes, 5)
    hits = 0
    for all_of_them, some in zip(exact, found, strict=True):
        assert set(some) <= set(all_of_them)
        assert some == sorted(some, key=lambda c: (-c.similarity, c.label))
        assert some[0] == all_of_them[0]
        hits += len(set(some) & set(all_of_them[:5]))
    assert hits >= 0.9 * 5 * len(exact)


def test_an_index_is_built_once_and_kept(gallery, tmp_path, monkeypatch):
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path))
    built = []
    probes = embeddings(gallery.embeddings[:3])
    first = kept_index(gallery, lambda: built.append(1)).search(probes)
    assert kept_index(gallery, lambda: built.append(1)).search(probes) == first
    assert len(built) == 1
    (path,) = (tmp_path / "gallery-indexes").iterdir()
    path.write_bytes(b"damaged")
    assert kept_index(gallery, lambda: built.append(1)).search(probes) == first
    assert len(built) == 2
    kept_index(gallery_of(*crowd(people=2)), lambda: built.append(1))
    assert len(built) == 3


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes of files")
def test_an_index_that_others_can_have_written_is_not_read(gallery, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path))
    built = []
    kept_index(gallery, lambda: built.append(1))
    (path,) = (tmp_path / "gallery-indexes").iterdir()
    path.chmod(0o666)
    kept_index(gallery, lambda: built.append(1))
    assert len(built) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    path.parent.chmod(0o777)
    kept_index(gallery, lambda: built.append(1))
    assert len(built) == 3
    assert [record.message for record in caplog.records] == [
        "the index is not kept, and every search builds it anew: "
        f"{path.parent} can be written by other users (mode 0777); chmod go-w {path.parent}, or let REFNET_CACHE_DIR name a folder of your own"
    ]


def test_an_index_of_another_gallery_is_refused(gallery):
    other = ApproximateIndex(gallery_of(*crowd(people=2)))
    with pytest.raises(ValueError, match="the index is of"):
        ApproximateIndex(gallery, other.save())


def test_a_gallery_of_one_image_is_searched_too():
    gallery = gallery_of(["a"], ["1"], np.eye(1, 8, dtype=np.float32))
    assert [c.label for c in ApproximateIndex(gallery).search(embeddings(np.eye(1, 8)))[0]] == ["a"]


def test_without_usearch_the_line_that_installs_it_is_told(gallery, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "refnet\[ann\]"'):
        ApproximateIndex(gallery)
