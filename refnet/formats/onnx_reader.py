"""ONNX file to Graph.

Reads IR 3 to 14 and opset 7 to 28. Large weights go from the file straight into their arrays: `wire.split` takes
their numbers out of the file's bytes, the onnx package parses the small rest, and the numbers are read where they lie.

What is refused is refused when the file is read, naming the node: unknown operators, attributes, dtypes and domains,
subgraphs, quantised models, weights that do not fit. What is changed is said in `Graph.source.notes`.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.disguises import refuse_other_files
from refnet.formats.notes import Notes
from refnet.formats.onnx_attributes import file_node
from refnet.formats.onnx_dialect import canonical, constant_value
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_reading import Reading
from refnet.formats.onnx_signature import graph_input, graph_output
from refnet.formats.onnx_structure import topological_order
from refnet.formats.onnx_tensors import Home, look_through
from refnet.formats.statements import METADATA
from refnet.formats.wire import Span, split
from refnet.graph import Array, Constants, Graph, Node, Source, Stored
from refnet.opening import open_regular, reading

IR_VERSIONS = (3, 14)
OPSETS = (7, 28)

_NOT_TEXT = "the file is damaged: a name in it is not printable text; download or copy it again"
_DAMAGED = "the file is damaged, or no model that refnet can read; download or copy it again"
_LARGE_BYTES = 4096  # a page; smaller weights are as quick to parse as to skip


def read_model(path: Path) -> Graph:
    """Read an ONNX file.

    Parameters
    ----------
    path : Path
        External data, if any, must be in the same folder.

    Returns
    -------
    Graph
        Nodes one for one those of the file, in computable order, without Constant nodes, whose values are constants.
        Weights are float32; those that no node reads are left out. Every weight fits, if the file says the size of
        its images.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or not what it says it is.
    UnsupportedModelError
        If it asks for something refnet does not implement.
    """
    path = Path(path)
    with reading(path, ModelError, _DAMAGED):
        refuse_other_files(path)
        with open_regular(path) as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                skeleton, spans = split(data, _LARGE_BYTES)
            try:
                return _graph(_parse(skeleton), spans, Home(file, path, Notes()), path)
            except UnicodeDecodeError as error:
                raise ModelError(_NOT_TEXT) from error


def _parse(skeleton: bytes) -> onnx.ModelProto:
    """The model without its large weights; refuses what is not an ONNX model refnet can know."""
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(skeleton)
    except DecodeError as error:
        raise ModelError("the file is not an ONNX model, or it is damaged; download or copy it again") from error
    if not model.HasField("graph") or not model.HasField("ir_version"):
        raise ModelError("the file is not an ONNX model: it holds no graph, or no IR version")
    oldest, newest = IR_VERSIONS
    if not oldest <= model.ir_version <= newest:
        raise UnsupportedModelError(f"the file has IR version {model.ir_version}; refnet reads {oldest} to {newest}")
    if not all(isinstance(name, str) and name.isprintable() for name in names(model)):
        raise ModelError(_NOT_TEXT)
    if not model.graph.output:
        raise ModelError("the file is not a network: its graph has no output")
    if model.functions:
        raise UnsupportedModelError("the file defines functions of its own; refnet reads operators of ONNX only")
    if model.graph.sparse_initializer:
        raise UnsupportedModelError("the file holds sparse weights; refnet reads dense ones")
    return model


def names(model: onnx.ModelProto) -> Iterator[object]:
    """Every name that the reader uses or an error may show; protobuf gives bytes for what is not UTF-8."""
    graph = model.graph
    yield from (model.producer_name, model.producer_version, graph.name)
    yield from (entry.domain for entry in model.opset_import)
    yield from (named.name for named in (*graph.initializer, *graph.input, *graph.output))
    for tensor in graph.initializer:
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators."""
    versions = {int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")}
    if len(versions) != 1:
        raise ModelError(f"the file names {len(versions)} versions of ONNX's operators; expected one")
    (version,) = versions
    oldest, newest = OPSETS
    if not oldest <= version <= newest:
        raise UnsupportedModelError(
            f"the file has opset {version}; refnet reads {oldest} to {newest}. "
            "onnx.version_converter can bring it to one of these"
        )
    return version


def _graph(model: onnx.ModelProto, spans: Mapping[int, Span], home: Home, path: Path) -> Graph:
    """The model as refnet's Graph."""
    opset, proto = _opset(model), model.graph
    file_nodes = [file_node(node, home) for node in proto.node]
    read = {name for node in file_nodes for name in node.inputs} | {output.name for output in proto.output}
    weights = _weights(proto, spans, home, read)
    inputs = tuple(graph_input(info) for info in proto.input if info.name not in weights)
    constants = Constants({name: array for name, array in weights.items() if array is not None})
    ordered = topological_order(
        file_nodes, [*weights, *(tensor.name for tensor in inputs)], [output.name for output in proto.output]
    )
    reading = Reading(opset, inputs, constants, ordered, [output.name for output in proto.output], home.notes)
    nodes = tuple(_nodes(ordered, reading))
    if ordered != file_nodes:
        reading.notes.add("nodes are not in computable order in the file, and were sorted", str(file_nodes[0]))
    for name in (name for name, array in weights.items() if array is None):
        reading.notes.add("no node reads this weight, and it was left out", f"tensor {name!r}")
    outputs = tuple(graph_output(info, reading) for info in proto.output)
    used = {name for node in nodes for name in node.inputs} | {tensor.name for tensor in outputs}
    return Graph(
        name=proto.name,
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        constants=Constants({name: entry for name, entry in constants.entries.items() if name in used}),
        source=Source(
            path=path,
            format="onnx",
            ir_version=model.ir_version,
            opset=opset,
            producer=f"{model.producer_name} {model.producer_version}".strip(),
            notes=reading.notes.sentences(),
            metadata=_metadata(model),
        ),
    )


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    """What a file that refnet wrote says of itself; what others say there is not read."""
    said: dict[str, str] = {}
    for entry in model.metadata_props:
        if isinstance(entry.key, str) and entry.key.startswith(METADATA):
            value = entry.value
            if not (isinstance(value, str) and value.isprintable()) or said.setdefault(entry.key, value) != value:
                raise ModelError(f"the file says {entry.key} twice, or in letters that cannot be printed")
    return said


def _weights(
    proto: onnx.GraphProto, spans: Mapping[int, Span], home: Home, read: set[str]
) -> dict[str, Array | Stored | None]:
    """The initializers by name; None for one that no node reads."""
    weights: dict[str, Array | Stored | None] = {}
    for i, tensor in enumerate(proto.initializer):
        if not tensor.name or tensor.name in weights:
            raise ModelError(f"weight {i} is named {tensor.name!r}; expected a name of its own for each")
        weights[tensor.name] = None
        if tensor.name in read:
            weights[tensor.name] = look_through(tensor, f"tensor {tensor.name!r}", home, spans.get(i))
    return weights


def _nodes(ordered: Sequence[FileNode], reading: Reading) -> Iterator[Node]:
    """The canonical nodes, each held against its operator; Constant nodes become constants."""
    for said in ordered:
        try:
            if said.op == "Constant":
                reading.constants[said.outputs[0]] = constant_value(said)
                continue
            for name in said.outputs[1:]:
                if reading.is_read(name):
                    raise UnsupportedModelError(f"its output {name!r} is used; refnet gives only the first output")
            op, inputs, attributes = canonical(said, reading)
        except ModelError as error:
            raise type(error)(f"{said}: {error}") from error
        node = Node(said.name, op, inputs, said.outputs[0], attributes)
        reading.add(node)
        yield node
