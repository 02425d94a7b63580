"""Graph to OpenVINO model: .xml and .bin, version 11, folded as the Model Optimizer folds (`openvino_folding`).

The .xml says the digest of its .bin, so that a reader can tell files that do not belong together. The layout is the Model
Optimizer's: a constant's layer just before the one that reads it, constants in the .bin in the
order of their layers with nothing between, ports numbered inputs first. Source: OpenVINO's documentation of its
intermediate representation, and the files that its converter writes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from refnet.errors import UnsupportedModelError, UsageError
from refnet.formats.openvino_files import replacing_both
from refnet.formats.openvino_folding import Folded, Held, Layer, fold
from refnet.formats.openvino_xml import PRECISIONS
from refnet.formats.statements import METADATA, WEIGHTS_SHA256
from refnet.graph import Array, Graph
from refnet.ops.dtypes import FLOAT

Precision = Literal["fp32", "fp16"]
Extents = tuple[int | None, ...]
Place = tuple[int, int]  # layer, output port
Made = tuple[Place, str, Extents]  # where a tensor comes from, its precision and shape

# element types by the dtypes of tensors (`Known.dtype`) and of constants
_TENSORS = {FLOAT: "f32", "int64": "i64", "int32": "i32", "bool": "boolean"}
_CONSTANTS = {"float32": "f32", "float16": "f16", "int64": "i64", "int32": "i32"}


def write_openvino(
    graph: Graph, path: Path, *, precision: Precision = "fp32", statements: Mapping[str, str] | None = None
) -> None:
    """Write a graph as an OpenVINO model, both files whole or not at all.

    Parameters
    ----------
    graph : Graph
    path : Path
        The .xml; the .bin gets the same name. Both are replaced if they exist.
    precision : "fp32" or "fp16"
        In which weights are kept. "fp16" is OpenVINO's compression: it computes in float32 or in what its plugin likes.
    statements : {"refnet.name": value}, optional
        What the file shall say of itself, in <rt_info>.

    Raises
    ------
    UsageError
        If the files cannot be written, or a weight is too large for 16 bits.
    UnsupportedModelError
        If a node has no counterpart in OpenVINO that refnet writes.
    """
    folded = fold(graph)
    with replacing_both(path) as (xml, weights):
        root = _Writing(graph, folded, weights, half=precision == "fp16").net(statements or {})
        ElementTree.indent(root, "\t")
        xml.write(b'<?xml version="1.0"?>\n' + ElementTree.tostring(root, encoding="utf-8") + b"\n")


class _Writing:
    """A model half written."""

    def __init__(self, graph: Graph, folded: Folded, weights: BinaryIO, *, half: bool) -> None:
        self.graph = graph
        self.folded = folded
        self.weights = weights
        self.half = half
        self.offset = 0
        self.digest = hashlib.sha256()  # of the weights so far
        self.layers = Element("layers")
        self.made: dict[str | int, Made] = {}  # tensors by name, constants by the number of their layer
        self.held: dict[tuple[str, Extents], Made] = {}  # the graph's constants by name and shape
        self.edges: list[tuple[Place, Place]] = []

    def net(self, statements: Mapping[str, str]) -> Element:
        """The whole <net>."""
        root = Element("net", name=self.graph.name, version="11")
        root.append(self.layers)
        self._parameter()
        for layer in self.folded.layers:
            self._layer(layer)
        for tensor in self.graph.outputs:
            self._element(f"{tensor.name}/sink_port_0", "Result", {}, [self.made[tensor.name]])
        edges = SubElement(root, "edges")
        keys = ("from-layer", "from-port", "to-layer", "to-port")
        for start, end in sorted(self.edges):
            SubElement(edges, "edge", dict(zip(keys, map(str, (*start, *end)), strict=True)))
        root.append(_about(self.graph, statements))
        root.set(WEIGHTS_SHA256, self.digest.hexdigest())
        return root

    def _parameter(self) -> None:
        """The input; its names are those of all its copies."""
        names = self.folded.input_names
        shape, element_type = self._shape(names[0]), self._element_type(names[0])
        extents = ",".join("?" if extent is None else str(extent) for extent in shape)
        said = {"shape": extents, "element_type": element_type}
        _, port = self._element(names[-1], "Parameter", said, [], names[0], element_type, shape, tuple(names))
        attribute = {"name": "layout", "version": "0", "layout": "[N,C,H,W]"}
        if len(shape) == 4 and port is not None:
            SubElement(SubElement(port, "rt_info"), "attribute", attribute)

    def _layer(self, layer: Layer) -> None:
        """A layer, after the constants it reads."""
        inputs = [self._held(item) if isinstance(item, Held) else self.made[item] for item in layer.inputs]
        shape, element_type = self._shape(layer.output), self._element_type(layer.output)
        names = (layer.output,) if layer.named else ()
        self._element(layer.name, layer.type, layer.said, inputs, layer.output, element_type, shape, names)

    def _held(self, held: Held) -> Made:
        """A constant: its layer, its numbers, and, if they are kept in 16 bits, the layer that makes 32 of them.

        A constant of the graph is written once in each shape in which it is read; only the first has its name.
        """
        if not held.tensor:
            return self._new(held, ())
        key = held.tensor, held.shape
        if key not in self.held:
            named = any(name == held.tensor for name, _ in self.held)
            self.held[key] = self._new(held, () if named else (held.tensor,))
        return self.held[key]

    def _new(self, held: Held, names: tuple[str, ...]) -> Made:
        """A constant that is not written yet."""
        array = _finite(held)
        half = self.half and array.dtype == np.float32
        key = len(self.layers)
        kept = _halved(held.name, array) if half else array
        element_type = _element_type(f"constant {held.name!r}", kept.dtype.name, _CONSTANTS)
        said = {
            "element_type": element_type,
            "shape": ", ".join(map(str, held.shape)),
            "offset": str(self.offset),
            "size": str(kept.nbytes),
        }
        numbers = np.ascontiguousarray(kept, dtype=kept.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
        self.weights.write(numbers)
        self.digest.update(numbers)
        self.offset += kept.nbytes
        if not half:
            self._element(held.name, "Const", said, [], key, element_type, held.shape, names)
            return self.made[key]
        self._element(f"{held.name}_compressed", "Const", said, [], key, element_type, held.shape, names)
        element, _ = self._element(
            held.name, "Convert", {"destination_type": "f32"}, [self.made[key]], key + 1, "f32", held.shape
        )
        about = Element("rt_info")
        SubElement(about, "attribute", name="decompression", version="0")
        element.insert(1, about)
        return self.made[key + 1]

    def _element(
        self,
        name: str,
        kind: str,
        said: Mapping[str, str],
        inputs: list[Made],
        output: str | int | None = None,
        element_type: str = "",
        shape: Extents = (),
        names: tuple[str, ...] = (),
    ) -> tuple[Element, Element | None]:
        """A <layer> with its ports and edges; the layer, and its output port if it has one."""
        number = len(self.layers)
        layer = SubElement(self.layers, "layer", id=str(number), name=name, type=kind, version="opset1")
        if said:
            SubElement(layer, "data", dict(said))
        if inputs:
            side = SubElement(layer, "input")
            for i, (place, kept, extents) in enumerate(inputs):
                _port(side, i, kept, extents)
                self.edges.append((place, (number, i)))
        if output is None:
            return layer, None
        precision = PRECISIONS[element_type]
        port = _port(SubElement(layer, "output"), len(inputs), precision, shape, names)
        self.made[output] = ((number, len(inputs)), precision, shape)
        return layer, port

    def _element_type(self, name: str) -> str:
        """A tensor's element type."""
        return _element_type(f"tensor {name!r}", self.folded.known[name].dtype, _TENSORS)

    def _shape(self, name: str) -> Extents:
        """A tensor's extents; None where they change with the batch."""
        pairs = zip(self.folded.known[name].shape, self.folded.other[name].shape, strict=True)
        return tuple(one if one == other else None for one, other in pairs)


def _element_type(what: str, dtype: str, written: Mapping[str, str]) -> str:
    """OpenVINO's name of a dtype."""
    if dtype not in written:
        raise UnsupportedModelError(f"{what} has dtype {dtype}; refnet writes {', '.join(written)}")
    return written[dtype]


def _finite(held: Held) -> Array:
    """A constant's numbers; refuses those that folding, or the graph, made infinite or NaN."""
    with np.errstate(all="ignore"):
        array = held.make()
        array = array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
    if not np.isfinite(array).all():
        raise UnsupportedModelError(
            f"constant {held.name!r} is infinite or NaN, of itself or where linear layers become one; refnet does not "
            "write such a model"
        )
    return array


def _port(side: Element, number: int, precision: str, shape: Extents, names: tuple[str, ...] = ()) -> Element:
    """One <port>."""
    port = SubElement(side, "port", id=str(number), precision=precision)
    if names:
        port.set("names", ",".join(name.replace("\\", r"\\").replace(",", r"\,") for name in names))
    for extent in shape:
        SubElement(port, "dim").text = "-1" if extent is None else str(extent)
    return port


def _about(graph: Graph, statements: Mapping[str, str]) -> Element:
    """<rt_info>: what the Model Optimizer would say of its options, and refnet's own statements."""
    about = Element("rt_info")
    options = SubElement(about, "conversion_parameters")
    for name, value in _options(graph, statements):
        SubElement(options, name, value=value)
    own = SubElement(about, METADATA.rstrip("."))
    for name, value in statements.items():
        SubElement(own, name.removeprefix(METADATA), value=value)
    return about


def _options(graph: Graph, statements: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The options of the Model Optimizer that would have done the same."""
    yield "framework", graph.source.format or "onnx"
    yield "input", graph.inputs[0].name
    yield "output", ",".join(tensor.name for tensor in graph.outputs)
    if statements.get(f"{METADATA}channels") == "BGR":
        yield "reverse_input_channels", "True"


def _halved(name: str, array: Array) -> Array:
    """The array in 16 bits; refuses numbers that these cannot hold."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        worst = float(np.abs(array).max())
        raise UsageError(
            f"constant {name!r} holds {worst:g}; 16 bits hold at most {np.finfo(np.float16).max:g}. Use fp32"
        )
    return half
