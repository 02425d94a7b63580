"""Whether a graph keeps the images of a batch apart.

Followed node by node from the inputs, whose axis 0 is the batch. Shapes are inferred for two batch sizes, primes that
no extent of a network meets by accident: what is the same for both does not depend on the number of images, and what
should grow with it must grow with it in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Graph, Shape
from refnet.ops import OPERATORS
from refnet.ops.batch_axis import IMAGES, Tracked
from refnet.ops.inference import infer
from refnet.ops.operator import Known

_SIZES = (IMAGES, 7907)  # primes


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
        one, other = (
            infer(graph, {name: (size, *shape) if name in ranked else () for name, shape in shapes.items()})
            for size in _SIZES
        )
    except ModelError:
        return BatchAxes({}, apart=False)
    tracked: dict[str, Tracked | None] = {name: Tracked(one[name]) for name in (*graph.constants, *shapes)}
    tracked |= {name: Tracked(one[name], axis=0) for name in ranked}
    for node in graph.nodes:
        tracked[node.output] = _of_node(
            node.op, node.inputs, node.attributes, tracked, one[node.output], other[node.output]
        )
    axes = {name: found.axis for name, found in tracked.items() if found is not None and not found.counted}
    return BatchAxes(axes, all(axes.get(tensor.name, -1) in (0, None) for tensor in graph.outputs))


def _of_node(
    op: str,
    names: tuple[str, ...],
    attributes: Mapping[str, object],
    tracked: Mapping[str, Tracked | None],
    one: Known,
    other: Known,
) -> Tracked | None:
    """What is known of a node's output; None where it mixes images."""
    operator, inputs = OPERATORS[op], [tracked[name] if name else None for name in names]
    if one.value is not None and other.value is not None:  # follows from shapes alone
        return Tracked(one, counted=not np.array_equal(one.value, other.value))
    if operator.reads_only_shapes or any(name and tracked[name] is None for name in names):
        return None
    if all(given is None or given.fixed for given in inputs):
        return Tracked(one)
    axis = None if operator.batch_axis is None else operator.batch_axis(one, *inputs, **attributes)
    grown = axis is not None and all(
        known.shape == (*one.shape[:axis], size, *one.shape[axis + 1 :])
        for known, size in zip((one, other), _SIZES, strict=True)
    )
    return Tracked(one, axis=axis) if grown else None
