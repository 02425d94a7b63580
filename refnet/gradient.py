"""Gradients in float64: reverse mode over a graph, by the vector-Jacobian products of `ops/`.

The chain rule, from the outputs back (Griewank & Walther, *Evaluating Derivatives*, chapter 3): every tensor's cotangent
is the sum of what the nodes that read it hand back. Exact but for rounding; nothing is approximated by differences.
Where a function has a kink (PRelu and Relu at 0, Clip at its bounds, ties of MaxPool) each operator states the side it
takes. It recomputes nothing: what the way back reads of the way there is kept.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from refnet.errors import InputError, ShapeError, UnsupportedModelError, UsageError, nearest
from refnet.graph import Array, Graph, Node
from refnet.ops import OPERATORS
from refnet.reference import apply, arguments, checked, exact, needed

Cotangents = Mapping[str, Array]
Pullback = Callable[[Cotangents], dict[str, Array]]


def gradient(
    graph: Graph, feeds: Mapping[str, Array], seed: Cotangents, wrt: Sequence[str]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Differentiate sum(seed * output), over all seeded tensors, by any tensors of the graph.

    Parameters
    ----------
    graph : Graph
    feeds : {graph input: array}
        As in `reference.run`.
    seed : {tensor: array}
        A weight for every element of the tensors to differentiate: graph outputs, or the outputs of nodes.
    wrt : names of graph inputs, of node outputs, or of constants (weights)

    Returns
    -------
    {seeded tensor: its value}, {name in wrt: gradient of its shape}; float64, fresh arrays. The gradient of an image
    does not depend on the images beside it; that of a weight is summed over them.

    Raises
    ------
    UsageError
        If a name is no tensor, or a seeded tensor depends on none of `wrt`, or one of `wrt` touches no seeded tensor.
    ShapeError, InputError
        If a seed has another shape than its tensor, or is not finite.
    UnsupportedModelError
        If a gradient would have to pass an operator, or an input of it, that has none. It names the node.

    Examples
    --------
    >>> from refnet.graph import Graph, Node, Tensor
    >>> x, y = Tensor("x", "float32", (1, 2)), Tensor("y", "float32", (1, 2))
    >>> graph = Graph("tiny", (x,), (y,), (Node("square", "Mul", ("x", "x"), "y"),), {})
    >>> gradient(graph, {"x": np.array([[3.0, 4.0]])}, {"y": np.array([[1.0, 10.0]])}, ["x"])
    ({'y': array([[ 9., 16.]])}, {'x': array([[ 6., 80.]])})
    """
    values, pull = pullback(graph, feeds, list(seed), wrt)
    return values, pull(seed)


def pullback(
    graph: Graph, feeds: Mapping[str, Array], outputs: Sequence[str], wrt: Sequence[str]
) -> tuple[dict[str, Array], Pullback]:
    """Run forwards once, and return the way back, which may be gone any number of times.

    For seeds that depend on the outputs, and for several rows of a Jacobian.

    Parameters
    ----------
    graph, feeds, wrt : as in `gradient`
    outputs : names of what is to be differentiated

    Returns
    -------
    {output: value}, and a function from {output: cotangent} to {name in wrt: gradient}

    Notes
    -----
    The function holds what the nodes between `wrt` and the outputs have read, one image's activations for every image.
    Raises as `gradient` does; what concerns seeds when the function is called.
    """
    path = _path(graph, outputs, wrt)
    held = checked(graph, feeds)
    read = {name for node in path for name in node.inputs}
    kept, values = _forward(graph, held, read, set(outputs))

    def pull(seed: Cotangents) -> dict[str, Array]:
        missing = {name: np.zeros(value.shape) for name, value in values.items() if name not in seed}
        return _backward(graph, path, kept, missing | _seeded(seed, values), wrt)

    return values, pull


def _path(graph: Graph, outputs: Sequence[str], wrt: Sequence[str]) -> list[Node]:
    """The nodes that lie between `wrt` and the outputs, in order; refuses names that have none between them."""
    made = {node.output for node in graph.nodes}
    known = [*(tensor.name for tensor in graph.inputs), *made, *graph.constants]
    for name in (*outputs, *wrt):
        if name not in known:
            raise UsageError(f"the graph has no tensor {name!r}{nearest(name, known)}")
    moved = set(wrt)
    path = []
    for node in needed(graph, set(outputs)):
        if not OPERATORS[node.op].reads_only_shapes and moved & set(node.inputs):
            moved.add(node.output)
            path.append(node)
    for name in outputs:
        if name not in moved:
            raise UsageError(f"{name!r} does not depend on {', '.join(map(repr, wrt)) or 'anything: wrt is empty'}")
    touched = {name for node in path for name in node.inputs}.union(outputs)
    for name in wrt:
        if name not in touched:
            raise UsageError(f"{name!r} has no part in {', '.join(map(repr, outputs))}; there is no gradient by it")
    return path


def _forward(
    graph: Graph, held: dict[str, Array], read: set[str], wanted: set[str]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What the way back reads, and copies of what is wanted; other tensors go as soon as no node needs them."""
    nodes = needed(graph, wanted)
    last = {name: i for i, node in enumerate(nodes) for name in node.inputs}
    values = {name: np.array(held[name]) for name in wanted & held.keys()}
    values.update((name, np.array(exact(graph.constants[name]))) for name in wanted & graph.constants.keys())
    for i, node in enumerate(nodes):
        y = apply(node, held, graph.constants)
        held[node.output] = y
        if node.output in wanted:
            values[node.output] = np.array(y)
        for name in {*node.inputs, node.output}:
            if name not in read and last.get(name, -1) <= i:
                held.pop(name, None)
    return held, values


def _seeded(seed: Cotangents, values: Mapping[str, Array]) -> dict[str, Array]:
    """The seeds as float64, found to fit."""
    cotangents = {}
    for name, given in seed.items():
        if name not in values:
            raise UsageError(f"seed names {name!r}, which was not computed{nearest(name, values)}")
        dy = np.asarray(given)
        if dy.dtype.kind not in "fiu" or dy.shape != values[name].shape:
            raise ShapeError(
                f"the seed of {name!r} has shape {dy.shape} and dtype {dy.dtype}; expected numbers of the tensor's "
                f"shape {values[name].shape}"
            )
        if not np.isfinite(dy).all():
            raise InputError(f"the seed of {name!r} holds NaN or infinite values; expected finite numbers")
        cotangents[name] = dy.astype(np.float64)
    return cotangents


def _backward(
    graph: Graph, path: Sequence[Node], kept: Mapping[str, Array], cotangents: dict[str, Array], wrt: Sequence[str]
) -> dict[str, Array]:
    """Hand every cotangent back through the node that made its tensor."""
    moved = {node.output for node in path}.union(wrt)
    for node in reversed(path):
        dy = cotangents[node.output] if node.output in wrt else cotangents.pop(node.output)
        inputs = arguments(node, kept, graph.constants)
        for i, name in enumerate(node.inputs):
            if name in moved:
                dx = _product(node, i, dy, inputs)
                cotangents[name] = cotangents[name] + dx if name in cotangents else dx
    return {name: np.array(cotangents[name]) for name in wrt}


def _product(node: Node, wrt: int, dy: Array, inputs: Sequence[Array | None]) -> Array:
    """What one node hands back to one of its inputs."""
    vjp, x = OPERATORS[node.op].vjp, inputs[wrt]
    try:
        if vjp is None or x is None or x.dtype.kind != "f":
            raise UnsupportedModelError("no gradient passes through it: what it reads or makes are no real numbers")
        return vjp(wrt, dy, *inputs, **node.attributes)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"node {node.name!r} ({node.op}): {error}") from None
