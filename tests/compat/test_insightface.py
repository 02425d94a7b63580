"""The recogniser beside an independent restatement of insightface's, on onnxruntime and OpenCV."""

import sys
import types

import cv2
import numpy as np
import onnxruntime
import pytest

from refnet import InputError, ModelError, UsageError
from refnet.compat.insightface import ArcFaceONNX
from refnet.compat.onnxruntime import InferenceSession
from tests import localdata

RELATIVES = {"mobilefacenet-arcface-mxnet": (0.0, 1.0), "mobilefacenet-arcface-opset19": (127.5, 127.5)}


@pytest.fixture(scope="module")
def recogniser(narrow_path):
    return ArcFaceONNX(str(narrow_path))


def photographs(*sizes):
    """Smooth BGR pictures."""
    rng = np.random.default_rng(0)
    return [
        cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (w, h), interpolation=cv2.INTER_CUBIC) for h, w in sizes
    ]


def restated(path, images, mean, std):
    """What insightface computes for crops, one image after another: a blob by OpenCV, a run by onnxruntime."""
    session = onnxruntime.InferenceSession(str(path))
    (declared,) = session.get_inputs()
    rows = []
    for image in images:
        blob = cv2.dnn.blobFromImages([image], 1.0 / std, (112, 112), (mean, mean, mean), swapRB=True)
        rows.append(session.run(None, {declared.name: blob})[0])
    return np.concatenate(rows)


@pytest.mark.parametrize("model", RELATIVES)
def test_embeddings_of_trained_models_are_those_of_the_restatement(model):
    path = localdata.path(f"models/{model}.onnx")
    mine = ArcFaceONNX(str(path))
    mine.prepare(ctx_id=-1)
    assert (mine.input_mean, mine.input_std) == RELATIVES[model]
    images = photographs((112, 112), (112, 112), (150, 130))
    expected = restated(path, images, *RELATIVES[model])
    found = mine.get_feat(images)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    for row, its in zip(found, expected, strict=True):
        assert np.linalg.norm(row - its) < 1e-4 * np.linalg.norm(its)  # docs/validation.md
    assert np.array_equal(mine.get_feat(images[0]), found[:1])


def test_what_programs_read_off_it(recogniser):
    assert recogniser.taskname == "recognition"
    assert recogniser.input_size == (112, 112)
    assert recogniser.input_shape == [1, 3, 112, 112]
    assert (recogniser.input_name, recogniser.output_names) == ("data", ["fc1"])
    assert (recogniser.input_mean, recogniser.input_std) == (0.0, 1.0)
    assert recogniser.output_shape[0] == 1
    recogniser.prepare(0, det_thresh=0.5)


def test_forward_takes_rgb_batches_of_any_kind_of_number(recogniser):
    (image,) = photographs((112, 112))
    rgb = image[..., ::-1].transpose(2, 0, 1)[np.newaxis]
    for batch in (rgb, rgb.astype(np.float32), rgb.astype(np.float64)):
        assert np.array_equal(recogniser.forward(batch), recogniser.get_feat(image))


def test_similarity_is_the_cosine_of_raw_embeddings(recogniser):
    a, b = np.random.default_rng(1).normal(size=(2, 1, 32)).astype(np.float32)
    expected = np.dot(a.ravel(), b.ravel()) / (np.linalg.norm(a) * np.linalg.norm(b))
    assert recogniser.compute_sim(a, b) == pytest.approx(expected, abs=40 * 2.0**-24)
    with pytest.raises(InputError, match="its angle to another is not defined"):
        recogniser.compute_sim(a, np.zeros(32))


def test_a_session_of_ours_is_used_and_another_refused(narrow_path, recogniser):
    session = InferenceSession(narrow_path)
    assert ArcFaceONNX(str(narrow_path), session=session).session is session
    with pytest.raises(UsageError, match=r"session is onnxruntime.*InferenceSession; expected refnet.compat"):
        ArcFaceONNX(str(narrow_path), session=onnxruntime.InferenceSession(str(narrow_path)))


def test_a_detector_is_no_recogniser():
    with pytest.raises(ModelError, match="expected images of three channels and a fixed size, and one output"):
        ArcFaceONNX(str(localdata.path("models/face_detection_yunet_2023mar.onnx")))


def test_get_aligns_with_the_landmarks_and_remembers_the_embedding(recogniser, monkeypatch):
    (photograph,) = photographs((200, 180))
    seen = {}

    def align(rgb, landmarks, size):
        seen.update(rgb=rgb, landmarks=landmarks, size=size)
        return types.SimpleNamespace(crop=rgb[:size, :size])

    monkeypatch.setitem(sys.modules, "refnet.faces.align", types.SimpleNamespace(align=align))
    face = types.SimpleNamespace(kps=np.zeros((5, 2), np.float32))
    embedding = recogniser.get(photograph, face)
    assert np.array_equal(seen["rgb"], photograph[..., ::-1])
    assert seen["size"] == 112
    assert embedding is face.embedding
    assert np.array_equal(embedding, recogniser.get_feat(photograph[:112, :112])[0])


def test_get_without_alignment_says_what_to_do(recogniser, monkeypatch):
    monkeypatch.setitem(sys.modules, "refnet.faces.align", None)
    with pytest.raises(UsageError, match=r"aligns no photographs; give get_feat\(\) aligned crops"):
        recogniser.get(photographs((200, 180))[0], types.SimpleNamespace(kps=np.zeros((5, 2))))
