"""Say one thing one way: a product with a constant matrix is a Gemm, a Reshape that flattens is a Flatten."""

from refnet.fast.simplify.constants import constant_names
from refnet.fast.simplify.editing import Draft
from refnet.fast.simplify.folding import KnownTensors, is_flatten
from refnet.graph import Graph, Node
from refnet.ops.dtypes import FLOAT

_GEMM = {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 0}


def name_layers(graph: Graph, known: KnownTensors) -> Graph:
    """Write MatMul of an image's row with constants as Gemm, and what flattens as Flatten."""
    draft, constant = Draft(graph), constant_names(graph)
    for node in graph.nodes:
        if node.op == "MatMul" and _is_layer(node, known, constant):
            node = Node(node.name, "Gemm", node.inputs, node.output, _GEMM)
        elif node.op == "Reshape" and node.inputs[0] not in constant and is_flatten(node, known):
            node = Node(node.name, "Flatten", node.inputs[:1], node.output, {"axis": 1})
        draft.nodes.append(node)
    return draft.finished()


def _is_layer(node: Node, known: KnownTensors, constant: frozenset[str]) -> bool:
    """Whether a MatMul multiplies rows by one constant matrix."""
    x, weight = node.inputs
    matrices = len(known[x].shape) == len(known[weight].shape) == 2
    return x not in constant and weight in constant and matrices and known[x].dtype == FLOAT
