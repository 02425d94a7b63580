"""ONNX Runtime as a witness: its own numbers, all of them, a slice at a time."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from refnet.audit import oracle
from refnet.audit.oracle import OnnxRuntime
from refnet.errors import MissingExtraError, ModelError
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph
from refnet.zoo.samples import sample_images
from tests.audit.test_repair import save

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")

IMAGES = sample_images().astype(np.float32)
X = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)


def options():
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return settings


def test_slices_have_the_bits_of_one_session_that_shows_everything(narrow_path: Path) -> None:
    model = onnx.load(narrow_path)
    names = [node.output[0] for node in model.graph.node]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    settings = options()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    whole = dict(zip(names, session.run(names, {"data": IMAGES[:1]}), strict=True))
    sliced = dict(OnnxRuntime(narrow_path).stream(IMAGES[:1], frozenset(names)))
    assert list(sliced) == names
    assert all(np.array_equal(sliced[name], whole[name]) for name in names)


def test_the_outputs_are_those_of_the_file_as_its_users_run_it(narrow_path: Path) -> None:
    session = onnxruntime.InferenceSession(str(narrow_path), options(), providers=["CPUExecutionProvider"])
    expected = [session.run(None, {"data": image[np.newaxis]})[0][0] for image in IMAGES]
    runtime = OnnxRuntime(narrow_path)
    assert np.array_equal(runtime.outputs(IMAGES[:1], {"fc1"})["fc1"][0], expected[0])
    many = runtime.outputs(np.concatenate([IMAGES, IMAGES[:1]]), {"fc1"})["fc1"]  # more than at once
    assert many.shape == (5, 512)
    assert np.allclose(many, [*expected, expected[0]], rtol=0, atol=1e-4)


def test_the_file_as_shipped_is_refused_and_its_repaired_copy_runs(
    tmp_path: Path, narrow: Graph, narrow_path: Path
) -> None:
    write_model(narrow, tmp_path / "m.onnx", like="mxnet", spatial=0)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), options(), providers=["CPUExecutionProvider"])
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4
    with pytest.raises(Exception, match=r"Invalid input scale: NumDimensions\(\) != 3"):
        session.run(None, {"data": IMAGES[:1]}, quiet)
    before, runtime = OnnxRuntime(narrow_path), OnnxRuntime(tmp_path / "m.onnx")
    assert runtime.notes[0].startswith("spatial = 0 became 1 in 154 BatchNormalization nodes")
    for outputs in (lambda o: o.outputs(IMAGES[:1], {"fc1"}), lambda o: dict(o.stream(IMAGES[:1], {"fc1"}))):
        assert np.array_equal(outputs(runtime)["fc1"], outputs(before)["fc1"])


def test_only_the_tensors_asked_for_are_given(narrow_path: Path) -> None:
    names = [name for name, _ in OnnxRuntime(narrow_path, threads=1).stream(IMAGES[:2], {"fc1", "_plus0", "nowhere"})]
    assert names == ["_plus0", "fc1"]


def test_a_locked_batch_is_run_one_image_at_a_time(tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["x", "t"], ["y"], name="flat")
    runtime = OnnxRuntime(save(tmp_path, [node], weights={"t": np.array([1, 12])}))
    assert runtime.at_once == 1
    assert runtime.notes == ("node 'flat' (Reshape) fixes the batch: images were given one at a time",)
    assert np.array_equal(runtime.outputs(X, {"y"})["y"], X.reshape(3, 12))


def test_nodes_out_of_order_are_put_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "SLICE", 1)
    nodes = [helper.make_node("Add", ["n", "x"], ["y"]), helper.make_node("Neg", ["x"], ["n"])]
    assert dict(OnnxRuntime(save(tmp_path, nodes, batch="N")).stream(X, {"y", "n"}))["y"].sum() == 0


def test_an_absent_optional_input_stays_absent(tmp_path: Path) -> None:
    node = helper.make_node("Clip", ["x", "", "high"], ["y"])
    runtime = OnnxRuntime(save(tmp_path, [node], batch="N", weights={"high": np.float32(5)}))
    assert dict(runtime.stream(X, {"y"}))["y"].max() == 5


def test_onnxruntime_says_nothing_of_its_own(
    narrow_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime = OnnxRuntime(narrow_path)
    list(runtime.stream(IMAGES[:1], {"fc1"}))
    runtime.outputs(IMAGES[:1], {"fc1"})
    with pytest.raises(ModelError, match="onnxruntime"):
        OnnxRuntime(save(tmp_path, [helper.make_node("Relu", ["x"], ["y"])])).outputs(X[:, :2], {"y"})
    assert capfd.readouterr() == ("", "")


def test_what_it_cannot_run_is_said_in_one_line(tmp_path: Path) -> None:
    runtime = OnnxRuntime(save(tmp_path, [helper.make_node("Nonesuch", ["x"], ["y"])], batch="N"))
    with pytest.raises(ModelError, match=r"onnxruntime [\d.]+ cannot run .*m.onnx: .*Nonesuch") as caught:
        list(runtime.stream(X, {"y"}))
    assert "\n" not in str(caught.value)


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["y"], name="first"), helper.make_node("Neg", ["y"], ["b"])]
    with pytest.raises(ModelError, match="node 'first' reads a tensor that nothing makes before it"):
        list(OnnxRuntime(save(tmp_path, nodes)).stream(X[:1], {"y"}))


def test_a_missing_onnxruntime_says_how_to_install_it(narrow_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'refnet\[oracle\]'"):
        OnnxRuntime(narrow_path)
