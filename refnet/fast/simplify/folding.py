"""Let convolutions and fully connected layers do the scaling around them.

After a layer:   scale (W x + b) + shift  =  (scale W) x + (scale b + shift), always.
Before a layer:  W (scale x + shift) + b  =  (W scale) x + (W shift + b), where the layer adds no zeros of its own
around the image: a zero that is put there after the shift is not the shift of a zero.

New weights are nodes that follow from constants (see `constants`), so folding computes nothing large.
"""

import math
from collections.abc import Mapping

import numpy as np

from refnet.fast.simplify.constants import constant_names, evaluate
from refnet.fast.simplify.editing import Draft, sole_readers
from refnet.fast.simplify.scaling import Scaling, scaling_node, scaling_of
from refnet.graph import Array, Graph, Node, Shape
from refnet.ops.operator import Known

KnownTensors = Mapping[str, Known]


def fold_after_layers(graph: Graph, known: KnownTensors) -> Graph:
    """Fold a scaling into the layer before it, if it is all that reads the layer; the tensor between is gone."""
    is_layer, reader = _layers(graph, known), sole_readers(graph)
    draft, folded = Draft(graph), set()
    for node in graph.nodes:
        after = reader.get(node.output)
        scaling = scaling_of(graph, after) if after is not None and node.output in is_layer else None
        if after is not None and scaling is not None:
            folded.add(after.output)
            draft.nodes.append(_scaled_output(draft, node, scaling, after.output))
        elif node.output not in folded:
            draft.nodes.append(node)
    return draft.finished()


def fold_before_layers(graph: Graph, known: KnownTensors) -> Graph:
    """Fold a scaling into the layer after it, if that is all that reads the scaling and adds no zeros around it."""
    is_layer, reader = _layers(graph, known), sole_readers(graph)
    draft = Draft(graph)
    folded: dict[str, tuple[str, Scaling]] = {}
    for node in graph.nodes:
        scaling, layer = scaling_of(graph, node), reader.get(node.output)
        if scaling is not None and layer is not None and layer.output in is_layer and _can_do(layer, scaling):
            folded[node.output] = node.inputs[0], scaling
            continue
        if node.output in is_layer and node.inputs[0] in folded:
            x, scaling = folded[node.inputs[0]]
            node = _scaled_input(draft, node, x, scaling, known)
        draft.nodes.append(node)
    return draft.finished()


def scale_after_flattening(graph: Graph, known: KnownTensors) -> Graph:
    """Flatten first and scale then, where a layer that can do the scaling follows."""
    is_layer, reader = _layers(graph, known), sole_readers(graph)
    draft = Draft(graph)
    moved: dict[str, tuple[str, Scaling]] = {}
    for node in graph.nodes:
        scaling, flatten = scaling_of(graph, node), reader.get(node.output)
        if scaling is not None and flatten is not None and is_flatten(flatten, known):
            layer = reader.get(flatten.output)
            if layer is not None and layer.output in is_layer:
                moved[node.output] = node.inputs[0], scaling
                continue
        if node.inputs and node.inputs[0] in moved:
            x, scaling = moved[node.inputs[0]]
            pixels = known[node.output].shape[1] // scaling.scale.size
            flat = draft.compute(f"{node.output}:unscaled", "Flatten", [x], axis=1)
            repeated = Scaling(np.repeat(scaling.scale, pixels), np.repeat(scaling.shift, pixels))
            node = scaling_node(draft, node.name, flat, node.output, repeated)
        draft.nodes.append(node)
    return draft.finished()


def is_flatten(node: Node, known: KnownTensors) -> bool:
    """Whether a node lays each image out as one row: Flatten, or a Reshape that comes to the same.

    `known` is of several images where any number may come, so that a shape that happens to fit one does not pass.
    """
    if node.op not in ("Flatten", "Reshape") or node.inputs[0] not in known:
        return False
    x, y = known[node.inputs[0]].shape, known[node.output].shape
    return len(x) == 4 and y == (x[0], int(np.prod(x[1:])))


def _layers(graph: Graph, known: KnownTensors) -> set[str]:
    """The outputs of convolutions and fully connected layers of constant weights and one bias, or none, an output."""
    constant = constant_names(graph)
    return {
        node.output
        for node in graph.nodes
        if node.op in ("Conv", "Gemm")
        and node.inputs[0] not in constant
        and constant.issuperset(filter(None, node.inputs[1:]))
        and not node.attributes.get("trans_a")
        and (not _bias(node) or math.prod(known[_bias(node)].shape[:-1]) == 1)
    }


def _scaled_output(draft: Draft, node: Node, scaling: Scaling, output: str) -> Node:
    """The layer that also does the scaling after it, and gives its result the name of that."""
    weight, bias, shift = node.inputs[1], _bias(node), scaling.shift
    if (scaling.scale != 1).any():
        factor = draft.constant(f"{output}:scale", _along_outputs(node, scaling.scale))
        weight = draft.compute(f"{output}:weight", "Mul", [weight, factor])
    if bias:
        beta = node.attributes["beta"] if node.op == "Gemm" else 1.0
        shift = beta * evaluate(draft.graph, bias).reshape(-1) * scaling.scale + shift
    return _layer(node, node.inputs[0], weight, draft.constant(f"{output}:bias", shift), output)


def _scaled_input(draft: Draft, node: Node, x: str, scaling: Scaling, known: KnownTensors) -> Node:
    """The layer that also does the scaling before it. Its new bias is what it makes of the shift."""
    weight, bias = node.inputs[1], _bias(node)
    extents = known[weight].shape
    if scaling.shift.any():
        shifts = draft.constant(f"{node.output}:shifts", _image_of(node, scaling.shift, extents))
        attributes = dict(node.attributes)
        if node.op == "Conv":
            attributes |= {"stride": (1, 1), "dilation": (1, 1)}
        row = draft.name(f"{node.output}:shifted")
        draft.nodes.append(Node(row, node.op, (shifts, *node.inputs[1:]), row, attributes))
        vector = draft.constant(f"{node.output}:vector", np.array([-1]))
        bias = draft.compute(f"{node.output}:bias", "Reshape", [row, vector], allow_zero=0)
    if (scaling.scale != 1).any():
        factor = draft.constant(f"{node.output}:factor", _along_inputs(node, scaling.scale, extents))
        weight = draft.compute(f"{node.output}:weight", "Mul", [weight, factor])
    if bias == _bias(node):
        return Node(node.name, node.op, (x, weight, *node.inputs[2:]), node.output, node.attributes)
    return _layer(node, x, weight, bias, node.output)


def _layer(node: Node, x: str, weight: str, bias: str, output: str) -> Node:
    """The layer with other inputs; the bias counts in full."""
    attributes = {**node.attributes, "beta": 1.0} if node.op == "Gemm" else node.attributes
    return Node(node.name, node.op, (x, weight, bias), output, attributes)


def _bias(node: Node) -> str:
    """The name of a layer's bias, empty if it has none."""
    return node.inputs[2] if len(node.inputs) > 2 else ""


def _can_do(node: Node, scaling: Scaling) -> bool:
    """Whether a layer can do the scaling before it: it has no shift, or the layer puts no zeros around its input."""
    padding = node.attributes["padding"] if node.op == "Conv" else ()
    return not scaling.shift.any() or not any(padding)  # type: ignore[arg-type]


def _image_of(node: Node, vector: Array, weight_shape: Shape) -> Array:
    """One number a channel as an image in which the layer has a single place."""
    if node.op == "Gemm":
        return vector[np.newaxis]
    kh, kw = weight_shape[2:]
    return np.array(np.broadcast_to(vector[np.newaxis, :, np.newaxis, np.newaxis], (1, vector.size, kh, kw)))


def _along_outputs(node: Node, vector: Array) -> Array:
    """One number an output channel, shaped to multiply a weight."""
    if node.op == "Conv":
        return vector.reshape(-1, 1, 1, 1)  # (OC, IC / groups, KH, KW)
    return vector[:, np.newaxis] if node.attributes["trans_b"] else vector  # (OC, K) or (K, OC)


def _along_inputs(node: Node, vector: Array, weight_shape: Shape) -> Array:
    """One number an input channel, shaped to multiply a weight."""
    if node.op == "Gemm":
        return vector if node.attributes["trans_b"] else vector[:, np.newaxis]
    groups: int = node.attributes["groups"]  # type: ignore[assignment]
    each = np.repeat(vector.reshape(groups, -1), 1 if groups == 1 else weight_shape[0] // groups, axis=0)
    return each[:, :, np.newaxis, np.newaxis]
