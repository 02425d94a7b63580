"""The part of a graph that follows from tensors given in its midst."""

from collections.abc import Collection

from refnet.errors import UsageError, nearest
from refnet.graph import Graph, Node, Tensor
from refnet.ops.inference import infer

SIDE = 112  # pixels; stands for an extent that the file leaves free, where any would do


def following(graph: Graph, given: Collection[str]) -> Graph:
    """The graph that starts from the tensors given instead of from its inputs.

    Parameters
    ----------
    graph : Graph
    given : names of graph inputs or of nodes' outputs

    Returns
    -------
    Graph
        Its inputs are the tensors given, axis 0 free; its nodes those that need nothing else; its outputs those of the
        graph that are still made. Constants are shared, not read.

    Raises
    ------
    UsageError
        If a name is no such tensor, is one of integers, or follows from the model alone.

    Examples
    --------
    >>> x, z = Tensor("x", "float32", (1, 4)), Tensor("z", "float32", (1, 4))
    >>> nodes = (Node("a", "Relu", ("x",), "y"), Node("b", "Sqrt", ("y",), "z"))
    >>> rest = following(Graph("tiny", (x,), (z,), nodes, {}), ["y"])
    >>> rest.inputs, [node.name for node in rest.nodes]
    ((Tensor(name='y', dtype='float32', shape=(None, 4)),), ['b'])
    """
    declared = {tensor.name: tensor for tensor in graph.inputs}
    names = [*declared, *(node.output for node in graph.nodes)]
    for name in given:
        if name in graph.constants:
            raise UsageError(f"cannot start from {name!r}: it is a weight; expected a tensor that images change")
        if name not in names:
            raise UsageError(f"cannot start from {name!r}: there is no such tensor{nearest(name, names)}")
    shapes = {name: tuple(extent or SIDE for extent in tensor.shape) for name, tensor in declared.items()}
    known = infer(graph, {name: (declared[name].shape[0] or 1, *shape[1:]) for name, shape in shapes.items()})
    inputs = []
    for name in given:
        if known[name].value is not None:
            raise UsageError(f"cannot start from {name!r}: it follows from the model and the shapes alone")
        inputs.append(declared.get(name) or Tensor(name, "float32", (None, *known[name].shape[1:])))
    there = {*given, *graph.constants, ""}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.output not in there and there.issuperset(node.inputs):
            there.add(node.output)
            nodes.append(node)
    outputs = tuple(tensor for tensor in graph.outputs if tensor.name in there)
    return Graph(graph.name, tuple(inputs), outputs, tuple(nodes), graph.constants, graph.source)


def lacking(graph: Graph, given: Collection[str], name: str) -> list[str]:
    """The graph inputs that a tensor needs beside those given."""
    needed = {name}
    for node in reversed(graph.nodes):
        if node.output in needed - set(given):
            needed.update(node.inputs)
    return [tensor.name for tensor in graph.inputs if tensor.name in needed - set(given)]
