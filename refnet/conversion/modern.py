"""A graph as a current exporter would have written it: nothing that does nothing, and any number of images."""

from dataclasses import replace

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Array, Constants, Graph, Node, Stored, Tensor, entries
from refnet.ops.inference import infer

_COPIES = ("Identity", "Dropout")


def modernised(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """Drop copies, resolve what is made of constants alone, give slopes their axes, and free the batch.

    Returns
    -------
    The graph, and sentences about what was done. Tensors keep their names; a dropped copy's readers read what it
    copied, unless it was an output of the graph, whose name is the one that stays.
    """
    notes = []
    graph, dropped = _without_copies(graph)
    if dropped:
        notes.append(f"{dropped} nodes that do nothing at inference (Identity, Dropout) were left out")
    graph, resolved = _resolved(graph)
    if resolved:
        notes.append(f"{resolved} nodes that only reshape a constant became that constant; slopes are (C, 1, 1)")
    free = _freed(graph)
    if graph.inputs[0].shape[0] is not None:
        notes.append(
            "the batch is free" if free is not graph else "the batch stays as it is: the graph mixes it with other axes"
        )
    return free, tuple(notes)


def _without_copies(graph: Graph) -> tuple[Graph, int]:
    """The graph without Identity and Dropout, and how many there were."""
    given = {tensor.name for tensor in graph.outputs}
    taken = {tensor.name for tensor in graph.inputs} | set(graph.constants)
    names: dict[str, str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        source = names.get(node.inputs[0], node.inputs[0]) if node.inputs else ""
        if node.op not in _COPIES:
            kept.append(node)
        elif node.output not in given:
            names[node.output] = source
        elif source in taken or source in given:
            kept.append(node)  # an input or an output that is given out under a second name
        else:
            names[source] = node.output
    called = {name: names.get(other, other) for name, other in names.items()}
    nodes = tuple(
        replace(node, inputs=tuple(called.get(name, name) for name in node.inputs), output=called.get(node.output, node.output))
        for node in kept
    )  # fmt: skip
    return replace(graph, nodes=nodes), len(graph.nodes) - len(kept)


def _resolved(graph: Graph) -> tuple[Graph, int]:
    """The graph with constants in place of nodes that reshape constants, and how many of these there were."""
    constants = entries(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes:
        if node.op == "Reshape" and all(name in constants for name in node.inputs):
            constants[node.output] = _value(constants[node.inputs[0]]).reshape(
                *(int(extent) for extent in _value(constants[node.inputs[1]]))
            )
        else:
            kept.append(node)
    changed = {
        node.inputs[1]: _slope(_value(constants[node.inputs[1]]))
        for node in kept
        if node.op == "PRelu" and node.inputs[1] in constants
    }
    read = {name for node in kept for name in node.inputs} | {tensor.name for tensor in graph.outputs}
    constants = {name: entry for name, entry in (constants | changed).items() if name in read}
    return replace(graph, nodes=tuple(kept), constants=Constants(constants)), len(graph.nodes) - len(kept)


def _slope(slope: Array) -> Array:
    """(1, C, 1, 1) as (C, 1, 1); any other as it is."""
    one_a_channel = slope.ndim == 4 and slope.shape == (1, slope.shape[1], 1, 1)
    return slope[0] if one_a_channel else slope


def _freed(graph: Graph) -> Graph:
    """The graph for any number of images; the graph itself if a shape in it depends on their number."""
    (tensor,) = graph.inputs
    if not tensor.shape or tensor.shape[0] is None or None in tensor.shape[1:]:
        return graph
    other = tensor.shape[0] + 6
    try:
        known = infer(graph, {tensor.name: (other, *(int(extent or 0) for extent in tensor.shape[1:]))})
    except ModelError:
        return graph
    if any(known[output.name].shape[:1] != (other,) for output in graph.outputs):
        return graph
    return replace(
        graph,
        inputs=(_free(tensor),),
        outputs=tuple(_free(output) for output in graph.outputs),
    )


def _free(tensor: Tensor) -> Tensor:
    """The tensor with a free first axis."""
    return replace(tensor, shape=(None, *tensor.shape[1:]))


def _value(entry: Array | Stored) -> Array:
    """A constant's value."""
    return entry if isinstance(entry, np.ndarray) else entry.read()
