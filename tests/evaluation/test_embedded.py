"""Saved embeddings serve the images they were computed of, from one model, and no others."""

import dataclasses
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import refnet
from refnet.errors import InputError, UsageError
from refnet.evaluation.embedded import MIRRORED, embed_pairs, load_embeddings, save_embeddings
from refnet.evaluation.pairs import PairSet, read_pairs
from refnet.faces.embedding_file import EmbeddingSet, write_embeddings
from tests.evaluation.sets import ORIGIN, embeddings_of, pair_set

PAIRS = pair_set([True, False])


def saved(folder: Path, **parts: np.ndarray) -> Path:
    """A file as `save_embeddings` writes it, with parts of it replaced."""
    path = folder / "e.npz"
    save_embeddings(path, PAIRS, embeddings_of([0.9, 0.1]))
    with np.load(path) as file:
        content = {**file, **parts}
    np.savez(path, **content)
    return path


def test_what_is_saved_is_read_again_in_the_order_of_the_pairs(tmp_path: Path) -> None:
    embeddings, path = embeddings_of([0.9, 0.1]), saved(tmp_path)
    backwards = dataclasses.replace(PAIRS, images=PAIRS.images[::-1])
    again = load_embeddings(path, backwards)
    assert np.array_equal(again.upright, embeddings.upright[::-1])
    assert again.mirrored is not None
    assert embeddings.mirrored is not None
    assert np.array_equal(again.mirrored, embeddings.mirrored[::-1])
    assert again.provenance == ORIGIN


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".jsonl"])
def test_files_of_refnet_embed_serve_without_mirror_images(tmp_path: Path, suffix: str) -> None:
    embeddings = embeddings_of([0.9, 0.1]).upright
    path = tmp_path / f"e{suffix}"
    write_embeddings(path, EmbeddingSet((*PAIRS.images, "more"), np.vstack([embeddings, [[1, 1]]]), ORIGIN))
    found = load_embeddings(path, PAIRS)
    assert np.array_equal(found.upright, embeddings)
    assert found.mirrored is None


def test_embeddings_of_another_model_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert load_embeddings(path, PAIRS, ORIGIN.model_sha256).provenance == ORIGIN
    with pytest.raises(
        InputError, match=rf"of the model m\.onnx with sha256 {ORIGIN.model_sha256}; expected cd12\. Comp"
    ):
        load_embeddings(path, PAIRS, "cd12")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"names": np.array(["image 0", "image 1", "image 2", "x"])}, r"lacks .* 1 of 4 images of set\.bin, 'image 3'"),
        (
            {
                "names": np.array(["image 0", "image 1", "image 2", "image 3", "image 1"]),
                "embeddings": np.ones((5, 2)), MIRRORED: np.ones((5, 2)),
            },
            "has several embeddings of 'image 1'; expected one of each image",
        ),
        ({MIRRORED: np.ones((3, 2))}, r"mirrored_embeddings has shape \(3, 2\) of float64; expected \(4, 2\) of floats"),
        ({MIRRORED: np.full((4, 2), "x")}, r"shape \(4, 2\) of <U1; expected \(4, 2\) of floats"),
        ({MIRRORED: np.array([[1, 1], [1, np.nan], [1, 1], [1, 1]])}, "embedding of image 'image 1' is not finite"),
        ({"embeddings": np.array([[1, 1], [1, 1], [0, 0], [1.0, 1]])}, "image 'image 2' is all zero: it has no direction"),
        ({"embeddings": np.array([[1, np.inf], [1, 1], [1, 1], [1.0, 1]])}, "'image 0' is not finite"),
    ],
)  # fmt: skip
def test_files_that_cannot_serve_are_refused(tmp_path: Path, parts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_embeddings(saved(tmp_path, **parts), PAIRS)


def test_only_npz_is_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the suffix is '\.csv'; expected \.npz"):
        save_embeddings(tmp_path / "e.csv", PAIRS, embeddings_of([0.9, 0.1]))


def noise_pairs(folder: Path, images: int) -> PairSet:
    rng, encoded = np.random.default_rng(0), []
    for _ in range(images):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    path = folder / "noise.bin"
    path.write_bytes(pickle.dumps((encoded, [n % 2 == 0 for n in range(images // 2)]), 4))
    return read_pairs(path)


def test_batches_hold_every_image_and_its_mirror_image_once(tmp_path: Path, narrow_path: Path) -> None:
    network, pairs = refnet.load(narrow_path), noise_pairs(tmp_path, 34)  # a batch of 32, and one of 2
    told: list[int] = []
    found = embed_pairs(network, pairs, mirror=True, advance=told.append)
    assert told == [32, 2]
    assert found.mirrored is not None
    for index in (0, 31, 32, 33):
        crop = pairs.crop(index, 112, 112)[np.newaxis].astype(np.float32)
        assert np.array_equal(found.upright[index], network(crop)[0])
        assert np.array_equal(found.mirrored[index], network(np.flip(crop, 3))[0])
