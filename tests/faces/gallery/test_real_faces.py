"""Real faces and a trained relative: who is found is who another runtime and plain NumPy find."""

import io
import pickle

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import refnet
from refnet.faces.gallery import build, search
from refnet.faces.gallery.exact import decide
from refnet.faces.thresholds import Threshold
from refnet.provenance import provenance
from tests import localdata
from tests.faces.gallery.people import embeddings

MODEL = "models/mobilefacenet-arcface-mxnet.onnx"


@pytest.fixture(scope="module")
def pairs():
    """(names, (300, 3, 112, 112), (300, 3, 112, 112)): two crops of each of LFW's 300 same pairs of the first fold."""
    lines = localdata.path("lfw/pairs-fold1.txt").read_text().splitlines()
    with localdata.path("lfw/lfw-fold1.bin").open("rb") as file:
        crops, same = pickle.load(file, encoding="bytes")
    pixels = [np.asarray(Image.open(io.BytesIO(bytes(crop))).convert("RGB")).transpose(2, 0, 1) for crop in crops]
    genuine = np.flatnonzero(same)
    names = [line.split("\t")[0] for line in lines if len(line.split("\t")) == 3]
    return names, np.stack([pixels[2 * i] for i in genuine]), np.stack([pixels[2 * i + 1] for i in genuine])


def test_the_same_person_is_found_as_with_onnxruntime_and_numpy(pairs):
    names, known, unknown = pairs
    path = localdata.path(MODEL)
    network = refnet.load(path)
    gallery = build(embeddings(network(known), None, provenance(network)), names).gallery
    rankings = search(gallery, embeddings(network(unknown), None, provenance(network)), 2)
    session = onnxruntime.InferenceSession(str(path))
    theirs = [
        np.concatenate([session.run(None, {"data": crop[np.newaxis].astype(np.float32)})[0] for crop in crops])
        for crops in (known, unknown)
    ]
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in theirs)
    cosines = second @ first.T
    hits = 0
    for name, row, ranking in zip(names, cosines, rankings, strict=True):
        assert abs(ranking[0].similarity - row.max()) < 1e-4
        if ranking[0].similarity - ranking[1].similarity > 1e-4:  # nearer than that, the runtimes' rounding decides
            assert ranking[0].label == names[int(row.argmax())]
        hits += ranking[0].label == name
    assert hits >= 0.95 * len(names)


def test_strangers_are_unknown_at_a_strict_threshold(pairs):
    names, known, unknown = pairs
    network = refnet.load(localdata.path(MODEL))
    strangers = set(sorted(set(names))[::2])
    stays = [i for i, name in enumerate(names) if name not in strangers]
    origin = provenance(network)
    gallery = build(embeddings(network(known[stays]), None, origin), [names[i] for i in stays]).gallery
    rankings = search(gallery, embeddings(network(unknown), None, origin), 1)
    strict = Threshold(0.6, "cosine", "strict enough for 300 faces")
    verdicts = [decide(ranking, strict) for ranking in rankings]
    assert not [name for name, verdict in zip(names, verdicts, strict=True) if name in strangers and verdict]
    assert all(verdict is None or verdict.label == name for name, verdict in zip(names, verdicts, strict=True))
