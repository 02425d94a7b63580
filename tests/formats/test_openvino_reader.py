"""OpenVINO models as read: the real converter's, hand-written ones, and damaged ones."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet import reference
from refnet.errors import ModelError, RefnetError, UnsupportedModelError
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Array, Graph, Stored, Tensor
from tests import localdata
from tests.formats.models import ramp

X = ramp(1, 2, 4, 4)


def port(number: int, shape: str, precision: str = "FP32", names: str = "") -> str:
    dims = "".join(f"<dim>{extent}</dim>" for extent in shape.split(",") if extent)
    said = f' names="{names}"' if names else ""
    return f'<port id="{number}" precision="{precision}"{said}>{dims}</port>'


def layer(
    number: int,
    name: str,
    kind: str,
    data: str = "",
    inputs: tuple[str, ...] = (),
    output: str | None = None,
    *,
    version: str = "opset1",
    precision: str = "FP32",
    names: str = "",
) -> str:
    """One layer as text, ports numbered inputs first."""
    parts = [f'<layer id="{number}" name="{name}" type="{kind}" version="{version}">']
    parts += [f"<data {data}/>"] if data else []
    parts += ["<input>", *(port(i, shape) for i, shape in enumerate(inputs)), "</input>"] if inputs else []
    parts += ["<output>", port(len(inputs), output, precision, names), "</output>"] if output is not None else []
    return "".join([*parts, "</layer>"])


def const(number: int, name: str, shape: str, offset: int, size: int, kind: str = "f32") -> str:
    data = f'element_type="{kind}" shape="{shape}" offset="{offset}" size="{size}"'
    precision = {"f32": "FP32", "f16": "FP16", "i64": "I64"}.get(kind, "FP32")
    return layer(number, name, "Const", data, (), shape.replace(" ", ""), precision=precision)


def edge(start: int, start_port: int, end: int, end_port: int) -> str:
    return f'<edge from-layer="{start}" from-port="{start_port}" to-layer="{end}" to-port="{end_port}"/>'


PARAMETER = layer(0, "in", "Parameter", 'shape="1,2,4,4" element_type="f32"', (), "1,2,4,4", names="x")
SCALED = (
    PARAMETER,
    const(1, "two", "1,1,1,1", 0, 4),
    layer(2, "scaled", "Multiply", 'auto_broadcast="numpy"', ("1,2,4,4", "1,1,1,1"), "1,2,4,4", names="y"),
    layer(3, "end", "Result", "", ("1,2,4,4",)),
)
EDGES = (edge(0, 0, 2, 0), edge(1, 0, 2, 1), edge(2, 2, 3, 0))
TWO = np.array([2], dtype="<f4").tobytes()


def net(layers: tuple[str, ...] = SCALED, edges: tuple[str, ...] = EDGES, about: str = "", version: int = 11) -> str:
    return (
        f'<?xml version="1.0"?><net name="tiny" version="{version}"><layers>{"".join(layers)}</layers>'
        f"<edges>{''.join(edges)}</edges>{about}</net>"
    )


def write(folder: Path, text: str, weights: bytes = TWO) -> Path:
    path = folder / "tiny.xml"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(weights)
    return path


def compute(path: Path, x: Array = X) -> Array:
    graph = read_openvino(path)
    return reference.run(graph, {graph.inputs[0].name: x})[graph.outputs[0].name]


def between(middle: str, consts: tuple[str, ...], count: int, output: str = "1,2,4,4") -> str:
    """A net in which layer 9 reads the input and the constants 1, 2, ..."""
    layers = (PARAMETER, *consts, middle, layer(10, "end", "Result", "", (output,)))
    wires = [edge(0, 0, 9, 0), *(edge(i, 0, 9, i) for i in range(1, count + 1)), edge(9, count + 1, 10, 0)]
    return net(layers, tuple(wires))


# what the Model Optimizer wrote


def test_the_model_optimizers_network_is_the_onnx_file_tensor_by_tensor() -> None:
    onnx = refnet.load(localdata.path("openvino-ir/narrow.onnx"))
    converted = refnet.load(localdata.path("openvino-ir/narrow.xml"))
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 112, 112)).astype(np.float32)
    _, expected = onnx.trace(x)
    _, tensors = converted.trace(x[:, ::-1])
    shared = [name for name in tensors if name in expected and name != "_mulscalar0"]
    assert len(shared) == 254
    distances = [np.linalg.norm(tensors[name] - expected[name]) / np.linalg.norm(expected[name]) for name in shared]
    assert max(distances) < 1e-5
    assert np.array_equal(tensors["_mulscalar0"][:, ::-1], expected["_mulscalar0"])


def test_the_model_optimizers_network_says_what_it_takes() -> None:
    network = refnet.load(localdata.path("openvino-ir/narrow.xml"))
    assert network.contract.name == "data"
    assert network.contract.channels == "BGR"
    assert network.output == "fc1"
    assert network.graph.source.producer.startswith("OpenVINO 2024.6.0")


def test_large_weights_stay_in_the_bin(tmp_path: Path, narrow: Graph) -> None:
    write_openvino(narrow, tmp_path / "n.xml")
    entry = read_openvino(tmp_path / "n.xml").constants.entries["pre_fc1/weights"]  # type: ignore[attr-defined]
    assert not isinstance(entry, np.ndarray)
    stored: Stored = entry
    assert stored.shape == (512, 1568)
    (tmp_path / "n.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="the file has changed since the model was read"):
        stored.read()


# layer by layer


@pytest.mark.parametrize("version", [10, 11])
def test_a_tiny_network_of_either_version_computes(tmp_path: Path, version: int) -> None:
    path = write(tmp_path, net(version=version))
    graph = read_openvino(path)
    assert (graph.inputs[0].name, graph.outputs[0].name) == ("x", "y")
    assert graph.source.ir_version == version
    assert np.array_equal(compute(path), 2 * X)


def test_a_tensor_without_a_name_has_its_layers(tmp_path: Path) -> None:
    text = net().replace(' names="x"', "").replace(' names="y"', "")
    graph = read_openvino(write(tmp_path, text))
    assert (graph.inputs[0].name, graph.outputs[0].name) == ("in", "scaled")


def test_layers_in_any_order_are_sorted(tmp_path: Path) -> None:
    assert np.array_equal(compute(write(tmp_path, net(SCALED[::-1]))), 2 * X)


def test_weights_of_16_bits_are_decompressed(tmp_path: Path) -> None:
    converted = layer(4, "two", "Convert", 'destination_type="f32"', ("1,1,1,1",), "1,1,1,1").replace("FP32", "FP16", 1)
    layers = (PARAMETER, const(1, "two_compressed", "1,1,1,1", 0, 2, "f16"), converted, *SCALED[2:])
    edges = (EDGES[0], edge(1, 0, 4, 0), edge(4, 1, 2, 1), EDGES[2])
    path = write(tmp_path, net(layers, edges), np.array([2.5], dtype="<f2").tobytes())
    assert np.array_equal(compute(path), 2.5 * X)
    assert "the file keeps it as float16" in read_openvino(path).source.notes[0]


WINDOW = 'strides="1, 1" dilations="1, 1" pads_begin="0, 1" pads_end="0, 1" auto_pad="explicit"'


def test_a_convolution_pads_as_it_says(tmp_path: Path) -> None:
    middle = layer(9, "conv", "Convolution", WINDOW, ("1,2,4,4", "1,2,1,3"), "1,1,4,4")
    weights = ramp(1, 2, 1, 3)
    path = write(tmp_path, between(middle, (const(1, "w", "1, 2, 1, 3", 0, 24),), 1, "1,1,4,4"), weights.tobytes())
    padded = np.pad(X, ((0, 0), (0, 0), (0, 0), (1, 1)))
    expected = sum(padded[:, c, :, v : v + 4] * weights[0, c, 0, v] for c in range(2) for v in range(3))
    assert np.array_equal(compute(path)[:, 0], expected)


def test_a_convolution_in_groups_has_a_weight_of_five_axes(tmp_path: Path) -> None:
    window = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
    middle = layer(9, "conv", "GroupConvolution", window, ("1,2,4,4", "2,1,1,1,1"), "1,2,4,4")
    weights = np.array([2, 3], dtype="<f4")
    path = write(tmp_path, between(middle, (const(1, "w", "2, 1, 1, 1, 1", 0, 8),), 1), weights.tobytes())
    assert np.array_equal(compute(path), X * weights.reshape(1, 2, 1, 1))


@pytest.mark.parametrize("version", ["opset1", "opset5"])
def test_batch_normalization_has_its_data_where_its_version_has_it(tmp_path: Path, version: str) -> None:
    consts = tuple(const(i, name, "2", 8 * (i - 1), 8) for i, name in enumerate(("g", "b", "m", "v"), start=1))
    shapes = ("2", "2", "1,2,4,4", "2", "2") if version == "opset1" else ("1,2,4,4", "2", "2", "2", "2")
    middle = layer(9, "bn", "BatchNormInference", 'epsilon="1"', shapes, "1,2,4,4", version=version)
    text = between(middle, consts, 4)
    if version == "opset1":
        text = net(
            (PARAMETER, *consts, middle, layer(10, "end", "Result", "", ("1,2,4,4",))),
            (
                edge(1, 0, 9, 0),
                edge(2, 0, 9, 1),
                edge(0, 0, 9, 2),
                edge(3, 0, 9, 3),
                edge(4, 0, 9, 4),
                edge(9, 5, 10, 0),
            ),
        )
    path = write(tmp_path, text, np.array([2, 3, 1, 1, 4, 8, 3, 15], dtype="<f4").tobytes())
    scale, shift = np.array([1, 0.75]).reshape(1, 2, 1, 1), np.array([-3, -5]).reshape(1, 2, 1, 1)
    assert np.array_equal(compute(path), X * scale + shift)


def test_a_slope_of_one_axis_is_one_value_a_channel(tmp_path: Path) -> None:
    middle = layer(9, "relu", "PReLU", "", ("1,2,4,4", "2"), "1,2,4,4")
    slope = np.array([0.5, 0.25], dtype="<f4")
    path = write(tmp_path, between(middle, (const(1, "s", "2", 0, 8),), 1), slope.tobytes())
    assert np.array_equal(compute(path), np.where(X < 0, slope.reshape(1, 2, 1, 1) * X, X))


def test_the_order_of_channels_is_read_from_both_generations_of_notes(tmp_path: Path) -> None:
    newer = '<rt_info><conversion_parameters><reverse_input_channels value="True"/></conversion_parameters></rt_info>'
    older = '<meta_data><cli_parameters><reverse_input_channels value="True"/></cli_parameters></meta_data>'
    no = newer.replace("True", "False")
    said = [read_openvino(write(tmp_path, net(about=text))).source.metadata for text in (newer, older, no, "")]
    assert said == [{"refnet.channels": "BGR"}, {"refnet.channels": "BGR"}, {}, {}]


# what is refused

DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "another root": (lambda text: text.replace("net", "model"), r"it begins with <model>, not <net>"),
    "no XML": (lambda text: text[:-5], r"the file is no well-formed XML: .*, line 1; copy it again"),
    "encoding": (lambda text: text.replace('"1.0"', '"1.0" encoding="klingon"'), r"in an encoding that does not exist|no well"),
    "entities": (
        lambda text: text.replace("?>", '?><!DOCTYPE net [<!ENTITY a SYSTEM "/etc/passwd">]>', 1).replace("tiny", "&a;"),
        r"the file has a DOCTYPE, which no OpenVINO model has",
    ),
    "deep": (lambda text: text.replace("</net>", "<a>" * 99 + "</a>" * 99 + "</net>"), r"nests elements 65 deep"),
    "version": (lambda text: text.replace('version="11"', 'version="7"'), r"IR version 7; refnet reads 10 and 11"),
    "no version": (lambda text: text.replace(' version="11"', ""), r"the version is None; expected a whole number"),
    "no layers": (lambda text: text.replace("layers>", "things>"), r"the file has 0 <layers>; expected one"),
    "same id": (lambda text: text.replace('id="3" name', 'id="2" name'), r"'scaled' .* and layer 'end' .* both have id 2"),
    "unknown layer": (lambda text: text.replace('from-layer="1"', 'from-layer="8"'), r"to or from layer 8, which does not"),
    "unknown port": (lambda text: text.replace('from-port="2"', 'from-port="5"'), r"uses port 5, which is none of its outputs"),
    "no edge": (lambda text: text.replace(EDGES[1], ""), r"layer 'scaled' \(Multiply\): no edge leads to its port 1"),
    "two edges": (lambda text: text.replace(EDGES[1], EDGES[1] + edge(0, 0, 2, 1)), r"two edges lead to its port 1"),
    "circle": (lambda text: text.replace(EDGES[0], edge(2, 2, 2, 0)), r"nodes feed each other in a circle: 'scaled'"),
    "no result": (
        lambda text: text.replace(SCALED[3], "").replace(EDGES[2], ""),
        r"is not a network: it has no layer of type Result",
    ),
    "unknown type": (lambda text: text.replace("Multiply", "LSTMCell"), r"node 'scaled' \(LSTMCell\): refnet does not"),
    "another opset": (
        lambda text: text.replace('"Multiply" version="opset1"', '"Multiply" version="opset9"'),
        r"node 'scaled' \(Multiply\): its version is 'opset9'; refnet implements opset1",
    ),
    "no opset": (lambda text: text.replace('"Multiply" version="opset1"', '"Multiply"'), r"its version is ''"),
    "attribute": (lambda text: text.replace("auto_broadcast", "axis"), r"attribute axis = 'numpy'; refnet understands"),
    "broadcast": (lambda text: text.replace('"numpy"', '"pdpd"'), r"auto_broadcast is 'pdpd'; refnet implements numpy"),
    "shape": (lambda text: "".join([*text.partition('names="y"')[:2], text.partition('names="y"')[2].replace("<dim>4</dim></port>", "<dim>5</dim></port>")]),
              r"'scaled' makes a tensor of shape \(1, 2, 4, 4\); the file says \(1, 2, 4, 5\)"),
    "precision": (lambda text: text.replace("FP32", "FP16").replace("f32", "f16").replace('size="4"', 'size="2"'), r"its precision is 'FP16'"),
    "extent": (lambda text: text.replace("<dim>2</dim>", "<dim>-7</dim>").replace('"1,2,', '"1,-7,'), r"its shape is \(1, -7, 4, 4\)"),
    "same name": (lambda text: text.replace('names="y"', 'names="x"'), r"its output is named 'x', as another is"),
    "quantised": (lambda text: text.replace('element_type="f32" shape="1,1', 'element_type="i8" shape="1,1'), r"element_type is 'i8'"),
    "size": (lambda text: text.replace('size="4"', 'size="8"'), r"size is 8 bytes; its shape \(1, 1, 1, 1\) of f32 asks for 4"),
    "absurd": (lambda text: text.replace('"1,1,1,1"', f'"{10**17}"').replace("<dim>1</dim>" * 4, f"<dim>{10**17}</dim>"), r"size is 4 bytes; its shape"),
    "input of another shape": (lambda text: text.replace('shape="1,2,4,4"', 'shape="1,2,9,4"'),
              r"'in' \(Parameter\): its port 0 is FP32 \(1, 2, 4, 4\); <data> says FP32 \(1, 2, 9, 4\)"),
    "input of another type": (lambda text: text.replace('4" element_type="f32"', '4" element_type="f16"'), r"port 0 is FP32 .*; <data> says FP16"),
    "bits of another type": (lambda text: text.replace('element_type="f32" shape="1,1', 'element_type="i32" shape="1,1'),
              r"'two' \(Const\): its port 0 is FP32 .*; <data> says I32"),
    "fed another shape": (lambda text: text.replace('<input><port id="0" precision="FP32"><dim>1</dim><dim>2</dim>', '<input><port id="0" precision="FP32"><dim>1</dim><dim>3</dim>', 1),
              r"'scaled' \(Multiply\): its port 0 is FP32 \(1, 3, 4, 4\); layer 'in' \(Parameter\) feeds it FP32 \(1, 2, 4, 4\)"),
    "negative": (lambda text: text.replace('offset="0"', 'offset="-4"'), r"offset is -4; expected an even number"),
    "odd": (lambda text: text.replace('offset="0"', 'offset="1"'), r"offset is 1; expected an even number"),
    "outside": (lambda text: text.replace('offset="0"', 'offset="4"'), r"in bytes 4 to 8 of tiny\.bin, which has only 4"),
    "control letters": (lambda text: text.replace('"scaled"', '"a&#9;b"'), r"the name of a layer is 'a\\tb'; expected printable"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_xml_is_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    change, complaint = DAMAGES[damage]
    text = change(net())
    assert text != net()
    with pytest.raises(ModelError, match=complaint):
        read_openvino(write(tmp_path, text))


def test_constants_that_overlap_are_refused_and_those_that_are_the_same_are_not(tmp_path: Path) -> None:
    def layers(offset: int) -> tuple[str, ...]:
        return (
            PARAMETER, const(1, "a", "1,2,1,1", 0, 8), const(2, "b", "1,2,1,1", offset, 8),
            layer(9, "sum", "Add", "", ("1,2,1,1", "1,2,1,1"), "1,2,1,1"),
            layer(11, "last", "Multiply", "", ("1,2,4,4", "1,2,1,1"), "1,2,4,4"),
            layer(10, "end", "Result", "", ("1,2,4,4",)),
        )  # fmt: skip

    edges = (edge(1, 0, 9, 0), edge(2, 0, 9, 1), edge(0, 0, 11, 0), edge(9, 2, 11, 1), edge(11, 2, 10, 0))
    weights = np.array([1, 2, 3, 4], dtype="<f4").tobytes()
    assert np.array_equal(compute(write(tmp_path, net(layers(0), edges), weights))[0, :, 0, 0], X[0, :, 0, 0] * [2, 4])
    with pytest.raises(
        ModelError, match=r"layer 'a' \(Const\) and layer 'b' \(Const\) overlap: bytes 0 to 8, and from 4"
    ):
        read_openvino(write(tmp_path, net(layers(4), edges), weights))


def test_a_bin_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, net())
    path.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match=r"its weights are in tiny\.bin, which cannot be read \(no such file"):
        read_openvino(path)


def test_a_weight_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"layer 'two' \(Const\) is nan at \(0, 0, 0, 0\)"):
        read_openvino(write(tmp_path, net(), np.array([np.nan], dtype="<f4").tobytes()))


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ('<rt_info><refnet><channels value="a&#10;b"/></refnet></rt_info>', "expected printable text"),
        (
            '<rt_info><conversion_parameters><reverse_input_channels value="true"/></conversion_parameters>'
            '<refnet><channels value="RGB"/></refnet></rt_info>',
            "says channels = RGB, and reverse_input_channels",
        ),
    ],
)
def test_notes_that_contradict_each_other_or_cannot_be_shown_are_refused(
    tmp_path: Path, about: str, complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        read_openvino(write(tmp_path, net(about=about)))


def test_padding_that_depends_on_the_image_is_refused(tmp_path: Path) -> None:
    middle = layer(
        9, "conv", "Convolution", WINDOW.replace("explicit", "same_upper"), ("1,2,4,4", "1,2,1,3"), "1,1,4,4"
    )
    text = between(middle, (const(1, "w", "1, 2, 1, 3", 0, 24),), 1, "1,1,4,4")
    with pytest.raises(UnsupportedModelError, match=r"node 'conv' \(Convolution\): auto_pad is 'same_upper'"):
        read_openvino(write(tmp_path, text, bytes(24)))


def test_changed_bytes_give_an_error_in_words_or_a_network(tmp_path: Path, narrow: Graph) -> None:
    """Whatever is changed, a reader of untrusted files never ends in a traceback."""
    small = Graph(narrow.name, narrow.inputs, (), narrow.nodes[:9], narrow.constants)
    tail = next(node for node in small.nodes if node.op == "PRelu")
    small = Graph(
        small.name, small.inputs, (Tensor(tail.output, "float32", (1, 4, 112, 112)),),
        small.nodes[: small.nodes.index(tail) + 1], small.constants,
    )  # fmt: skip
    path = tmp_path / "whole.xml"
    write_openvino(small, path)
    text, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    tokens = [match.span(1) for match in re.finditer(rb'"([^"]*)"|<dim>(?:[^<]*)</dim>', text) if match.group(1)]
    rng = np.random.default_rng(11)
    image = np.full((1, 3, 112, 112), 100, dtype=np.float32)
    complaints: list[str] = []
    for case in range(900):
        changed, numbers = bytearray(text), bytearray(weights)
        if case % 3 == 0:
            start, end = tokens[rng.integers(len(tokens))]
            value = [b"-1", b"0", b"99999999999999999", b"Const", b"", b"1,1", b"nan", b"Convert"][rng.integers(8)]
            changed[start:end] = value
        elif case % 3 == 1:
            for place in rng.integers(0, len(changed), 2):
                changed[place] = rng.integers(256)
        else:
            del changed[rng.integers(len(changed)) :][: int(rng.integers(1, 60))]
            for place in rng.integers(0, len(numbers), 2):
                numbers[place] = rng.integers(256)
        damaged = write(tmp_path, "", bytes(numbers))
        damaged.write_bytes(changed)
        try:
            network = refnet.load(damaged, engine="reference")
            network(image)
        except RefnetError as error:
            complaints.append(str(error))
    assert all(complaint.isprintable() for complaint in complaints)
    assert len(complaints) > 300
