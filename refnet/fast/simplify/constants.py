"""Constants of a graph, and those that follow from them.

Folding multiplies weights by vectors. The product is not stored but written down, as a node of the graph whose inputs
are all constant: so a simplified graph holds the weights of its file and no copy of them, and a weight is made when
it is packed, one at a time, in float64, and rounded once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refnet.graph import Array, Constants, Graph, Node, entries
from refnet.ops.application import apply_node


def constant_names(graph: Graph) -> frozenset[str]:
    """The constants, and the outputs of nodes that read nothing else.

    What follows from shapes is not among them, for it follows from the number of images.
    """
    names = set(graph.constants)
    for node in graph.nodes:
        if node.inputs and names.issuperset(filter(None, node.inputs)):
            names.add(node.output)
    return frozenset(names)


def evaluate(graph: Graph, name: str) -> Array:
    """The value of a constant or of what follows from constants: float64, integers as they are.

    Nothing is kept, and no constant of the graph is handed out to be changed: floats are fresh.
    """
    makers = {node.output: node for node in graph.nodes}
    return _evaluate(makers, graph.constants, name)


def without_unread(graph: Graph) -> Graph:
    """Leave out nodes whose output no one needs, and constants that no one reads."""
    needed = {tensor.name for tensor in graph.outputs}
    nodes = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            nodes.append(node)
    constants = Constants({name: entry for name, entry in entries(graph.constants).items() if name in needed})
    return Graph(graph.name, graph.inputs, graph.outputs, tuple(nodes[::-1]), constants, graph.source)


def _evaluate(makers: Mapping[str, Node], constants: Mapping[str, Array], name: str) -> Array:
    """What `evaluate` tells, of constants and of the nodes by their outputs. Floats belong to the caller."""
    if name in constants:
        value = constants[name]
        return value.astype(np.float64) if value.dtype.kind == "f" else value
    node = makers[name]
    inputs: list[Any] = [_evaluate(makers, constants, given) if given else None for given in node.inputs]
    if node.op == "Mul":
        return _product(*inputs)
    if node.op in ("Conv", "Gemm") and (row := _single_row(node, *inputs)) is not None:
        return row
    return apply_node(node, inputs)


def _product(a: Array, b: Array) -> Array:
    """The product, in the place of a weight where it has its shape: folded weights are the largest arrays there are."""
    in_place = a.dtype == b.dtype == np.float64 and np.broadcast_shapes(a.shape, b.shape) == a.shape
    return np.multiply(a, b, out=a if in_place else None)


def _single_row(node: Node, x: Array, weight: Array, bias: Array | None = None) -> Array | None:
    """What a layer makes of an image in which it has a single place, (1, OC, ...); None for any other image.

    Summed from first to last. A matrix product would leave the order to a library that chooses by machine, and the
    last bit of a folded bias with it.
    """
    if node.op == "Conv":
        if x.shape[2:] != weight.shape[2:] or any(node.attributes["padding"]) or len(x) > 1:  # type: ignore[arg-type]
            return None
        groups: int = node.attributes["groups"]  # type: ignore[assignment]
        rows, vectors, alpha, beta = weight.reshape(len(weight), -1), x.reshape(groups, -1), 1.0, 1.0
        shape: tuple[int, ...] = (1, -1, 1, 1)
    else:
        if len(x) > 1 or node.attributes["trans_a"]:
            return None
        rows, vectors, shape = weight if node.attributes["trans_b"] else weight.T, x, (1, -1)
        alpha, beta = node.attributes["alpha"], node.attributes["beta"]  # type: ignore[assignment]
    outputs = len(rows) // len(vectors)
    sums = [np.add.accumulate(row * vectors[n // outputs])[-1] for n, row in enumerate(rows)]
    y = alpha * np.array(sums).reshape(shape)
    return y if bias is None else y + beta * (bias.reshape(shape) if node.op == "Conv" else bias)
