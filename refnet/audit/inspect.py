"""What a model is: its layers, what they cost, what it wants as input.

Two ways of counting stand side by side. The plain one counts the file as it is. The published one is Open Model Zoo's:
figures of the converted model, in which every BatchNormalization behind a convolution or a fully connected layer has
become that layer's bias and every other one a multiplication and an addition. (Rules: openvinotoolkit/model_analyzer,
`layer_provider.py`; for `face-recognition-resnet100-arcface-onnx` they give 24.2115 GFLOPs and 65.1320 MParams.)
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refnet.audit.conformance import Conformance, conformance
from refnet.files import sha256
from refnet.graph import Array, Graph, Node, Shape, Stored, entries
from refnet.network import Network
from refnet.ops import OPERATORS
from refnet.ops.inference import infer
from refnet.ops.operator import Known

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Layer:
    """One node: what it makes, what it costs for one image, how many numbers it owns."""

    name: str
    op: str
    output_shape: Shape
    flops: int
    macs: int
    parameters: int


@dataclass(frozen=True)
class Inspection:
    """Everything `refnet inspect` says."""

    path: str
    size_bytes: int
    sha256: str
    synthetic: str | None
    format: str
    ir_version: int
    opset: int
    producer: str
    notes: tuple[str, ...]
    input: str
    input_declared: tuple[int | None, ...]
    input_contract: str
    outputs: tuple[str, ...]
    conformance: Conformance
    operators: dict[str, int]
    layers: tuple[Layer, ...]
    macs: int
    flops: int
    stored_floats: int
    published_flops: int
    published_parameters: int

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def inspect_network(network: Network) -> Inspection:
    """Inspect a loaded model, for one image of its declared size."""
    graph = network.graph
    tensor = graph.inputs[0]
    shape = tuple(
        extent if extent is not None else (1 if axis == 0 else 112) for axis, extent in enumerate(tensor.shape)
    )
    known = infer(graph, {tensor.name: shape})
    stored = entries(graph.constants)
    layers = tuple(_layer(node, known, stored) for node in graph.nodes)
    published_flops, published_parameters = published_counts(graph, known)
    path = graph.source.path
    return Inspection(
        path=str(path) if path else "",
        size_bytes=sum(file.stat().st_size for file in (path, *graph.source.beside)) if path else 0,
        sha256=sha256(path, *graph.source.beside) if path else "",
        synthetic=network.synthetic,
        format=graph.source.format,
        ir_version=graph.source.ir_version,
        opset=graph.source.opset,
        producer=graph.source.producer,
        notes=graph.source.notes,
        input=tensor.name,
        input_declared=tensor.shape,
        input_contract=network.contract.sentence(),
        outputs=tuple(output.name for output in graph.outputs),
        conformance=conformance(graph),
        operators=dict(Counter(node.op for node in graph.nodes).most_common()),
        layers=layers,
        macs=sum(layer.macs for layer in layers),
        flops=sum(layer.flops for layer in layers),
        stored_floats=sum(entry.size for entry in stored.values() if entry.dtype.kind == "f"),
        published_flops=published_flops,
        published_parameters=published_parameters,
    )


def published_counts(graph: Graph, known: dict[str, Known]) -> tuple[int, int]:
    """FLOPs and parameters of the model as its converted form counts them.

    Per element of the output: convolution and fully connected 2 K and 1 for the bias, BatchNormalization elsewhere 2,
    PReLU 2, other arithmetic 1; operators that move data 0. Parameters: weights, biases, slopes, two vectors for a
    BatchNormalization that stays, scalars.
    """
    writer = {node.output: node for node in graph.nodes}
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    static = _static(graph)
    flops = parameters = 0
    for node in graph.nodes:
        elements = int(np.prod(known[node.output].shape))
        if node.op in ("Conv", "Gemm"):
            weight = known[node.inputs[1]].shape
            flops += 2 * _macs(node, known)
            parameters += int(np.prod(weight))
            if len(node.inputs) == 3:
                flops += elements
                parameters += int(np.prod(known[node.inputs[2]].shape))
        elif node.op == "BatchNormalization":
            channels = known[node.inputs[1]].shape[0]
            before = writer.get(node.inputs[0])
            folded = before is not None and before.op in ("Conv", "Gemm") and readers[before.output] == 1
            if folded and before is not None and len(before.inputs) == 2:
                flops += elements
                parameters += channels
            elif not folded:
                flops += 2 * elements
                parameters += 2 * channels
        elif node.op in ("PRelu", "Add", "Sub", "Mul", "Div"):
            flops += elements * (2 if node.op == "PRelu" else 1)
            parameters += sum(int(np.prod(known[name].shape)) for name in node.inputs if name in static)
    return flops, parameters


def _static(graph: Graph) -> set[str]:
    """Constants, and what is made of nothing but constants, such as a reshaped slope."""
    static = set(graph.constants)
    for node in graph.nodes:
        if static.issuperset(name for name in node.inputs if name):
            static.add(node.output)
    return static


def _layer(node: Node, known: dict[str, Known], stored: dict[str, Array | Stored]) -> Layer:
    """One row of the table."""
    inputs = [known[name] if name else None for name in node.inputs]
    output = known[node.output].shape
    flops = OPERATORS[node.op].flops(output, *inputs, **node.attributes)
    own = [stored[name].size for name in node.inputs if name in stored and stored[name].dtype.kind == "f"]
    return Layer(node.name, node.op, output, flops, _macs(node, known), sum(own))


def _macs(node: Node, known: dict[str, Known]) -> int:
    """Multiply-accumulates of a convolution or fully connected layer; 0 for others."""
    if node.op not in ("Conv", "Gemm", "MatMul"):
        return 0
    elements = int(np.prod(known[node.output].shape))
    if node.op == "Conv":
        return elements * int(np.prod(known[node.inputs[1]].shape[1:]))
    return elements * known[node.inputs[0]].shape[-1]
