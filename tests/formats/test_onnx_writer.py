"""Files written are those that were asked for, to the byte, and read back as what they were written from."""

import ast
import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from refnet import resnet100
from refnet.errors import UsageError
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node, Tensor
from tests import localdata
from tests.formats.dialects import DIALECTS
from tests.formats.models import ramp, read

FULL_SIZE_BYTES = 261_036_388  # of arcfaceresnet100-8.onnx, in both its versions


def assert_same(actual: Graph, expected: Graph) -> None:
    """Fail unless two graphs agree in everything but where they came from."""
    for name in ("name", "inputs", "outputs", "nodes"):
        assert getattr(actual, name) == getattr(expected, name)
    assert list(actual.constants) == list(expected.constants)
    for name, array in expected.constants.items():
        assert actual.constants[name].dtype == array.dtype
        assert np.array_equal(actual.constants[name], array)


def full_size() -> Graph:
    """LResNet100E-IR at full size, every weight of a tensor the same number."""
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE))
    constants: dict[str, Array] = {}
    for i, (name, shape) in enumerate(blueprint.parameters.items()):
        targets = name.startswith("reshape")
        constants[name] = np.array([1, -1, 1, 1]) if targets else np.full(shape, i / 1024, np.float32)
    images = Tensor("data", "float32", (1, *resnet100.IMAGE))
    embeddings = Tensor("fc1", "float32", (1, resnet100.EMBEDDING))
    return Graph("mxnet_converted_model", (images,), (embeddings,), tuple(blueprint.nodes), constants)


@pytest.fixture(scope="module")
def full_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "full.onnx"
    write_model(full_size(), path, like="mxnet", spatial=1)
    return path


@pytest.fixture(scope="module")
def full_proto(full_path: Path) -> onnx.ModelProto:
    return onnx.load(full_path)


# the mxnet form


def test_the_full_graph_has_the_real_file_s_size_to_the_byte(full_path: Path) -> None:
    assert full_path.stat().st_size == FULL_SIZE_BYTES


def test_the_full_graph_is_a_valid_model_with_the_real_file_s_header(full_proto: onnx.ModelProto) -> None:
    proto = full_proto
    onnx.checker.check_model(proto)
    assert proto.ir_version == 3
    assert [(entry.HasField("domain"), entry.version) for entry in proto.opset_import] == [(False, 8)]
    assert not any(proto.HasField(name) for name in ("producer_name", "producer_version", "domain", "doc_string"))
    graph = proto.graph
    assert graph.name == "mxnet_converted_model"
    assert len(graph.node) == 412
    assert Counter(node.op_type for node in graph.node).most_common(4) == [
        ("BatchNormalization", 154), ("Conv", 103), ("Reshape", 50), ("PRelu", 50),
    ]  # fmt: skip
    assert len(graph.initializer) == 823
    assert [info.name for info in graph.input] == ["data", *(tensor.name for tensor in graph.initializer)]
    assert not graph.value_info
    assert not any(tensor.HasField("raw_data") for tensor in graph.initializer)
    listed = [tensor.HasField("name") and len(tensor.float_data or tensor.int64_data) for tensor in graph.initializer]
    assert listed == [int(np.prod(tensor.dims)) for tensor in graph.initializer]


def test_the_bytes_are_those_that_the_onnx_package_would_write(full_path: Path, full_proto: onnx.ModelProto) -> None:
    with full_path.open("rb") as file:
        written = hashlib.file_digest(file, "sha256").digest()
    assert hashlib.sha256(full_proto.SerializeToString()).digest() == written


def test_the_full_graph_reads_back(full_path: Path) -> None:
    assert_same(read_model(full_path), full_size())


def test_a_real_exporter_s_file_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    path = localdata.path("openvino-ir/narrow.onnx")
    write_model(read_model(path), tmp_path / "again.onnx", like="mxnet", spatial=0)
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def facts(name: str) -> list[str]:
    """The lines of a list of the real file's contents, which lies beside the local test data."""
    path = localdata.ROOT.parent / "facts" / name
    if not path.exists():
        pytest.skip(f"the list {name} is absent (looked beside the local test data)")
    return path.read_text().splitlines()


def test_nodes_are_those_of_the_real_file(full_proto: onnx.ModelProto) -> None:
    listed = []
    for line in facts("nodes.txt"):
        match = re.fullmatch(r"\s*\d+ (\S+) +(\S+) +in=(\[.*?\]) out=(\[.*?\]) ?(.*)", line)
        assert match is not None
        attributes = dict(re.findall(r"(\w+)=(\[[^]]*\]|\S+)", match[5]))
        if "spatial" in attributes:
            attributes["spatial"] = "1"  # the list is of the older of the two files
        listed.append((match[1], match[2], ast.literal_eval(match[3]), ast.literal_eval(match[4]), attributes))
    written = []
    for node in full_proto.graph.node:
        values = {made.name: onnx.helper.get_attribute_value(made) for made in node.attribute}
        said = {name: f"{x:.9g}" if isinstance(x, float) else str(x) for name, x in values.items()}
        assert list(said) == sorted(said)
        written.append((node.op_type, node.name, list(node.input), list(node.output), said))
    assert written == listed


def test_weights_are_those_of_the_real_file(full_proto: onnx.ModelProto) -> None:
    written = [
        f"{i:3} {tensor.name} {'int64' if tensor.data_type == 7 else 'float32'} {list(tensor.dims)}"
        for i, tensor in enumerate(full_proto.graph.initializer)
    ]
    assert written == [re.sub(r"(?<=\S) +(?=\S)(?![^[]*\])", " ", line) for line in facts("initializers.txt")]


@pytest.mark.parametrize("spatial", [0, 1])
def test_spatial_is_said_as_asked(tmp_path: Path, narrow: Graph, spatial: int) -> None:
    write_model(narrow, tmp_path / "narrow.onnx", like="mxnet", spatial=spatial)
    proto = onnx.load(tmp_path / "narrow.onnx")
    said = {made.i for node in proto.graph.node for made in node.attribute if made.name == "spatial"}
    assert said == {spatial}
    graph = read_model(tmp_path / "narrow.onnx")
    assert_same(graph, narrow)
    assert bool(graph.source.notes) == (spatial == 0)


# the modern form


@pytest.mark.parametrize("name", DIALECTS)
def test_the_modern_form_has_words_for_every_node(tmp_path: Path, name: str) -> None:
    graph = read(DIALECTS[name], tmp_path)
    write_model(graph, tmp_path / "modern.onnx", like="modern")
    proto = onnx.load(tmp_path / "modern.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.ir_version, proto.opset_import[0].version, proto.producer_name) == (8, 17, "refnet")
    assert [info.name for info in proto.graph.input] == [tensor.name for tensor in graph.inputs]
    assert not any(tensor.float_data or tensor.int64_data for tensor in proto.graph.initializer)
    assert_same(read_model(tmp_path / "modern.onnx"), graph)


@pytest.mark.parametrize(
    "name",
    [
        "models/mobilefacenet-arcface-mxnet.onnx",
        "models/mobilefacenet-arcface-opset19.onnx",
        "models/face_detection_yunet_2023mar.onnx",
        "openvino-ir/narrow.onnx",
    ],
)
def test_a_real_file_reads_back_from_the_modern_form(tmp_path: Path, name: str) -> None:
    graph = read_model(localdata.path(name))
    write_model(graph, tmp_path / "modern.onnx", like="modern")
    onnx.checker.check_model(tmp_path / "modern.onnx", full_check=True)
    assert_same(read_model(tmp_path / "modern.onnx"), graph)


def tiny(op: str = "Relu", dtype: str = "float32", inputs: tuple[str, ...] = ("x",), **attributes: int) -> Graph:
    """One node and a constant that is given out."""
    outputs = (Tensor("y", "float32", (None, 2, None)), Tensor("w", "float32", (2,)))
    node = Node("node", op, inputs, "y", attributes)
    return Graph("tiny", (Tensor("x", "float32", (None, 2, None)),), outputs, (node,), {"w": ramp(2).astype(dtype)})


def test_free_extents_stay_free(tmp_path: Path) -> None:
    write_model(tiny(), tmp_path / "tiny.onnx")
    assert_same(read_model(tmp_path / "tiny.onnx"), tiny())
    names = [axis.dim_param for axis in onnx.load(tmp_path / "tiny.onnx").graph.input[0].type.tensor_type.shape.dim]
    assert names == ["N", "", "x_2"]


@pytest.mark.parametrize("order", [">f4", "<f4"])
def test_arrays_of_any_layout_are_written_in_the_file_s(tmp_path: Path, order: str) -> None:
    weight = ramp(5, 4, 3).astype(order).T[:, ::2]
    graph = Graph(
        "tiny", (), (Tensor("y", "float32", weight.shape),), (Node("n", "Identity", ("w",), "y"),), {"w": weight}
    )
    for like in ("mxnet", "modern"):
        write_model(graph, tmp_path / "tiny.onnx", like=like)
        (tensor,) = onnx.load(tmp_path / "tiny.onnx").graph.initializer
        assert np.array_equal(onnx.numpy_helper.to_array(tensor), weight)


def test_what_a_form_has_no_words_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    for graph, like, sentence in (
        (
            tiny("Resize"),
            "mxnet",
            r"node 'node' \(Resize\) does not occur in the mxnet form; write the model like='modern'",
        ),
        (
            tiny("Reshape", inputs=("x", "w"), allow_zero=1),
            "mxnet",
            r"node 'node' \(Reshape\) does not occur in the mxnet",
        ),
        (
            tiny("Identity", dtype="int32"),
            "mxnet",
            "constant 'w' has dtype int32; the mxnet form knows float32 and int64",
        ),
        (tiny(dtype="uint8"), "modern", "constant 'w' has dtype uint8; expected one of float32, int32, int64, bool"),
        (tiny(), "caffe", "like is 'caffe'; expected one of mxnet, modern"),
    ):
        with pytest.raises(UsageError, match=sentence):
            write_model(graph, path, like=like)
    with pytest.raises(UsageError, match="spatial is 2; expected 0 or 1"):
        write_model(tiny(), path, like="mxnet", spatial=2)
    assert list(tmp_path.iterdir()) == []


# the file


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(KeyboardInterrupt):
            write_model(tiny(), path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    write_model(tiny(), path)
    assert_same(read_model(path), tiny())


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a folder; give a file name"):
        write_model(tiny(), tmp_path)
