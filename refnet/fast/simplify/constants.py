"""Constants of a graph, and those that follow from them.

Folding multiplies weights by vectors. The product is not stored but written down, as a node of the graph whose inputs
are all constant: so a simplified graph holds the weights of its file and no copy of them, and a weight is made when
it is packed, one at a time, in float64, and rounded once.
"""

from collections.abc import Mapping

import numpy as np

from refnet.graph import Array, Graph, Node
from refnet.ops import OPERATORS


def constant_names(graph: Graph) -> frozenset[str]:
    """The constants, and the outputs of nodes that read nothing else."""
    names = set(graph.constants)
    for node in graph.nodes:
        if _is_constant(node, names):
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
    constants = {name: value for name, value in graph.constants.items() if name in needed}
    return Graph(graph.name, graph.inputs, graph.outputs, tuple(nodes[::-1]), constants, graph.source)


def _evaluate(makers: Mapping[str, Node], constants: Mapping[str, Array], name: str) -> Array:
    """What `evaluate` tells, of constants and of the nodes by their outputs."""
    if name in constants:
        value = constants[name]
        return value.astype(np.float64) if value.dtype.kind == "f" else value
    node = makers[name]
    inputs = [_evaluate(makers, constants, given) if given else None for given in node.inputs]
    return OPERATORS[node.op].compute(*inputs, **node.attributes)


def _is_constant(node: Node, names: set[str]) -> bool:
    """Whether all that a node reads is constant; a Shape is not, for its result follows the batch."""
    return bool(node.inputs) and all(name in names for name in node.inputs if name)
