"""Photograph to decision: YuNet, alignment and a trained relative tell people apart, at a threshold found elsewhere."""

import io
import pickle
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

import refnet
from refnet.faces.detect import load_detector
from refnet.faces.image import read_image
from refnet.faces.pipeline import Pipeline, crops_of
from tests import localdata

pytestmark = pytest.mark.full
PHOTOS = ("Aaron_Peirsol_0001", "Aaron_Peirsol_0002", "Abdullah_Gul_0013", "Abdullah_Gul_0014", "Rob_Lowe_0001",
          "Rob_Lowe_0002")  # fmt: skip


def _best_threshold(cosines: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """The cosine at which most pairs are decided rightly, and the share of them."""
    candidates = np.sort(cosines)
    shares = [((cosines >= candidate) == same).mean() for candidate in candidates]
    return float(candidates[int(np.argmax(shares))]), float(max(shares))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = (x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (first, second))
    return (a * b).sum(axis=1)


@pytest.mark.parametrize("model", ["mobilefacenet-arcface-mxnet", "mobilefacenet-arcface-opset19"])
def test_photographs_of_one_person_match_and_of_two_do_not(model: str) -> None:
    """The threshold comes from the 600 pairs of LFW's first fold, whose crops others have aligned."""
    network = refnet.load(localdata.path(f"models/{model}.onnx"))
    with localdata.path("lfw/lfw-fold1.bin").open("rb") as file:
        encoded, same = pickle.load(file, encoding="bytes")
    theirs = np.stack([np.asarray(Image.open(io.BytesIO(bytes(crop))).convert("RGB")) for crop in encoded])
    known = network(network.contract.prepare(theirs.transpose(0, 3, 1, 2)))
    threshold, accuracy = _best_threshold(_cosines(known[0::2], known[1::2]), np.array(same, dtype=bool))
    assert accuracy > 0.97

    pipeline = Pipeline(load_detector(localdata.path("models/face_detection_yunet_2023mar.onnx")))
    outcomes = [crops_of(read_image(localdata.path(f"photos/{name}.jpg")), pipeline) for name in PHOTOS]
    assert all(outcome.status == "ok" for outcome in outcomes)
    crops = np.stack([outcome.faces[0].alignment.crop.transpose(2, 0, 1) for outcome in outcomes])
    embeddings = network(network.contract.prepare(crops))
    for i, j in combinations(range(len(PHOTOS)), 2):
        cosine = _cosines(embeddings[i : i + 1], embeddings[j : j + 1])[0]
        assert (cosine >= threshold) == (PHOTOS[i][:-5] == PHOTOS[j][:-5]), (PHOTOS[i], PHOTOS[j], cosine, threshold)
