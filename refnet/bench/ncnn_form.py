"""Write a network in ncnn's own form, so that `bench` can run it there.

ncnn reads a text of layers (.param) and their numbers in order (.bin). The network is simplified first, by the passes
of the fast engine: normalisations are folded, as ncnn's own optimiser would do it.

Source: ncnn's wiki, "param and model file structure" and "operation param weight table". Covers what face networks are
made of; any other operator is refused.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.fast.simplify import constant_names, evaluate, simplify
from refnet.fast.simplify.scaling import scaling_of
from refnet.graph import Array, Graph, Node

_MAGIC = "7767517"
_PLAIN_FLOATS = np.zeros(1, np.uint32)  # stands before weights that could also be compressed


def write_ncnn(graph: Graph, param: Path, weights: Path) -> None:
    """Write both files for a graph with one image as its input."""
    (image,) = graph.inputs
    shape = tuple(int(extent or 0) for extent in image.shape[1:])
    text = _Text(simplify(graph, {image.name: (2, *shape)}))
    text.layer("Input", image.name, [], image.name, {0: shape[2], 1: shape[1], 2: shape[0]})
    constant = constant_names(text.graph)
    for node in text.graph.nodes:
        if node.output not in constant:
            text.node(node)
    layers = [f"{len(text.lines)} {text.blobs}", *text.lines]
    param.write_text("\n".join([_MAGIC, *layers, ""]), encoding="ascii")
    weights.write_bytes(b"".join(np.ascontiguousarray(array).tobytes() for array in text.arrays))


class _Text:
    """Layers and numbers so far. A tensor that several layers read is split into as many names first."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: list[str] = []
        self.arrays: list[Array] = []
        self.blobs = 0
        readers = Counter(name for node in graph.nodes for name in node.inputs)
        self._copies = {name: [f"{name}_{n}" for n in range(count)] for name, count in readers.items() if count > 1}

    def layer(self, kind: str, name: str, inputs: list[str], output: str, parameters: dict[int, int]) -> None:
        """Append a layer, and the splitting of what it makes."""
        said = " ".join(f"{key}={value}" for key, value in parameters.items())
        read = [self._copies[given].pop() if given in self._copies else given for given in inputs]
        self.lines.append(f"{kind} {name} {len(inputs)} 1 {' '.join([*read, output])} {said}")
        self.blobs += 1
        if copies := self._copies.get(output):
            self.lines.append(f"Split {output}_split 1 {len(copies)} {output} {' '.join(copies)}")
            self.blobs += len(copies)

    def node(self, node: Node) -> None:
        """Append the layer that a node is."""
        x = node.inputs[0]
        if scaling := scaling_of(self.graph, node):
            self.layer("Scale", node.name, [x], node.output, {0: scaling.scale.size, 1: 1})
            self._numbers(scaling.scale, scaling.shift)
        elif node.op == "Conv":
            self._conv(node)
        elif node.op == "Gemm" and node.attributes["trans_b"] and node.attributes["alpha"] == 1:
            weight, bias = self._weights(node)
            self.layer("InnerProduct", node.name, [x], node.output, {0: len(weight), 1: 1, 2: weight.size})
            self._numbers(_PLAIN_FLOATS, weight, bias)
        elif node.op == "PRelu":
            slope = evaluate(self.graph, node.inputs[1]).ravel()
            self.layer("PReLU", node.name, [x], node.output, {0: slope.size})
            self._numbers(slope)
        elif node.op in ("Add", "Relu", "Flatten"):
            kind = {"Add": "BinaryOp", "Relu": "ReLU", "Flatten": "Flatten"}[node.op]
            self.layer(kind, node.name, list(node.inputs), node.output, {})
        else:
            raise UnsupportedModelError(f"node {node.name!r} ({node.op}) is not written for ncnn")

    def _conv(self, node: Node) -> None:
        weight, bias = self._weights(node)
        (down, across), (top, left, bottom, right) = node.attributes["stride"], node.attributes["padding"]  # type: ignore[misc, str-unpack]
        parameters = {0: len(weight), 1: weight.shape[3], 11: weight.shape[2], 3: across, 13: down}
        parameters |= {4: left, 14: top, 15: right, 16: bottom, 5: 1, 6: weight.size}
        kind = "Convolution"
        if node.attributes["groups"] != 1:
            kind, parameters[7] = "ConvolutionDepthWise", node.attributes["groups"]
        self.layer(kind, node.name, [node.inputs[0]], node.output, parameters)
        self._numbers(_PLAIN_FLOATS, weight, bias)

    def _weights(self, node: Node) -> tuple[Array, Array]:
        """Weight and bias; zeros where there is none."""
        weight = evaluate(self.graph, node.inputs[1])
        return weight, evaluate(self.graph, node.inputs[2]) if len(node.inputs) > 2 else np.zeros(len(weight))

    def _numbers(self, *arrays: Array) -> None:
        self.arrays += [array if array.dtype == np.uint32 else array.astype(np.float32) for array in arrays]
