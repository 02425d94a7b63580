"""LFW's first fold with trained networks: the same verdict on every pair as with onnxruntime's embeddings."""

from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet.evaluation.embedded import PairEmbeddings, embed_pairs
from refnet.evaluation.evaluate import Evaluation, evaluate
from refnet.evaluation.pairs import crops, read_pairs
from refnet.provenance import provenance
from tests import localdata

RELATIVES = ["models/mobilefacenet-arcface-mxnet.onnx", "models/mobilefacenet-arcface-opset19.onnx"]


@pytest.mark.parametrize("model", RELATIVES)
def test_both_protocols_give_onnxruntimes_accuracy_to_the_pair(model: str) -> None:
    path, pairs = localdata.path(model), read_pairs(localdata.path("lfw/lfw-fold1.bin"))
    network = refnet.load(path)
    ours = embed_pairs(network, pairs, mirror=True)
    theirs = _by_onnxruntime(path, network, pairs)
    results = [evaluate(pairs, embeddings, resamples=5) for embeddings in (ours, theirs)]
    for result in results:
        assert result.insightface is not None
        assert result.insightface.accuracy > 0.95  # trained networks: the pairs were not mixed up
        assert result.insightface.val is None  # the file has its genuine pairs first
    assert _verdicts(results[0]) == _verdicts(results[1])


def _verdicts(result: Evaluation) -> tuple[int, int, list[float]]:
    assert result.insightface is not None
    assert result.omz is not None
    return result.insightface.correct, result.omz.correct, result.insightface.thresholds.tolist()


def _by_onnxruntime(path: Path, network: refnet.Network, pairs: object) -> PairEmbeddings:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # one image at a time: more threads wait for each other most of the time
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    upright, mirrored = [], []
    for some in crops(pairs, 112, 112, 1):  # type: ignore[arg-type]
        for rows, crop in ((upright, some), (mirrored, some[..., ::-1])):
            x = np.ascontiguousarray(network.contract.prepare(crop), np.float32)
            rows.append(session.run(None, {name: x})[0])
    return PairEmbeddings(np.concatenate(upright), np.concatenate(mirrored), provenance(network))
