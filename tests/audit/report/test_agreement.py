"""Agreement and activations of a document beside witnesses that share no code with it: loops, and onnxruntime alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from refnet.audit import compare
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.own_tensors import own_tensors
from refnet.audit.report.agreement import Nobody, agreement, measure, tensor_rows
from refnet.audit.report.document import Audit
from refnet.graph import Array
from refnet.network import Network
from refnet.zoo.samples import sample_crops
from tests.audit.doctor.patients import small, with_constants
from tests.audit.report.audited import audited

SHAPES = [(1,)] * len(small().nodes)


def _row(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in document["tensors"] if row["name"] == name)


def test_activations_are_those_of_the_scaled_pixels(document: dict[str, Any]) -> None:
    x = (sample_crops().astype(np.float64) - 127.5) / 128  # exact in float64
    told = _row(document, "_mulscalar0")["activation"]
    assert told["count"] == x.size
    assert (told["low"], told["high"]) == (x.min(), x.max())
    assert told["mean"] == pytest.approx(x.mean(), rel=1e-12)
    assert told["deviation"] == pytest.approx(x.std(), rel=1e-12)
    assert told["negatives"] == (x < 0).mean()
    assert told["channels"] == 3


def _with_outputs(path: Path, names: list[str]) -> onnxruntime.InferenceSession:
    """The file in onnxruntime, unoptimised, with tensors as outputs; read by the onnx package alone."""
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _convolution(x: Array, weight: Array) -> Array:
    """A 3 x 3 convolution with padding 1 as nine matrix products, float64."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = x.shape[2:]
    return sum(
        np.einsum("oc,nchw->nohw", weight[:, :, u, v], padded[:, :, u : u + height, v : v + width])
        for u in range(3)
        for v in range(3)
    )  # fmt: skip


def test_figures_of_the_first_convolution_are_those_of_onnxruntime_and_of_einsum(
    small_path: Path, document: dict[str, Any]
) -> None:
    x = sample_crops().astype(np.float32)
    (theirs,) = _with_outputs(small_path, ["conv0"]).run(None, {"data": x})
    exact = _convolution((x.astype(np.float64) - 127.5) / 128, small().constants["conv0_weight"].astype(np.float64))
    told = _row(document, "conv0")
    error = theirs.astype(np.float64) - exact
    assert told["other"]["relative_l2"] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(exact), rel=1e-6)
    assert told["other"]["max_abs"] == pytest.approx(abs(error).max(), rel=1e-6)
    assert told["activation"]["mean"] == pytest.approx(exact.mean(), rel=1e-9)
    assert told["activation"]["deviation"] == pytest.approx(exact.std(), rel=1e-9)
    assert told["activation"]["negatives"] == (exact < 0).mean()


def test_embedding_rows_are_the_distances_of_the_two_runtimes_embeddings(
    small_path: Path, document: dict[str, Any]
) -> None:
    x = sample_crops().astype(np.float32)
    exact = Network(small(), engine="reference")(x)
    fast = Network(small())(x).astype(np.float64)
    session = onnxruntime.InferenceSession(small_path, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"data": image[np.newaxis]})[0] for image in x]).astype(np.float64)
    for n, row in enumerate(document["agreement"]["embeddings"]):
        ours = np.linalg.norm(fast[n] - exact[n]) / np.linalg.norm(exact[n])
        assert row["fast_relative_l2"] == pytest.approx(ours, rel=1e-9)
        assert row["other_relative_l2"] < 1e-5
        cosine = fast[n] @ theirs[n] / np.linalg.norm(fast[n]) / np.linalg.norm(theirs[n])
        assert row["one_minus_cosine"] == pytest.approx(1 - cosine, abs=1e-12)
        assert row["angle_degrees"] == pytest.approx(math.degrees(math.sqrt(2 * row["one_minus_cosine"])), rel=1e-3)


def test_all_agree_and_the_floor_is_a_bound_on_what_was_found(document: dict[str, Any]) -> None:
    told = document["agreement"]
    assert told["agrees"]
    assert told["fast"]["agrees"]
    assert told["other"]["agrees"]
    assert told["other"]["name"].startswith("onnxruntime ")
    assert told["fast"]["summary"].endswith("agree with float64 within the noise floor")
    for row in document["tensors"]:
        for side in ("fast", "other"):
            assert row[side]["verdict"] == "agrees"
            assert row[side]["excess"] <= 1
        assert row["fast"]["relative_l2"] <= row["fast"]["floor"] or row["fast"]["relative_l2"] == 0


def test_a_file_that_is_not_what_the_other_runs_departs_where_it_differs(small_path: Path) -> None:
    """The network has one weight changed behind the file's back: both outputs cannot be right."""

    def change(weight: Array) -> None:
        weight[0, 0, 1, 1] += 0.25

    network = Network(with_constants(small(), stage2_unit1_conv1_weight=change))
    images = network.contract.prepare(sample_crops()[:1])
    measured = measure(network, images, OnnxRuntime(small_path))
    rows = tensor_rows(measured, SHAPES)
    told = agreement(measured, ["one"])
    at = [node.output for node in small().nodes].index("stage2_unit1_conv1")
    assert not measured.agrees
    assert told["other"]["first_departure"] == at
    assert "expected" in rows[at]["other"]["reason"]
    assert [row["other"]["verdict"] for row in rows].count("departs") == 1  # named once, where it is made
    assert told["fast"]["departures"] == 0
    assert told["fast"]["first_departure"] is None


def test_a_fast_engine_that_is_wrong_departs_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: Network, images: Array) -> Any:
        for name, array in own_tensors(network, images):
            yield name, array + 1 if name == "bn1" else array

    monkeypatch.setattr(compare, "own_tensors", wrong)
    network = Network(small())
    measured = measure(network, network.contract.prepare(sample_crops()[:1]), None)
    told = agreement(measured, ["one"])
    at = [node.output for node in small().nodes].index("bn1")
    assert not told["agrees"]
    assert (told["fast"]["first_departure"], told["fast"]["departures"]) == (at, 1)
    assert told["fast"]["summary"].endswith("depart from float64, the first is bn1")
    assert "times the noise floor of all before it" in tensor_rows(measured, SHAPES)[at]["fast"]["reason"]


def test_without_another_runtime_the_fast_engine_is_judged_all_the_same(small_path: Path, small_audit: Audit) -> None:
    alone = audited(small_path, other=False).document
    assert alone["agreement"]["other"] is None
    assert all(row["other"] is None for row in alone["tensors"])
    assert alone["agreement"]["agrees"]
    assert alone["agreement"]["sentence"] is None
    assert any("No other runtime was asked" in note for note in alone["notes"])
    assert any("No other runtime was at hand" in limit for limit in alone["limits"])
    for row, beside in zip(alone["tensors"], small_audit.document["tensors"], strict=True):
        assert row["fast"] == beside["fast"]
        assert row["activation"] == beside["activation"]


def test_nobody_shows_no_tensor() -> None:
    nobody = Nobody(Network(small()))
    assert list(nobody.stream(sample_crops(), {"conv0"})) == []
