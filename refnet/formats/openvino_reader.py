"""OpenVINO model (.xml and .bin, versions 10 and 11) to Graph.

What is refused is refused when the file is read, naming the layer; what is changed is said in `Graph.source.notes`.
Tensors have the names that the ports give them, so that those that a converter kept line up with the ONNX file's;
where a port has none, its layer's name.

Sources: OpenVINO's documentation of its intermediate representation and operation sets.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from refnet.errors import ModelError, UnsupportedModelError
from refnet.files import sha256
from refnet.formats.notes import Notes
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_reading import Reading
from refnet.formats.onnx_structure import topological_order
from refnet.formats.openvino_constants import read_constants
from refnet.formats.openvino_rules import PRECISION, VERSION, canonical
from refnet.formats.openvino_xml import LARGEST_BYTES, Layer, Net, Port, parse
from refnet.formats.statements import CONVERTED_BY, METADATA
from refnet.graph import Constants, Graph, Node, Source, Tensor
from refnet.opening import open_regular, reading
from refnet.ops.dtypes import dtype_name

Place = tuple[int, int]  # layer, output port

_DTYPES = {"FP32": "float32", "FP16": "float16", "FP64": "float64", "I64": "int64", "I32": "int32", "BOOL": "bool"}
_IMPLEMENTED = ("FP32", "I64", "I32", "BOOL")  # of inputs and outputs


def read_openvino(path: Path) -> Graph:
    """Read an OpenVINO model.

    Parameters
    ----------
    path : Path
        The .xml; the .bin of the same name must be beside it.

    Returns
    -------
    Graph
        Nodes one for one the layers, in computable order, without those that hold or convert constants. Weights are
        float32.

    Raises
    ------
    ModelError
        If one of the files is missing, damaged, or not what it says it is.
    UnsupportedModelError
        If it asks for something refnet does not implement.
    """
    damaged = "the file is damaged, or no model that refnet can read; copy it again"
    with reading(path, ModelError, damaged), open_regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > LARGEST_BYTES:
            raise ModelError(f"the file has {size_bytes:,} bytes; refnet reads at most {LARGEST_BYTES:,} of XML")
        return _graph(parse(file.read()), path)


def _graph(net: Net, path: Path) -> Graph:
    """The layers as refnet's Graph."""
    notes, weights = Notes(), path.with_suffix(".bin")
    held = [layer for layer in net.layers if layer.type == "Const"]
    names = _tensor_names(net)
    if held:
        _refuse_other_weights(net.weights_sha256, weights)
    constants = Constants(
        {
            names[number, _only_output(layer).number]: entry
            for layer, (number, entry) in zip(held, read_constants(held, weights, notes).items(), strict=True)
        }
    )
    inputs = tuple(_tensor(names[place], port, layer) for place, port, layer in _parameters(net))
    outputs = tuple(_results(net, names))
    said = [_file_node(layer, net, names) for layer in net.layers if layer.type not in ("Const", "Parameter", "Result")]
    ends = [tensor.name for tensor in outputs]
    ordered = topological_order(said, [*constants, *(tensor.name for tensor in inputs)], ends)
    reading = Reading(net.version, inputs, constants, ordered, ends, notes)
    declared = {names[layer.number, port.number]: port for layer in net.layers for port in layer.outputs}
    nodes = tuple(_nodes(ordered, reading, declared))
    used = {name for node in nodes for name in node.inputs} | set(ends)
    return Graph(
        name=net.name,
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        constants=Constants({name: entry for name, entry in constants.entries.items() if name in used}),
        source=Source(
            path=path,
            beside=(weights,) if held else (),
            format="openvino",
            ir_version=net.version,
            producer=_producer(net.about),
            notes=notes.sentences(),
            metadata=_statements(net.about),
        ),
    )


def _refuse_other_weights(said: str, weights: Path) -> None:
    """Refuse a .bin that is not the one the .xml was written with, where it says which one that was."""
    if said and weights.is_file() and (found := sha256(weights)) != said:
        raise ModelError(
            f"it was written with weights of the SHA-256 {said[:12]}..., and {weights.name} has {found[:12]}...: the two "
            "files do not belong together, or one is damaged; copy or convert both again"
        )


def _tensor_names(net: Net) -> dict[Place, str]:
    """A name of its own for every output of every layer."""
    names: dict[Place, str] = {}
    taken: set[str] = set()
    for layer in net.layers:
        for port in layer.outputs:
            if port.names:
                if port.names[0] in taken:
                    raise ModelError(f"{layer}: its output is named {port.names[0]!r}, as another is")
                names[layer.number, port.number] = port.names[0]
                taken.add(port.names[0])
    for layer in net.layers:
        for port in layer.outputs:
            if (layer.number, port.number) not in names:
                name = layer.name if len(layer.outputs) == 1 else f"{layer.name}.{port.number}"
                while name in taken:
                    name += "'"
                names[layer.number, port.number] = name
                taken.add(name)
    return names


def _parameters(net: Net) -> Iterator[tuple[Place, Port, Layer]]:
    """The graph's inputs."""
    for layer in net.layers:
        if layer.type == "Parameter":
            port = _only_output(layer)
            yield (layer.number, port.number), port, layer


def _results(net: Net, names: Mapping[Place, str]) -> Iterator[Tensor]:
    """The graph's outputs."""
    ports = {(layer.number, port.number): (layer, port) for layer in net.layers for port in layer.outputs}
    given: set[str] = set()
    for result in net.layers:
        if result.type == "Result":
            if len(result.inputs) != 1:
                raise ModelError(f"{result}: it has {len(result.inputs)} inputs; expected one")
            place = net.wires[result.number, result.inputs[0].number]
            if names[place] in given:
                raise UnsupportedModelError(f"{result}: tensor {names[place]!r} is given out twice")
            given.add(names[place])
            yield _tensor(names[place], ports[place][1], ports[place][0])
    if not given:
        raise ModelError("the file is not a network: it has no layer of type Result")


def _only_output(layer: Layer) -> Port:
    """The one output of a layer."""
    if len(layer.outputs) != 1 or (layer.inputs and layer.type in ("Const", "Parameter")):
        raise ModelError(
            f"{layer}: it has {len(layer.inputs)} inputs and {len(layer.outputs)} outputs; expected none and one"
        )
    return layer.outputs[0]


def _tensor(name: str, port: Port, layer: Layer) -> Tensor:
    """A graph input or output."""
    if port.precision not in _IMPLEMENTED:
        raise UnsupportedModelError(
            f"{layer}: its precision is {port.precision!r}; refnet implements {', '.join(_IMPLEMENTED)}"
        )
    if any(extent is not None and extent < 1 for extent in port.shape):
        raise ModelError(f"{layer}: its shape is {port.shape}; expected extents of at least 1")
    return Tensor(name, _DTYPES[port.precision], port.shape)


def _file_node(layer: Layer, net: Net, names: Mapping[Place, str]) -> FileNode:
    """A layer with the names of what it reads and makes."""
    inputs = tuple(names[net.wires[layer.number, port.number]] for port in layer.inputs)
    outputs = tuple(names[layer.number, port.number] for port in layer.outputs)
    if not outputs:
        raise UnsupportedModelError(f"{layer}: it makes nothing; refnet does not implement layers with effects")
    said = {**layer.said, VERSION: layer.version, PRECISION: layer.outputs[0].precision}
    return FileNode(layer.name, layer.type, inputs, outputs, said)


def _nodes(ordered: Sequence[FileNode], reading: Reading, declared: Mapping[str, Port]) -> Iterator[Node]:
    """The canonical nodes, each held against its operator and against the shape and dtype that the file declares."""
    for said in ordered:
        try:
            if len(said.outputs) != 1:
                raise UnsupportedModelError(f"it has {len(said.outputs)} outputs; refnet implements one")
            if said.op in ("Convert", "Reshape") and set(said.inputs) <= reading.constants.keys():
                _resolve(said, reading)
                continue
            op, inputs, attributes = canonical(said, reading)
        except ModelError as error:
            raise type(error)(f"{said}: {error}") from error
        node = Node(said.name, op, inputs, said.outputs[0], attributes)
        reading.add(node)
        _hold_against(declared[node.output], reading, node)
        yield node


def _resolve(said: FileNode, reading: Reading) -> None:
    """Take what only changes the form of a constant as a constant: weights decompressed from 16 bits, or reshaped."""
    op, inputs, attributes = canonical(said, reading)
    value = reading.constants.entries[inputs[0]]
    if op == "Cast" and str(value.dtype) != attributes["to"]:
        raise UnsupportedModelError(f"it converts {value.dtype} to {attributes['to']}; refnet implements float32")
    if op == "Reshape":
        from refnet.ops.reshape import reshape

        allow_zero = int(bool(attributes["allow_zero"]))
        value = reshape(reading.constants[inputs[0]], reading.constants[inputs[1]], allow_zero=allow_zero)
    reading.constants[said.outputs[0]] = value


def _hold_against(port: Port, reading: Reading, node: Node) -> None:
    """Refuse a layer that makes another shape or dtype than its file says; old files leave precisions out."""
    known = reading.known(node.output)
    if known is None:
        return
    same = len(port.shape) == len(known.shape) and all(
        said in (None, extent) for said, extent in zip(port.shape, known.shape, strict=True)
    )
    if not same:
        raise ModelError(f"{node.name!r} makes a tensor of shape {known.shape}; the file says {port.shape}")
    if port.precision and dtype_name(_DTYPES.get(port.precision, port.precision)) != known.dtype:
        raise ModelError(f"{node.name!r} makes a tensor of dtype {known.dtype}; the file says {port.precision}")


def _statements(about: Element) -> dict[str, str]:
    """What the file says of itself: what refnet wrote, and whether the Model Optimizer reversed the channels."""
    own = about.find(METADATA.rstrip("."))
    said = {METADATA + entry.tag: entry.get("value", "") for entry in ([] if own is None else own)}
    for name, value in said.items():
        if not (name.isprintable() and value.isprintable()):
            raise ModelError(f"rt_info says {name} = {value!r}; expected printable text")
    reversed_channels = [
        _value(about, f"{group}/reverse_input_channels").lower() == "true"
        for group in ("conversion_parameters", "cli_parameters")
    ]
    if any(reversed_channels) and said.setdefault(f"{METADATA}channels", "BGR") != "BGR":
        raise ModelError("rt_info says channels = RGB, and reverse_input_channels; expected these to agree")
    return said


def _producer(about: Element) -> str:
    """Who wrote the file."""
    for name in ("MO_version", "Runtime_version"):
        if version := _value(about, name):
            return f"OpenVINO {version}"
    return _value(about, CONVERTED_BY.replace(".", "/"))


def _value(about: Element, name: str) -> str:
    """What an element of rt_info says."""
    found = about.find(name)
    text = "" if found is None else found.get("value", "")
    return text if text.isprintable() else ""
