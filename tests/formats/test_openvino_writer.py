"""OpenVINO models as written: beside the Model Optimizer's own, in OpenVINO's runtime, and read back."""

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openvino
import pytest

import refnet
from refnet.channels import reversed_input
from refnet.errors import UnsupportedModelError, UsageError
from refnet.formats.onnx_reader import read_model
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import Precision, write_openvino
from refnet.graph import Array, Graph, Node, Tensor
from refnet.network import Network
from refnet.zoo.samples import sample_crops
from tests import localdata
from tests.formats.models import ramp
from tests.formats.test_onnx_writer import full_size

BGR = {"refnet.channels": "BGR"}
CENSUS = {"Parameter": 1, "Const": 361, "Multiply": 51, "Add": 204, "Convolution": 103, "PReLU": 50, "Reshape": 1,
          "MatMul": 1, "Result": 1}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, narrow: Graph) -> Path:
    path = tmp_path_factory.mktemp("openvino") / "narrow.xml"
    write_openvino(narrow, path)
    return path


def runtime(path: Path, x: Array) -> Array:
    """What OpenVINO computes, in float32."""
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result: Array = compiled({"data": x})["fc1"]
    return result


def relative(y: Array, exact: Array) -> float:
    return float(np.linalg.norm(y.astype(np.float64) - exact) / np.linalg.norm(exact))


def without_names(path: Path) -> tuple[list[str], set[str]]:
    """The layers of an .xml line by line without the layers' names and their notes, and its edges; no digest of weights."""
    text = re.sub(r"\s*<rt_info>\s*<attribute name=\"preprocessing\".*?</rt_info>", "", path.read_text(), flags=re.S)
    text = re.sub(r'(<layer id="\d+") name="[^"]*"', r"\1", text)
    layers, edges = re.sub(' weights_sha256="[0-9a-f]*"', "", text).split("</layers>")
    return layers.splitlines(), set(re.findall(r"<edge .*?/>", edges))


def test_constants_have_the_model_optimizers_bits(tmp_path: Path) -> None:
    path, theirs = tmp_path / "ours.xml", localdata.path("openvino-ir/narrow.xml")
    write_openvino(reversed_input(read_model(localdata.path("openvino-ir/narrow.onnx"))), path, statements=BGR)
    assert path.with_suffix(".bin").read_bytes() == theirs.with_suffix(".bin").read_bytes()


def test_layers_ports_and_edges_are_the_model_optimizers(tmp_path: Path) -> None:
    path, theirs = tmp_path / "ours.xml", localdata.path("openvino-ir/narrow.xml")
    write_openvino(reversed_input(read_model(localdata.path("openvino-ir/narrow.onnx"))), path, statements=BGR)
    assert without_names(path) == without_names(theirs)


def test_tensors_that_are_kept_have_the_model_optimizers_names(tmp_path: Path) -> None:
    path, theirs = tmp_path / "ours.xml", localdata.path("openvino-ir/narrow.xml")
    write_openvino(reversed_input(read_model(localdata.path("openvino-ir/narrow.onnx"))), path)
    named = re.compile(r' names="([^"]*)"')
    assert named.findall(path.read_text()) == named.findall(theirs.read_text())


def test_the_full_depth_has_the_published_census(written: Path) -> None:
    layers = ElementTree.parse(written).getroot().findall("layers/layer")
    assert Counter(layer.get("type") for layer in layers) == CENSUS
    assert {layer.get("version") for layer in layers} == {"opset1"}


@pytest.mark.parametrize(("precision", "size_bytes"), [("fp32", 260_527_896), ("fp16", 130_263_956)])
def test_the_weights_of_the_full_network_have_the_published_size(
    tmp_path: Path, precision: Precision, size_bytes: int
) -> None:
    write_openvino(full_size(), tmp_path / "full.xml", precision=precision)
    assert (tmp_path / "full.bin").stat().st_size == size_bytes


def test_the_runtime_computes_the_embedding(written: Path, narrow: Graph) -> None:
    x = sample_crops(112, 112)[:1].astype(np.float32)
    assert relative(runtime(written, x), Network(narrow, engine="reference")(x)) < 1e-5


def test_the_runtime_takes_bgr_where_the_file_says_so(tmp_path: Path, narrow: Graph) -> None:
    x = sample_crops(112, 112)[:1].astype(np.float32)
    write_openvino(reversed_input(narrow), tmp_path / "bgr.xml", statements=BGR)
    exact = Network(narrow, engine="reference")(x)
    assert relative(runtime(tmp_path / "bgr.xml", np.ascontiguousarray(x[:, ::-1])), exact) < 1e-5
    about = openvino.Core().read_model(tmp_path / "bgr.xml").get_rt_info()
    assert about["conversion_parameters"]["reverse_input_channels"].astype(str) == "True"
    assert about["refnet"]["channels"].astype(str) == "BGR"


def test_half_precision_is_openvinos_own_compression(tmp_path: Path, written: Path, narrow: Graph) -> None:
    write_openvino(narrow, tmp_path / "ours.xml", precision="fp16")
    openvino.save_model(openvino.Core().read_model(written), tmp_path / "theirs.xml", compress_to_fp16=True)
    assert (tmp_path / "ours.bin").read_bytes() == (tmp_path / "theirs.bin").read_bytes()
    ours = openvino.Core().read_model(tmp_path / "ours.xml")
    decompressed = [op for op in ours.get_ops() if op.get_type_name() == "Convert"]
    assert len(decompressed) == CENSUS["Const"] - 1


def test_half_precision_is_computed_from_the_rounded_weights(tmp_path: Path, narrow: Graph) -> None:
    write_openvino(narrow, tmp_path / "half.xml", precision="fp16")
    x = sample_crops(112, 112)[:1].astype(np.float32)
    ours = refnet.load(tmp_path / "half.xml", engine="reference")
    assert relative(runtime(tmp_path / "half.xml", x), ours(x)) < 1e-5
    assert relative(ours(x), Network(narrow, engine="reference")(x)) < 2e-2  # 11 bits of 103 layers


def test_what_is_read_back_computes_the_same(written: Path, narrow: Graph) -> None:
    x = sample_crops(112, 112).astype(np.float32)
    exact, tensors = Network(narrow).trace(x)
    embeddings, read = refnet.load(written).trace(x)
    assert relative(embeddings, exact) < 1e-5
    shared = [name for name in read if name in tensors]
    assert len(shared) == 255  # all but what folding takes away
    assert max(relative(read[name], tensors[name]) for name in shared) < 1e-5


def test_depthwise_convolutions_become_groups(tmp_path: Path) -> None:
    path = localdata.path("models/mobilefacenet-arcface-mxnet.onnx")
    write_openvino(read_model(path), tmp_path / "m.xml")
    x = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    exact = refnet.load(path, engine="reference")(x)
    assert relative(runtime(tmp_path / "m.xml", x), exact) < 1e-5
    assert relative(refnet.load(tmp_path / "m.xml")(x), exact) < 1e-5


def test_a_free_batch_stays_free(tmp_path: Path, narrow: Graph) -> None:
    graph = Graph(narrow.name, (Tensor("data", "float32", (None, 3, 112, 112)),),
                  (Tensor("fc1", "float32", (None, 512)),), narrow.nodes, narrow.constants)  # fmt: skip
    write_openvino(graph, tmp_path / "free.xml")
    assert read_openvino(tmp_path / "free.xml").inputs == graph.inputs
    x = sample_crops(112, 112).astype(np.float32)
    assert relative(runtime(tmp_path / "free.xml", x), Network(narrow, engine="reference")(x)) < 1e-5


def one(node: Node, constants: dict[str, Array], shape: tuple[int, ...] = (1, 2, 3, 3)) -> Graph:
    return Graph("one", (Tensor("data", "float32", shape),), (Tensor("fc1", "float32", shape),), (node,), constants)


def test_a_normalization_alone_is_a_multiplication_and_an_addition(tmp_path: Path) -> None:
    vectors = {"g": [2, 3], "b": [1, 1], "m": [4, 8], "v": [3, 15]}
    constants = {name: np.array(values, dtype=np.float32) for name, values in vectors.items()}
    node = Node("fc1", "BatchNormalization", ("data", "g", "b", "m", "v"), "fc1", {"epsilon": 1.0})
    write_openvino(one(node, constants), tmp_path / "bn.xml")
    numbers = np.frombuffer((tmp_path / "bn.bin").read_bytes(), np.float32)
    assert numbers.tolist() == [1.0, 0.75, -3.0, -5.0]  # 2 / 2, 3 / 4, 1 - 4 * 1, 1 - 8 * 0.75


def test_an_operator_without_counterpart_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    node = Node("pool", "GlobalAveragePool", ("data",), "fc1")
    with pytest.raises(UnsupportedModelError, match=r"node 'pool' \(GlobalAveragePool\) cannot be written"):
        write_openvino(one(node, {}), tmp_path / "pool.xml")
    assert not list(tmp_path.iterdir())


def test_a_number_too_large_for_half_precision_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    node = Node("fc1", "Mul", ("data", "w"), "fc1")
    graph = one(node, {"w": np.array([7e4], dtype=np.float32)})
    with pytest.raises(UsageError, match=r"constant 'fc1/scale' holds 70000; 16 bits hold at most 65504\. Use fp32"):
        write_openvino(graph, tmp_path / "large.xml", precision="fp16")
    assert not list(tmp_path.iterdir())


def test_a_convolution_with_several_readers_keeps_its_own_tensor(tmp_path: Path) -> None:
    attributes = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
    nodes = (
        Node("conv", "Conv", ("data", "w"), "conv", attributes),
        Node("twice", "Mul", ("conv", "two"), "twice"),
        Node("fc1", "Add", ("twice", "conv"), "fc1"),
    )
    constants = {"w": ramp(2, 2, 1, 1), "two": np.array([2], dtype=np.float32)}
    tensors = Tensor("data", "float32", (1, 2, 3, 3)), Tensor("fc1", "float32", (1, 2, 3, 3))
    write_openvino(Graph("two", tensors[:1], tensors[1:], nodes, constants), tmp_path / "two.xml")
    x = ramp(1, 2, 3, 3)
    expected = 3 * np.einsum("oc,nchw->nohw", constants["w"][:, :, 0, 0], x)
    assert np.array_equal(runtime(tmp_path / "two.xml", x), expected)
