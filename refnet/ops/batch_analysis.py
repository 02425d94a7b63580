"""Whether a graph keeps the images of a batch apart.

Followed node by node from the inputs, whose axis 0 is the batch. Shapes are inferred for three batch sizes: two primes that
no extent of a network meets by accident, and one image. What is the same for all does not depend on the number of images
(bounds such as the smaller of that number and another change it at one end or the other), and what should grow with it must
grow with it in all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Graph, Node, Shape
from refnet.ops import OPERATORS
from refnet.ops.batch_axis import IMAGES, Tracked
from refnet.ops.inference import infer
from refnet.ops.operator import Known

_SIZES = (IMAGES, 7907, 1)


@dataclass(frozen=True)
class BatchAxes:
    """What is known of the images in each tensor.

    Attributes
    ----------
    axes : {tensor: axis}
        Slice i along the axis is made from image i alone; None where the tensor is the same whatever the images are and
        however many. A tensor that is not there mixes images, or depends on their number.
    apart : bool
        Whether every output of the graph has one row an image, or none at all: then any number of images may be
        computed, in any portions.
    """

    axes: Mapping[str, int | None]
    apart: bool


def batch_axes(graph: Graph, shapes: Mapping[str, Shape]) -> BatchAxes:
    """Follow the images through a graph.

    Parameters
    ----------
    graph : Graph
    shapes : {graph input: shape of one image, without N}
        Not looked at for an input of no axes, which is the same for all images.

    Returns
    -------
    BatchAxes
        With nothing in it where the graph cannot be computed for any number of images, or where inputs declare
        different ones.
    """
    declared = {tensor.shape[0] for tensor in graph.inputs if tensor.shape}
    if len(declared - {None}) > 1:
        return BatchAxes({}, apart=False)
    ranked = {tensor.name for tensor in graph.inputs if tensor.shape}
    try:
        known = [
            infer(graph, {name: (size, *shape) if name in ranked else () for name, shape in shapes.items()})
            for size in _SIZES
        ]
    except ModelError:
        return BatchAxes({}, apart=False)
    tracked: dict[str, Tracked | None] = {name: Tracked(known[0][name]) for name in (*graph.constants, *shapes)}
    tracked |= {name: Tracked(known[0][name], axis=0) for name in ranked}
    for node in graph.nodes:
        tracked[node.output] = _of_node(node, tracked, [of_size[node.output] for of_size in known])
    axes = {name: found.axis for name, found in tracked.items() if found is not None and not found.counted}
    return BatchAxes(axes, all(axes.get(tensor.name, -1) in (0, None) for tensor in graph.outputs))


def _of_node(node: Node, tracked: Mapping[str, Tracked | None], known: list[Known]) -> Tracked | None:
    """What is known of a node's output, of which `known` says what follows from each size; None where it mixes images."""
    operator, inputs = OPERATORS[node.op], [tracked[name] if name else None for name in node.inputs]
    values, first = [found.value for found in known if found.value is not None], known[0]
    if len(values) == len(known):  # follows from shapes alone
        return Tracked(first, counted=not all(np.array_equal(value, values[0]) for value in values))
    if operator.reads_only_shapes or any(name and tracked[name] is None for name in node.inputs):
        return None
    if all(given is None or given.fixed for given in inputs):
        return Tracked(first)
    axis = None if operator.batch_axis is None else operator.batch_axis(first, *inputs, **node.attributes)
    grown = axis is not None and all(
        found.shape == (*first.shape[:axis], size, *first.shape[axis + 1 :])
        for found, size in zip(known, _SIZES, strict=True)
    )
    return Tracked(first, axis=axis) if grown else None
