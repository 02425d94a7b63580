"""Models in another form: what they compute, what they say of themselves, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import refnet
from refnet import resnet100, watermark
from refnet.conversion.convert import convert
from refnet.conversion.modern import modernised
from refnet.conversion.original import as_original
from refnet.errors import UnsupportedModelError, UsageError
from refnet.files import sha256
from refnet.formats.onnx_forms import MODERN
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph, Node, Tensor
from refnet.network import ENGINES, EngineName
from refnet.provenance import provenance
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops
from tests import localdata

WIDTHS = (4, 8, 16, 32)  # of the narrow model


def crops() -> np.ndarray:
    return sample_crops(112, 112).astype(np.float32)


# modern ONNX


@pytest.mark.parametrize("opset", [min(MODERN), 21, max(MODERN)])
def test_a_modern_file_is_sound_and_loads_without_a_warning(tmp_path: Path, narrow_path: Path, opset: int) -> None:
    path = tmp_path / "modern.onnx"
    convert(narrow_path, path, opset=opset)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.opset_import[0].version, proto.ir_version) == (opset, MODERN[opset])
    script = "import onnxruntime as o, sys; s = o.SessionOptions(); s.log_severity_level = 2; o.InferenceSession(sys.argv[1], s)"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr + done.stdout == ""


def test_a_modern_file_is_what_a_current_exporter_writes(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "modern.onnx")
    graph = onnx.load(tmp_path / "modern.onnx").graph
    assert [value.name for value in graph.input] == ["data"]
    assert not {"Identity", "Dropout", "Reshape"} & {node.op_type for node in graph.node}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    slopes = [tuple(weights[node.input[1]].dims) for node in graph.node if node.op_type == "PRelu"]
    assert len(slopes) == 50
    assert set(slopes) == {(channels, 1, 1) for channels in WIDTHS}
    assert all(tensor.HasField("raw_data") for tensor in weights.values())
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert graph.output[0].type.tensor_type.shape.dim[0].dim_param


@pytest.mark.parametrize("engine", ENGINES)
def test_a_modern_file_computes_the_same_bits(tmp_path: Path, narrow_path: Path, engine: EngineName) -> None:
    convert(narrow_path, tmp_path / "modern.onnx", opset=21)
    original, modern = (refnet.load(path, engine=engine) for path in (narrow_path, tmp_path / "modern.onnx"))
    assert np.array_equal(modern(crops()), original(crops()))


def test_onnxruntime_computes_a_batch_of_a_modern_file(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "modern.onnx", channels="BGR")
    session = onnxruntime.InferenceSession(tmp_path / "modern.onnx")
    y = session.run(["fc1"], {"data": np.ascontiguousarray(crops()[:, ::-1])})[0]
    exact = refnet.load(narrow_path, engine="reference")(crops())
    assert np.linalg.norm(y - exact) / np.linalg.norm(exact) < 1e-5


@pytest.mark.parametrize(
    "name", ["mobilefacenet-arcface-mxnet", "mobilefacenet-arcface-opset19", "face_detection_yunet_2023mar"]
)
def test_relatives_become_modern(tmp_path: Path, name: str) -> None:
    path = localdata.path(f"models/{name}.onnx")
    convert(path, tmp_path / "modern.onnx", opset=18)
    onnx.checker.check_model(tmp_path / "modern.onnx", full_check=True)
    before, after = refnet.load(path, engine="reference"), refnet.load(tmp_path / "modern.onnx", engine="reference")
    extents = [extent or 112 for extent in before.contract.shape]
    x = np.random.default_rng(0).uniform(0, 1, (1, *extents)).astype(np.float32)
    expected, actual = before.run(x), after.run(x)
    assert all(np.array_equal(actual[output], expected[output]) for output in expected)


def test_copies_of_an_input_or_an_output_keep_the_names_that_are_given_out() -> None:
    nodes = (
        Node("first", "Identity", ("x",), "a"),
        Node("relu", "Relu", ("a",), "b"),
        Node("drop", "Dropout", ("b",), "y"),
        Node("again", "Identity", ("x",), "z"),
    )
    shape = (1, 3, 2, 2)
    given = tuple(Tensor(name, "float32", shape) for name in ("y", "z"))
    graph, notes = modernised(Graph("copies", (Tensor("x", "float32", shape),), given, nodes, {}))
    assert graph.nodes == (Node("relu", "Relu", ("x",), "y"), nodes[3])
    assert notes[0].startswith("2 nodes that do nothing")


def test_a_graph_that_mixes_the_batch_keeps_its_batch() -> None:
    nodes = (Node("flat", "Reshape", ("x", "shape"), "y", {"allow_zero": 0}),)
    graph = Graph("fixed", (Tensor("x", "float32", (1, 3, 2, 2)),), (Tensor("y", "float32", (2, 6)),), nodes,
                  {"shape": np.array([2, 6])})  # fmt: skip
    same, notes = modernised(graph)
    assert same.inputs == graph.inputs
    assert notes == ("the batch stays as it is: the graph mixes it with other axes",)


# the original's form


def test_the_original_comes_back_to_the_byte(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "modern.onnx", opset=21)
    graph, notes = as_original(read_model(tmp_path / "modern.onnx"), widths=WIDTHS)
    write_model(graph, tmp_path / "again.onnx", like="mxnet", spatial=1)
    assert (tmp_path / "again.onnx").read_bytes() == narrow_path.read_bytes()
    assert notes == ()


def test_names_that_are_lost_are_counted(tmp_path: Path, narrow_path: Path) -> None:
    proto = onnx.load(narrow_path)
    proto.graph.node[3].name = proto.graph.node[3].output[0] = "my_conv"
    proto.graph.node[4].input[0] = "my_conv"
    onnx.save(proto, tmp_path / "other.onnx")
    graph, notes = as_original(read_model(tmp_path / "other.onnx"), widths=WIDTHS)
    assert graph.nodes[3].name == "conv0"
    assert notes == ("1 names of nodes and weights became those of arcfaceresnet100-8.onnx",)


def test_another_network_cannot_take_the_form(tmp_path: Path, narrow_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"conv0_weight has shape \(4, 3, 3, 3\); expected \(64, 3, 3, 3\)"):
        convert(narrow_path, tmp_path / "original.onnx", like_original=True)
    assert not list(tmp_path.iterdir())


def test_a_folded_network_cannot_take_the_form_and_is_told_why(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "folded.xml")
    with pytest.raises(UnsupportedModelError, match=r"Its BatchNormalizations are folded .*; convert the file it came"):
        convert(tmp_path / "folded.xml", tmp_path / "original.onnx", like_original=True)
    assert not (tmp_path / "original.onnx").exists()


@pytest.mark.full
def test_the_full_network_goes_there_and_back_and_keeps_its_bits(tmp_path: Path) -> None:
    original = tmp_path / "original.onnx"
    make_model(original)
    convert(original, tmp_path / "bgr.onnx", channels="BGR")
    back = convert(tmp_path / "bgr.onnx", tmp_path / "rgb.onnx", channels="RGB", like_original=True)
    assert back.sha256 == sha256(original)
    x = crops()[:1]
    for engine in ENGINES:
        rgb, bgr = (refnet.load(path, engine=engine, cache=False) for path in (original, tmp_path / "bgr.onnx"))
        assert np.array_equal(bgr(x[:, ::-1]), rgb(x))
    assert resnet100.WIDTHS[0] == bgr.graph.constants["conv0_weight"].shape[0]


# order, origin, honesty


@pytest.mark.parametrize("output", ["out.onnx", "out.xml"])
@pytest.mark.parametrize("engine", ENGINES)
def test_bgr_and_rgb_files_give_the_same_bits(
    tmp_path: Path, narrow_path: Path, output: str, engine: EngineName
) -> None:
    convert(narrow_path, tmp_path / output, channels="RGB")
    convert(tmp_path / output, tmp_path / f"bgr-{output}", channels="BGR")
    rgb, bgr = (refnet.load(tmp_path / name, engine=engine) for name in (output, f"bgr-{output}"))
    assert (rgb.contract.channels, bgr.contract.channels) == ("RGB", "BGR")
    assert np.array_equal(bgr(crops()[:, ::-1]), rgb(crops()))


def test_an_order_is_not_said_where_it_was_only_assumed(tmp_path: Path, narrow_path: Path) -> None:
    done = convert(narrow_path, tmp_path / "m.onnx")
    assert not done.channels_said
    assert not refnet.load(tmp_path / "m.onnx").contract.channels_said
    said = convert(narrow_path, tmp_path / "m.onnx", channels="RGB")
    assert said.channels_said
    assert said.notes[0] == "the source does not say its order of channels; it is taken to be RGB"
    again = convert(tmp_path / "m.onnx", tmp_path / "again.onnx", channels="BGR")
    assert not any("does not say" in note for note in again.notes)
    assert refnet.load(tmp_path / "m.onnx").contract.channels_said


@pytest.mark.parametrize("output", ["out.onnx", "out.xml"])
def test_a_file_says_where_it_came_from(tmp_path: Path, narrow_path: Path, output: str) -> None:
    done = convert(narrow_path, tmp_path / output)
    said = refnet.load(tmp_path / output).graph.source.metadata
    assert said["refnet.converted_from"] == narrow_path.name
    assert said["refnet.converted_from_sha256"] == done.source_sha256 == sha256(narrow_path)
    assert said["refnet.converted_by"].startswith("refnet ")


def test_synthetic_weights_stay_synthetic_through_every_form(tmp_path: Path, narrow_path: Path) -> None:
    path = narrow_path
    for name in ("a.xml", "b.onnx", "c.xml"):
        done = convert(path, tmp_path / name)
        path = tmp_path / name
        assert done.synthetic is not None
        assert done.synthetic.startswith(watermark.SENTENCE)
        network = refnet.load(path)
        assert network.synthetic == done.synthetic
        assert provenance(network).model_note == done.synthetic


def test_the_digest_of_an_openvino_model_covers_its_weights(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "m.xml")
    text = (tmp_path / "m.xml").read_text()
    (tmp_path / "m.xml").write_text(
        re.sub(' weights_sha256=".*?"', "", text)
    )  # as other writers' files, which say none
    before = provenance(refnet.load(tmp_path / "m.xml"))
    weights = bytearray((tmp_path / "m.bin").read_bytes())
    weights[8] ^= 1
    (tmp_path / "m.bin").write_bytes(weights)
    after = provenance(refnet.load(tmp_path / "m.xml"))
    assert before.model_sha256 != after.model_sha256


# what is refused


@pytest.mark.parametrize(
    ("output", "options", "complaint"),
    [
        ("m.pb", {}, r"expected a name that ends in \.onnx or \.xml"),
        ("m.onnx", {"to": "openvino"}, r"expected a name that ends in \.xml"),
        ("m.xml", {"opset": 17}, "--opset is about ONNX files"),
        ("m.xml", {"like_original": True}, "--like-original is about ONNX files"),
        ("m.onnx", {"precision": "fp16"}, "--precision is about OpenVINO models"),
        ("m.onnx", {"opset": 17, "like_original": True}, "--opset and --like-original do not go together"),
        ("m.onnx", {"spatial": 0}, "it goes with --like-original"),
        ("m.onnx", {"opset": 11}, "opset is 11; expected 17 to 26"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, narrow_path: Path, output: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        convert(narrow_path, tmp_path / output, **options)
    assert not list(tmp_path.iterdir())


def test_a_model_is_not_written_over_itself(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "m.xml")
    for source in (tmp_path / "m.xml", tmp_path / "m.onnx"):
        if source.suffix == ".onnx":
            source.symlink_to(narrow_path)
        with pytest.raises(UsageError, match="is read for this conversion and would be replaced by it"):
            convert(source, source)


def test_weights_beside_the_output_that_are_the_sources_are_not_written_over(tmp_path: Path, narrow_path: Path) -> None:
    convert(narrow_path, tmp_path / "m.xml")
    (tmp_path / "other.xml").write_bytes((tmp_path / "m.xml").read_bytes())
    (tmp_path / "other.bin").hardlink_to(tmp_path / "m.bin")
    with pytest.raises(UsageError, match=r"other\.bin is read for this conversion"):
        convert(tmp_path / "m.xml", tmp_path / "other.xml")
