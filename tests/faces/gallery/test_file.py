"""A gallery comes back as it was written, or the damage is told."""

import hashlib
import json
import multiprocessing
import os
import signal
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from refnet import InputError, UsageError
from refnet.faces.gallery import changing, locked, merge, read_gallery, write_gallery
from tests.faces.gallery.people import FROM, crowd, embeddings, gallery_of

HOSTILE = [
    "\n\x1b[31mred",
    "../../etc/passwd",
    "\U0001f469\u200d\U0001f680",
    "\udcff",
    "x" * 1000,
    ":smile:",
    "a\0b",
    "'\"\\,",
]


@pytest.fixture
def gallery():
    return gallery_of(*crowd(people=5))


@pytest.fixture
def path(tmp_path, gallery):
    write_gallery(tmp_path / "g.npz", gallery)
    return tmp_path / "g.npz"


def test_it_comes_back_the_same_and_the_same_gallery_gives_the_same_bytes(path, gallery, tmp_path):
    found = read_gallery(path)
    assert (found.labels, found.names, found.provenance) == (gallery.labels, gallery.names, gallery.provenance)
    assert found.embeddings.dtype == np.float32
    assert np.array_equal(found.embeddings, gallery.embeddings)
    write_gallery(tmp_path / "again.npz", found)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_hostile_labels_and_names_come_back_as_they_are(tmp_path):
    rows = np.eye(len(HOSTILE), dtype=np.float32)
    write_gallery(tmp_path / "g.npz", gallery_of(HOSTILE, HOSTILE[::-1], rows))
    found = read_gallery(tmp_path / "g.npz")
    assert dict(zip(found.labels, found.names, strict=True)) == dict(zip(HOSTILE, HOSTILE[::-1], strict=True))


def test_numpy_alone_opens_it_and_finds_no_pickle(path, gallery):
    with np.load(path, allow_pickle=False) as file:
        assert np.array_equal(file["embeddings"], gallery.embeddings)
        assert json.loads(file["labels"].tobytes()) == list(gallery.labels)
        manifest = json.loads(file["manifest"].tobytes())
    assert (manifest["entries"], manifest["identities"], manifest["dimension"]) == (15, 5, 64)
    assert manifest["provenance"]["model_sha256"] == FROM.model_sha256
    with zipfile.ZipFile(path) as archive:
        for part, digest in manifest["sha256"].items():
            assert hashlib.sha256(archive.read(f"{part}.npy")).hexdigest() == digest


def test_every_changed_byte_is_seen(path, gallery):
    content = path.read_bytes()
    for place in range(0, len(content), 17):
        changed = bytearray(content)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            found = read_gallery(path)
        except InputError:
            continue
        # What is left of a zip's directory (dates, attributes) says nothing about the gallery.
        assert (found.labels, found.names) == (gallery.labels, gallery.names)
        assert np.array_equal(found.embeddings, gallery.embeddings)


def test_a_file_cut_off_anywhere_is_refused(path):
    content = path.read_bytes()
    for length in range(0, len(content), 101):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"g.npz: (not a gallery, or damaged|the part)"):
            read_gallery(path)


def rewritten(path, **parts):
    """The same archive, with sound checksums of the zip, but some parts replaced."""
    with np.load(path) as file:
        arrays = {**dict(file), **parts}
    np.savez(path, **arrays)


def text(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def test_a_part_that_was_exchanged_is_named_with_what_to_do(path, gallery):
    rewritten(path, embeddings=gallery.embeddings * np.float32(2))
    with pytest.raises(
        InputError, match=r"g.npz: the part 'embeddings' is damaged .its SHA-256.*Put back a copy, or build"
    ):
        read_gallery(path)
    write_gallery(path, gallery)
    rewritten(path, labels=text(["mallory"] * 15))
    with pytest.raises(InputError, match="the part 'labels' is damaged"):
        read_gallery(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": 16}, "the part 'manifest' is damaged"),
        ({"schema_version": 2}, "schema_version is 2; this refnet reads 1"),
        ({"kind": "trace"}, "not a gallery; its manifest does not say so"),
        ({"provenance": {}}, "the part 'manifest' is damaged"),
        ({"sha256": {"embeddings": ""}}, "the part 'manifest' is damaged"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(path, change, message):
    with np.load(path) as file:
        manifest = json.loads(file["manifest"].tobytes())
    rewritten(path, manifest=text({**manifest, **change}))
    with pytest.raises(InputError, match=message):
        read_gallery(path)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(path, manifest):
    rewritten(path, manifest=np.frombuffer(manifest, np.uint8))
    with pytest.raises(InputError, match=r"not a gallery|the part 'manifest' is not JSON"):
        read_gallery(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": np.ones((15, 64))}, r"embeddings are float64 \(15, 64\); expected float32 \(N, D\)"),
        ({"embeddings": np.ones((14, 64), np.float32)}, "15 labels, 15 names and 14 embeddings"),
        ({"embeddings": np.zeros((15, 64), np.float32)}, "the length of its embedding is 0"),
        ({"labels": text(["a"] * 14)}, "14 labels, 15 names"),
        ({"labels": text([""] * 15)}, "a label is ''; expected a name"),
        ({"labels": text(["Zoe\u0308"] * 15)}, "not in the Unicode form NFC"),
        ({"labels": text([1] * 15)}, "the part 'labels' is no list of texts"),
        ({"names": text("a")}, "the part 'names' is no list of texts"),
    ],
)
def test_parts_that_do_not_fit_are_refused_even_with_sound_checksums(path, tmp_path, changes, message):
    rewritten(path, **changes)
    with zipfile.ZipFile(path) as archive:
        digests = {
            part: hashlib.sha256(archive.read(f"{part}.npy")).hexdigest() for part in ("embeddings", "labels", "names")
        }
    with np.load(path) as file:
        manifest = json.loads(file["manifest"].tobytes())
    manifest["sha256"] = digests
    del manifest["manifest_sha256"]
    canonical = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    manifest["manifest_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    rewritten(path, manifest=text(manifest))
    with pytest.raises(InputError, match=message):
        read_gallery(path)


def test_what_is_no_gallery_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent.npz: no such file"):
        read_gallery(tmp_path / "absent.npz")
    with pytest.raises(InputError, match=r"absent.npz: no such file"), changing(tmp_path / "absent.npz"):
        pass
    assert not list(tmp_path.iterdir())
    np.savez(tmp_path / "e.npz", embeddings=np.ones(3))
    with pytest.raises(InputError, match="not a gallery, or damaged; it has no part 'manifest'"):
        read_gallery(tmp_path / "e.npz")
    with pytest.raises(UsageError, match=r"the suffix is '.db'; expected .npz"):
        write_gallery(tmp_path / "g.db", gallery_of(*crowd()))
    with pytest.raises(UsageError, match="no such file or directory"), locked(tmp_path / "absent" / "g.npz"):
        pass


def add_people(path, first):
    """Another program: adds ten people, one at a time."""
    for i in range(first, first + 10):
        row = np.random.default_rng(i).normal(size=(1, 64)).astype(np.float32)
        with changing(path) as known:
            write_gallery(path, merge(known, embeddings(row), [f"new {i}"]).gallery)


def test_two_programs_that_add_at_once_lose_nothing(path, gallery):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add_people, args=(path, first)) for first in (100, 200)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert set(read_gallery(path).identities) == {
        *gallery.identities,
        *(f"new {i}" for i in (*range(100, 110), *range(200, 210))),
    }


def die_while_writing(path):
    """Another program, killed when the new file is written and has not its name yet."""
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    with changing(path) as known:
        write_gallery(path, merge(known, embeddings(np.eye(1, 64)), ["lost"]).gallery)


def test_a_program_killed_while_it_writes_leaves_the_old_gallery_and_no_lock(path, gallery):
    worker = multiprocessing.get_context("spawn").Process(target=die_while_writing, args=(path,))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert read_gallery(path).labels == gallery.labels
    add_people(path, 300)
    assert "new 309" in read_gallery(path).identities


def test_a_link_to_a_gallery_stays_a_link(path, gallery, tmp_path):
    link = tmp_path / "link.npz"
    link.symlink_to(path)
    write_gallery(link, gallery_of(*crowd(people=2)))
    assert link.is_symlink()
    assert len(read_gallery(path).identities) == 2


def test_a_gallery_keeps_the_provenance_of_its_first_entries(gallery):
    newer = replace(FROM, refnet="2", engine="reference")
    assert merge(gallery, embeddings(np.eye(1, 64), None, newer), ["z"]).gallery.provenance == FROM
