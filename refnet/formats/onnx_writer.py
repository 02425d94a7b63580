"""Graph to ONNX file, weights straight from their arrays to the disk.

The messages' frames are written here by hand, because a protobuf object of the whole model would hold every weight a
second time, and a third while it is serialised. Field numbers are those of the ONNX specification (onnx.proto).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from refnet.errors import UsageError
from refnet.files import replacing
from refnet.formats.onnx_forms import DATA_TYPES, Form, modern, mxnet
from refnet.formats.wire import delimited, integer, varint
from refnet.graph import Array, Attribute, Constants, Graph, Node, Tensor

Chunk = bytes | memoryview

LIKE = ("mxnet", "modern")


def write_model(
    graph: Graph,
    path: Path,
    *,
    like: Literal["mxnet", "modern"] = "modern",
    spatial: int = 1,
    opset: int = 17,
    statements: Mapping[str, str] | None = None,
) -> None:
    """Write a graph as an ONNX file, whole or not at all.

    Parameters
    ----------
    graph : Graph
    path : Path
        Replaced if it exists.
    like : "mxnet" or "modern"
        "mxnet" is the form of `arcfaceresnet100-8.onnx`: for LResNet100E-IR the file has exactly that one's bytes but
        for the weights. "modern" is IR 8, opset 17, weights as raw bytes.
    spatial : 0 or 1
        What every BatchNormalization of the mxnet form says; 0 as in the file of 2020, 1 as in that of 2022.
    opset : int
        Of the modern form, 17 to 26.
    statements : {"refnet.name": value}, optional
        What the file shall say of itself, in `metadata_props`.

    Raises
    ------
    UsageError
        If `path` cannot be written, or the form has no words for one of the nodes.
    """
    if like not in LIKE:
        raise UsageError(f"like is {like!r}; expected one of {', '.join(LIKE)}")
    form = mxnet(spatial) if like == "mxnet" else modern(opset)
    chunks = list(_model(graph, form, statements or {}))
    with replacing(path) as file:
        for chunk in chunks:
            file.write(chunk)


def _model(graph: Graph, form: Form, statements: Mapping[str, str]) -> Iterator[Chunk]:
    """ModelProto."""
    body = list(_graph(graph, form))
    yield integer(1, form.ir_version)
    if form.producer:
        yield delimited(2, form.producer.encode())
    yield _frame(7, body)
    yield from body
    yield delimited(8, integer(2, form.opset))
    for key, value in statements.items():
        yield delimited(14, delimited(1, key.encode()) + delimited(2, value.encode()))


def _graph(graph: Graph, form: Form) -> Iterator[Chunk]:
    """GraphProto."""
    constants = Constants(graph.constants)
    for node in graph.nodes:
        said = form.say(node, constants)
        constants.update(said.constants)
        yield delimited(1, _node(node, said.inputs, said.attributes))
    yield delimited(2, graph.name.encode())
    for name, array in constants.items():
        tensor = _tensor(name, array, raw=form.raw)
        yield _frame(5, tensor)
        yield from tensor
    inputs = list(graph.inputs)
    if form.weights_are_inputs:
        inputs += [Tensor(name, array.dtype.name, array.shape) for name, array in constants.items()]
    for field, declared in ((11, inputs), (12, graph.outputs)):
        for tensor_info in declared:
            yield delimited(field, _value_info(tensor_info))


def _node(node: Node, inputs: Sequence[str], attributes: dict[str, Attribute]) -> bytes:
    """NodeProto, attributes in the order of their names."""
    fields = [delimited(1, name.encode()) for name in inputs]
    fields += [delimited(2, node.output.encode()), delimited(3, node.name.encode()), delimited(4, node.op.encode())]
    fields += [delimited(5, _attribute(name, value)) for name, value in sorted(attributes.items())]
    return b"".join(fields)


def _attribute(name: str, value: Attribute) -> bytes:
    """AttributeProto: its value and, last, its type."""
    start = delimited(1, name.encode())
    if isinstance(value, str):
        return start + delimited(4, value.encode()) + integer(20, 3)
    if isinstance(value, float):
        return start + b"\x15" + struct.pack("<f", value) + integer(20, 1)
    if isinstance(value, int):
        return start + integer(3, value) + integer(20, 2)
    if any(isinstance(element, float) for element in value):
        return start + b"".join(b"\x3d" + struct.pack("<f", element) for element in value) + integer(20, 6)
    return start + b"".join(integer(8, int(element)) for element in value) + integer(20, 7)


def _tensor(name: str, array: Array, *, raw: bool) -> list[Chunk]:
    """TensorProto, its numbers a view of the array where the machine's byte order allows."""
    dtype = array.dtype.name
    if dtype not in DATA_TYPES:
        raise UsageError(f"constant {name!r} has dtype {dtype}; expected one of {', '.join(DATA_TYPES)}")
    start = b"".join(integer(1, extent) for extent in array.shape) + integer(2, DATA_TYPES[dtype])
    little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    numbers = little_endian.reshape(-1).view(np.uint8).data
    end = delimited(8, name.encode())
    if raw:
        return [start, end, _frame(9, [numbers]), numbers]
    if dtype == "float32":
        return [start, _frame(4, [numbers]), numbers, end]
    if dtype == "int64":
        return [start, delimited(7, b"".join(varint(int(number)) for number in array.flat)), end]
    raise UsageError(f"constant {name!r} has dtype {dtype}; the mxnet form knows float32 and int64")


def _value_info(tensor: Tensor) -> bytes:
    """ValueInfoProto; a free extent gets a name, since some runtimes take a nameless one for unknown rank."""
    extents = (
        delimited(2, (f"{tensor.name}_{axis}" if axis else "N").encode()) if extent is None else integer(1, extent)
        for axis, extent in enumerate(tensor.shape)
    )
    shape = b"".join(delimited(1, extent) for extent in extents)
    return delimited(1, tensor.name.encode()) + delimited(
        2, delimited(1, integer(1, DATA_TYPES[tensor.dtype]) + delimited(2, shape))
    )


def _frame(field: int, chunks: Sequence[Chunk]) -> bytes:
    """The tag and length of a field that consists of these chunks."""
    return varint(field << 3 | 2) + varint(sum(map(len, chunks)))
