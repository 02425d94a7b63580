"""Leave out nodes that hand on what they get: Identity and, at inference, Dropout."""

from refnet.fast.simplify.editing import Draft
from refnet.graph import Graph, Node

_COPIES = ("Identity", "Dropout")


def drop_copies(graph: Graph) -> Graph:
    """Let the readers of a copy read the original. A copy that the graph gives out stays, under its name."""
    draft, outputs = Draft(graph), {tensor.name for tensor in graph.outputs}
    original: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(original.get(name, name) for name in node.inputs)
        if node.op in _COPIES and node.output not in outputs:
            original[node.output] = inputs[0]
        else:
            draft.nodes.append(Node(node.name, node.op, inputs, node.output, node.attributes))
    return draft.finished()
