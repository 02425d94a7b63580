"""Whole files: real ones, headers, and damage of every kind."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refnet import reference
from refnet.errors import ModelError, RefnetError, UnsupportedModelError
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph, Node, Tensor
from tests import localdata
from tests.comparison import assert_within
from tests.formats.dialects import DIALECTS
from tests.formats.models import model, node, ramp, read, write

# real files


@pytest.mark.parametrize(
    ("name", "nodes", "constants", "shape", "opset", "notes"),
    [
        ("models/mobilefacenet-arcface-mxnet.onnx", 148, 286, (1, 3, 112, 112), 9, 0),
        ("models/mobilefacenet-arcface-opset19.onnx", 105, 136, (None, 3, 112, 112), 19, 0),
        ("models/face_detection_yunet_2023mar.onnx", 106, 120, (1, 3, 640, 640), 11, 1),
        ("openvino-ir/narrow.onnx", 412, 823, (1, 3, 112, 112), 8, 1),
    ],
)
def test_a_real_file_is_read_node_for_node(
    name: str, nodes: int, constants: int, shape: tuple[int | None, ...], opset: int, notes: int
) -> None:
    path = localdata.path(name)
    graph = read_model(path)
    assert len(graph.nodes) == nodes
    assert len(graph.constants) == constants
    assert [tensor.shape for tensor in graph.inputs] == [shape]
    assert len(graph.source.notes) == notes
    assert graph.source.opset == opset
    assert graph.source.path == path
    in_file = [made for made in onnx.load(path).graph.node if made.op_type != "Constant"]
    assert [made.op for made in graph.nodes] == [made.op_type for made in in_file]
    assert [made.name for made in graph.nodes] == [made.name or made.output[0] for made in in_file]
    assert [made.output for made in graph.nodes] == [made.output[0] for made in in_file]


@pytest.mark.parametrize(
    "name",
    [
        "models/mobilefacenet-arcface-mxnet.onnx",
        "models/mobilefacenet-arcface-opset19.onnx",
        "models/face_detection_yunet_2023mar.onnx",
    ],
)
def test_a_real_file_computes_what_onnxruntime_computes(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    graph = read_model(localdata.path(name))
    (_, *extents) = graph.inputs[0].shape
    x = np.random.default_rng(0).uniform(-1, 1, size=(1, *(extent or 0 for extent in extents))).astype(np.float32)
    names = [tensor.name for tensor in graph.outputs]
    expected = onnxruntime.InferenceSession(localdata.path(name)).run(names, {graph.inputs[0].name: x})
    actual = reference.run(graph, {graph.inputs[0].name: np.concatenate([x, -x])})
    for output, value in zip(names, expected, strict=True):
        # A wrong reading is wrong in the first digit; float32 through fifty layers is wrong in the fifth or later.
        assert_within(actual[output][:1], value.astype(np.float64), 1e-4 * max(abs(value).max(), 1))


# headers


def test_source_says_where_a_graph_came_from(tmp_path: Path) -> None:
    proto = model([node("Relu", ["x"])], opset=13, ir_version=7)
    proto.producer_name, proto.producer_version = "pytorch", "2.1"
    source = read(proto, tmp_path).source
    assert (source.path, source.format) == (tmp_path / "tiny.onnx", "onnx")
    assert (source.ir_version, source.opset, source.producer, source.notes) == (7, 13, "pytorch 2.1", ())


@pytest.mark.parametrize("listed", [True, False])
def test_a_weight_that_is_also_an_input_is_a_weight(tmp_path: Path, listed: bool) -> None:
    proto = model([node("Add", ["x", "w"])], {"w": ramp(1), "unread": ramp(1)}, ir_version=3, opset=8)
    if listed:
        proto.graph.input.extend(onnx.helper.make_tensor_value_info(name, 1, [1]) for name in ("w", "unread"))
    graph = read(proto, tmp_path)
    assert graph.inputs == (Tensor("x", "float32", (1, 3, 8, 8)),)
    assert graph.constants.keys() == {"w"}


@pytest.mark.parametrize("free", [0, -1, None, "batch"])
def test_a_free_batch_is_free_however_it_is_said(tmp_path: Path, free: int | str | None) -> None:
    proto = model([node("Relu", ["x"])], x=(free, 3, 8, 8), y=(free, 3, 8, 8))
    graph = read(proto, tmp_path)
    assert graph.inputs[0].shape == (None, 3, 8, 8)
    assert graph.outputs[0].shape == (None, 3, 8, 8)


def test_an_output_gets_the_shape_that_its_nodes_give(tmp_path: Path) -> None:
    graph = read(model([node("Flatten", ["x"])], y=(1, 100)), tmp_path)
    assert graph.outputs == (Tensor("y", "float32", (1, 192)),)
    assert graph.source.notes == ("output 'y': the file declares shape (1, 100); its nodes give (1, 192)",)


def test_an_output_without_a_shape_gets_one_or_is_refused(tmp_path: Path) -> None:
    for extents, shape in (((None, 3, 8, 8), (None, 192)), ((1, 3, 8, 8), (None, 192))):
        proto = model([node("Flatten", ["x"])], x=extents)
        proto.graph.output[0].type.tensor_type.ClearField("shape")
        assert read(proto, tmp_path).outputs == (Tensor("y", "float32", shape),)
    proto = model([node("Flatten", ["x"])], x=(None, 3, None, None))
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedModelError, match="output 'y' declares no shape, and none follows from the inputs"):
        read(proto, tmp_path)


def test_opset_entries_of_other_domains_are_no_matter(tmp_path: Path) -> None:
    proto = model([node("Relu", ["x"])])
    proto.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    assert read(proto, tmp_path).source.opset == 17


def change(**fields: int) -> Callable[[onnx.ModelProto], None]:
    def changed(proto: onnx.ModelProto) -> None:
        for name, value in fields.items():
            setattr(proto, name, value)

    return changed


def opsets(*versions: int) -> Callable[[onnx.ModelProto], None]:
    def changed(proto: onnx.ModelProto) -> None:
        del proto.opset_import[:]
        proto.opset_import.extend(onnx.helper.make_opsetid("", version) for version in versions)

    return changed


def input_of(kind: onnx.TypeProto) -> Callable[[onnx.ModelProto], None]:
    return lambda proto: proto.graph.input[0].type.CopyFrom(kind)


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        (change(ir_version=2), UnsupportedModelError, "the file has IR version 2; refnet reads 3 to 14"),
        (change(ir_version=15), UnsupportedModelError, "the file has IR version 15; refnet reads 3 to 14"),
        (opsets(6), UnsupportedModelError, "the file has opset 6; refnet reads 7 to 28. onnx.version_converter"),
        (opsets(29), UnsupportedModelError, "the file has opset 29; refnet reads 7 to 28"),
        (opsets(), ModelError, "the file names 0 versions of ONNX's operators; expected one"),
        (opsets(8, 9), ModelError, "the file names 2 versions of ONNX's operators; expected one"),
        (lambda proto: proto.ClearField("graph"), ModelError, "not an ONNX model: it holds no graph, or no IR version"),
        (lambda proto: proto.ClearField("ir_version"), ModelError, "it holds no graph, or no IR version"),
        (lambda proto: proto.graph.ClearField("output"), ModelError, "not a network: its graph has no output"),
        (lambda proto: proto.functions.add(), UnsupportedModelError, "defines functions of its own"),
        (lambda proto: proto.graph.sparse_initializer.add(), UnsupportedModelError, "holds sparse weights"),
        (
            input_of(onnx.helper.make_tensor_type_proto(onnx.TensorProto.UINT8, [1])),
            UnsupportedModelError,
            "'x' is not a tensor of float32, int32, int64, bool, float16, float64",
        ),
        (
            input_of(onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(1, [1]))),
            UnsupportedModelError,
            "'x' is not a tensor of",
        ),
        (
            input_of(onnx.helper.make_tensor_type_proto(1, None)),
            UnsupportedModelError,
            "input 'x' declares no shape; refnet needs at least the number of axes",
        ),
    ],
)
def test_a_header_that_refnet_does_not_know_is_refused(
    tmp_path: Path, changed: Callable[[onnx.ModelProto], None], error: type[RefnetError], sentence: str
) -> None:
    proto = model([node("Relu", ["x"])])
    changed(proto)
    path = write(proto, tmp_path)
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert type(caught.value) is error


# damage

TINY = DIALECTS["target from the shape, opset 13"]
LARGE = model([node("Conv", ["x", "w", "b"])], {"w": ramp(40, 3, 6, 6), "b": ramp(40)}, x=(1, 3, 8, 8))
SEVERAL = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(data: bytes, folder: Path) -> Graph | None:
    """The graph, or None where an error of refnet says in one line what is wrong; anything else fails the test."""
    path = folder / "damaged.onnx"
    path.write_bytes(data)
    try:
        return read_model(path)
    except RefnetError as error:
        sentence = str(error)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    return None


@pytest.mark.parametrize("proto", [TINY, LARGE], ids=["tiny", "large"])
def test_every_truncation_is_refused(tmp_path: Path, proto: onnx.ModelProto) -> None:
    data = proto.SerializeToString()
    ends = range(len(data)) if len(data) < 1000 else [*range(100), *range(100, len(data), 997), len(data) - 1]
    opset_entry = len(onnx.helper.make_opsetid("", 13).SerializeToString()) + 2
    for end in ends:
        assert survives(data[:end], tmp_path) is None
        if 20 < end < len(data) - opset_entry:
            with pytest.raises(ModelError, match=f"the file is truncated, or not an ONNX model: it has {end} bytes"):
                read_model(tmp_path / "damaged.onnx")


@SEVERAL
@given(st.sampled_from(sorted(DIALECTS)), st.data())
def test_a_flipped_byte_gives_a_graph_or_one_clear_sentence(tmp_path: Path, name: str, data: st.DataObject) -> None:
    original = bytearray(DIALECTS[name].SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    survives(bytes(original), tmp_path)


@SEVERAL
@given(st.sampled_from(sorted(DIALECTS)), st.data())
def test_bytes_put_in_or_taken_out_give_a_graph_or_one_clear_sentence(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    original = DIALECTS[name].SerializeToString()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(start + 8, len(original))))
    survives(original[:start] + data.draw(st.binary(max_size=8)) + original[end:], tmp_path)


@SEVERAL
@given(st.binary(max_size=200))
def test_any_bytes_give_one_clear_sentence(tmp_path: Path, data: bytes) -> None:
    assert survives(data, tmp_path) is None


@pytest.mark.parametrize("name", [b"\xff\xff\xff\xff", b"re\nu", b"\x1b[1m"])
def test_a_name_that_is_not_text_is_damage(tmp_path: Path, name: bytes) -> None:
    path = write(model([node("Relu", ["x"])]), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"relu", name))
    with pytest.raises(ModelError, match="the file is damaged: a name in it is not printable text"):
        read_model(path)


def test_a_word_that_is_not_text_is_damage(tmp_path: Path) -> None:
    path = write(model([node("MaxPool", ["x"], kernel_shape=[1, 1], auto_pad="VALID")]), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"VALID", b"\xff\xff\xff\xff\xff"))
    with pytest.raises(ModelError, match="the file is damaged: a name in it is not printable text"):
        read_model(path)


# cost


def test_importing_refnet_does_not_import_onnx() -> None:
    code = "import refnet, refnet.formats.onnx_writer, sys; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_large_weights_are_held_once(tmp_path: Path) -> None:
    """Reading takes little more memory than the weights themselves; measured in a process of its own."""
    count = 16_000_000
    constants = {"w": np.zeros((1, count), np.float32)}
    graph = Graph(
        "wide",
        (Tensor("x", "float32", (1, 1)),),
        (Tensor("y", "float32", (1, count)),),
        (Node("mul", "Mul", ("x", "w"), "y"),),
        constants,
    )
    for like in ("mxnet", "modern"):
        write_model(graph, tmp_path / "wide.onnx", like=like)
        code = (
            "import resource, sys; from pathlib import Path; from refnet.formats.onnx_reader import read_model\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "read_model(Path(sys.argv[1]))\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "wide.onnx")],
            check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert int(run.stdout) < 1.2 * constants["w"].nbytes
