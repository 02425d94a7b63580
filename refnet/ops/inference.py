"""What follows from a graph before any image is seen: every tensor's shape, and every small value.

Also the place where a graph is held against the operators: how many inputs a node has, which attributes, and
whether its weights fit. Runs nothing but shape arithmetic.
"""

import math
from collections.abc import Mapping

import numpy as np

from refnet.errors import InputError, ModelError, UnsupportedModelError, UsageError
from refnet.graph import Array, Attribute, Graph, Node, Shape, Stored, Tensor, entries
from refnet.ops import OPERATORS
from refnet.ops.dtypes import dtype_name
from refnet.ops.operator import ANY_NUMBER, REQUIRED, Known, Operator

SMALL = 4096  # elements; shape arithmetic handles a few, weights have more


def infer(graph: Graph, shapes: Mapping[str, Shape]) -> dict[str, Known]:
    """Tell the shape of every tensor in the graph, and its value where that needs no image.

    Parameters
    ----------
    graph : Graph
    shapes : {graph input: shape}

    Returns
    -------
    {tensor: Known}, graph inputs and constants included. Dtypes are those that the graph declares. A value is there for every constant in memory, and for what
    nodes make of constants and shapes alone as long as it has at most 4096 elements; integers keep their dtype.

    Raises
    ------
    UnsupportedModelError
        "node 'x' (Op): ..." for an operator, attribute, or attribute value that refnet does not implement.
    ModelError
        "node 'x' (Op): ..." for weights and shapes that do not fit each other, for a tensor that no one makes,
        or that two nodes make.
    UsageError
        If `shapes` does not name exactly the inputs of the graph.

    Examples
    --------
    >>> from refnet.graph import Graph, Node, Tensor
    >>> node = Node("flat", "Flatten", ("x",), "y", {"axis": 1})
    >>> graph = Graph("tiny", (Tensor("x", "float32", (1, 3, 2, 2)),), (Tensor("y", "float32", (1, 12)),), (node,), {})
    >>> infer(graph, {"x": (5, 3, 2, 2)})["y"]
    Known(shape=(5, 12), value=None, dtype='float')
    """
    declared = [tensor.name for tensor in graph.inputs]
    if set(shapes) != set(declared):
        raise UsageError(f"shapes are given for {sorted(shapes)}; expected one for each graph input, {declared}")
    known = {name: known_constant(entry) for name, entry in entries(graph.constants).items()}
    known.update((tensor.name, known_input(tensor, shapes[tensor.name])) for tensor in graph.inputs)
    for node in graph.nodes:
        known[node.output] = infer_node(node, known)
    for tensor in graph.outputs:
        if tensor.name not in known:
            raise ModelError(f"graph output {tensor.name!r} is made by no node; expected one of the tensors")
    return known


def known_constant(entry: Array | Stored) -> Known:
    """What is known of a constant; one that is stored is not read for it."""
    return Known(entry.shape, entry if isinstance(entry, np.ndarray) else None, dtype_name(entry.dtype))


def known_input(tensor: Tensor, shape: Shape) -> Known:
    """What is known of a graph input that is given in this shape."""
    return Known(tuple(shape), dtype=dtype_name(tensor.dtype))


def infer_node(node: Node, known: Mapping[str, Known]) -> Known:
    """Tell the same of one node's output, from what is known of its inputs; raises as `infer` does."""
    try:
        return _result(node, known)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"node {node.name!r} ({node.op}): {error}") from error
    except (ModelError, InputError) as error:
        raise ModelError(f"node {node.name!r} ({node.op}): {error}") from error


def flops(node: Node, known: Mapping[str, Known]) -> int:
    """Count what one node costs, in multiplications and additions, given what `infer` found."""
    inputs = [known[name] if name else None for name in node.inputs]
    return OPERATORS[node.op].flops(known[node.output].shape, *inputs, **node.attributes)


def _result(node: Node, known: Mapping[str, Known]) -> Known:
    """What is known of the node's output; its errors do not name the node yet."""
    operator = OPERATORS.get(node.op)
    if operator is None:
        raise UnsupportedModelError(f"refnet has no such operator; it implements {', '.join(sorted(OPERATORS))}")
    _check_attributes(operator, node.attributes)
    _check_names(operator, node, known)
    inputs = [known[name] if name else None for name in node.inputs]
    dtype = operator.output_dtype(*(tensor and tensor.dtype for tensor in inputs), **node.attributes)
    shape = operator.output_shape(*inputs, **node.attributes)
    return Known(shape, _value(operator, shape, inputs, node.attributes), dtype)


def _value(
    operator: Operator, shape: Shape, inputs: list[Known | None], attributes: Mapping[str, Attribute]
) -> Array | None:
    """The output itself, where it is small and needs no image."""
    present = [tensor for tensor in inputs if tensor is not None]
    if operator.reads_only_shapes:
        return operator.compute(*(np.broadcast_to(0.0, tensor.shape) for tensor in present), **attributes)
    if math.prod(shape) > SMALL or any(t.value is None or math.prod(t.shape) > SMALL for t in present):
        return None
    with np.errstate(all="ignore"):
        return np.asarray(operator.compute(*(tensor and tensor.value for tensor in inputs), **attributes))


def _check_attributes(operator: Operator, attributes: Mapping[str, Attribute]) -> None:
    """Refuse attributes the operator does not know, lacks, or cannot read."""
    for name, said in attributes.items():
        if name not in operator.attributes:
            understood = ", ".join(operator.attributes) or "none"
            raise UnsupportedModelError(f"attribute {name} = {said!r}; refnet understands {understood}")
        default = operator.attributes[name]
        if default is not REQUIRED and not _alike(said, default):
            raise UnsupportedModelError(f"attribute {name} = {said!r}; expected a value such as {default!r}")
    for name, default in operator.attributes.items():
        if default is REQUIRED and name not in attributes:
            raise UnsupportedModelError(f"attribute {name} is missing and has no default")


def _alike(said: Attribute, default: Attribute) -> bool:
    """Whether an attribute has the type of its default, and as many numbers where the default has some."""
    if isinstance(default, float):
        return isinstance(said, float | int)
    if isinstance(said, tuple) and isinstance(default, tuple):
        return all(isinstance(number, int) for number in said) and (not default or len(said) == len(default))
    return type(said) is type(default)


def _check_names(operator: Operator, node: Node, known: Mapping[str, Known]) -> None:
    """Refuse too few or too many inputs, unknown ones, and an output that exists already."""
    least, most = operator.arity
    required = node.inputs if most == ANY_NUMBER else node.inputs[:least]
    if not least <= len(node.inputs) <= most or not all(required):
        expected = f"{least} or more" if most == ANY_NUMBER else f"{least}" if least == most else f"{least} to {most}"
        raise ModelError(f"inputs are {node.inputs}; expected {expected}, the first {least} of them present")
    for name in node.inputs:
        if name and name not in known:
            raise ModelError(f"input {name!r} is no graph input, no constant, and no output of an earlier node")
    if node.output in known:
        raise ModelError(f"output {node.output!r} exists already; expected every tensor to be made once")
