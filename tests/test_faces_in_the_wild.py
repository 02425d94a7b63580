"""A trained relative of the network on real faces: the same decisions as with onnxruntime.

Fold 1 of LFW's pairs, aligned crops in InsightFace's pickle form; local data, skipped where it is absent.
"""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

import refnet
from tests import localdata

pytestmark = pytest.mark.full


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_every_pair_gets_the_verdict_that_onnxruntime_gives_it(engine: str) -> None:
    """600 pairs, at each of the 400 thresholds of InsightFace's protocol (squared distance 0 to 4 in steps of 0.01)."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    model = localdata.path("models/mobilefacenet-arcface-mxnet.onnx")
    with localdata.path("lfw/lfw-fold1.bin").open("rb") as file:
        encoded, same = pickle.load(file, encoding="bytes")
    crops = np.stack([np.asarray(Image.open(io.BytesIO(bytes(image))).convert("RGB")) for image in encoded])
    images = crops.transpose(0, 3, 1, 2).astype(np.float32)
    assert images.shape == (1200, 3, 112, 112)
    assert len(same) == 600

    ours = refnet.load(model, engine=engine)(images)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(model)
    theirs = np.concatenate([session.run(None, {"data": image[np.newaxis]})[0] for image in images])

    distances = [_squared_distances(embeddings.astype(np.float64)) for embeddings in (ours, theirs)]
    thresholds = np.arange(0, 4, 0.01)[:, np.newaxis]
    verdicts = [distance < thresholds for distance in distances]
    assert np.array_equal(*verdicts)

    accuracy = (verdicts[0] == np.array(same, dtype=bool)).mean(axis=1).max()
    assert accuracy > 0.97  # real faces, trained weights: the network does tell people apart


def _squared_distances(embeddings: np.ndarray) -> np.ndarray:
    """Of the pairs (0, 1), (2, 3), ... after normalisation."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.square(unit[0::2] - unit[1::2]).sum(axis=1)
