"""Bring every way of scaling and shifting channels by constants to one: y = scale * x + shift.

In the graph that is a BatchNormalization with nothing left to normalise: mean 0, variance 1, epsilon 0, its gamma the
scale and its beta the shift, float64. What comes to it: batch normalisations, and sums, differences, products and
quotients with a constant of one number, or one a channel, such as (data - 127.5) * 0.0078125 or the bias of an
OpenVINO convolution. Two in a row become one.

A scaling moves into weights and kernels only where float32 holds it as well as it holds any number: every scale is 0 or
between 2**-100 and 2**100 in magnitude, and no shift is above that. What is not, such as division by 1e-40, whose
reciprocal is infinite in float32, is left to its definition; packing refuses a folded weight that overflows. A batch
normalisation may have smaller scales: training leaves dead channels a gamma of 1e-30 and less. Folded, they may
underflow, which adds at most 2**-149 |x| a product to the error.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refnet.fast.simplify.constants import constant_names, evaluate
from refnet.fast.simplify.editing import Draft, readers
from refnet.graph import Array, Graph, Node
from refnet.ops.operator import Known

_LEAST, _MOST = 2.0**-100, 2.0**100
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")


@dataclass(frozen=True)
class Scaling:
    """y = scale * x + shift for each channel; both (C,) float64."""

    scale: Array
    shift: Array

    def fits(self) -> bool:
        """Whether float32 holds every number of it with full precision."""
        return self.is_bounded() and bool(((self.scale == 0) | (abs(self.scale) >= _LEAST)).all())

    def is_bounded(self) -> bool:
        """Whether it has no number so large that a product with it may overflow."""
        return bool((abs(self.scale) <= _MOST).all() and (abs(self.shift) <= _MOST).all())


def collect_scalings(graph: Graph, known: Mapping[str, Known]) -> Graph:
    """Write what scales and shifts channels as `scaling_of` reads it.

    Parameters
    ----------
    graph : Graph
    known : {tensor: Known}
        What `infer` says of the graph; only ranks and channels are used.
    """
    draft, constant = Draft(graph), constant_names(graph)
    for node in graph.nodes:
        found = None if node.output in constant else _read(graph, node, known, constant)
        dead_channels = node.op == "BatchNormalization" and found is not None and found[1].is_bounded()
        if found is None or not (found[1].fits() or dead_channels):
            draft.nodes.append(node)
        else:
            x, scaling = found
            draft.nodes.append(scaling_node(draft, node.name, x, node.output, scaling))
    return draft.finished()


def merge_scalings(graph: Graph) -> Graph:
    """Make one of two scalings that follow each other, where no one else reads what is between them."""
    counted, draft = readers(graph), Draft(graph)
    begun: dict[str, tuple[str, Scaling]] = {}  # output of a scaling -> what it begins with, and all that is done to it
    absorbed = set()
    for node in graph.nodes:
        scaling = scaling_of(graph, node)
        if scaling is not None:
            x = node.inputs[0]
            if x in begun and counted[x] == 1:
                first_x, first = begun[x]
                both = Scaling(first.scale * scaling.scale, first.shift * scaling.scale + scaling.shift)
                if both.fits() or (both.is_bounded() and not (first.fits() and scaling.fits())):
                    absorbed.add(x)
                    x, scaling = first_x, both
                    node = scaling_node(draft, node.name, x, node.output, scaling)
            begun[node.output] = x, scaling
        draft.nodes.append(node)
    draft.nodes = [node for node in draft.nodes if node.output not in absorbed]
    return draft.finished()


def scaling_node(draft: Draft, name: str, x: str, output: str, scaling: Scaling) -> Node:
    """The node that scales and shifts; its constants are added to the draft."""
    channels = scaling.scale.size
    inputs = (
        x,
        draft.constant(f"{output}:scale", scaling.scale),
        draft.constant(f"{output}:shift", scaling.shift),
        draft.constant(f"{output}:zero", np.zeros(channels)),
        draft.constant(f"{output}:one", np.ones(channels)),
    )
    return Node(name, "BatchNormalization", inputs, output, {"epsilon": 0.0})


def scaling_of(graph: Graph, node: Node) -> Scaling | None:
    """What a node that scales and shifts, within float32's range, does; None for any other node."""
    if node.op != "BatchNormalization" or node.attributes["epsilon"] != 0.0:
        return None
    scale, shift, mean, var = (graph.constants.get(name) for name in node.inputs[1:])
    if scale is None or shift is None or mean is None or var is None or mean.any() or (var != 1).any():
        return None
    scaling = Scaling(scale, shift)
    return scaling if scaling.is_bounded() else None


def _read(graph: Graph, node: Node, known: Mapping[str, Known], constant: frozenset[str]) -> tuple[str, Scaling] | None:
    """The input that a node scales and shifts, and how; None if it does anything else."""
    if node.op == "BatchNormalization":
        if not constant.issuperset(node.inputs[1:]):
            return None
        gamma, beta, mean, var = (evaluate(graph, name) for name in node.inputs[1:])
        scale = gamma / np.sqrt(var + node.attributes["epsilon"])
        return node.inputs[0], Scaling(scale, beta - mean * scale)
    if node.op not in _ARITHMETIC:
        return None
    (a, b), y = node.inputs, known[node.output]
    if (a in constant) == (b in constant) or y.value is not None:
        return None
    x, number = (b, a) if a in constant else (a, b)
    if known[x].shape != y.shape or len(y.shape) not in (2, 4):
        return None
    vector = per_channel(evaluate(graph, number), y.shape)
    if vector is None or (node.op == "Div" and (x == b or not vector.all())):
        return None
    one, zero = np.ones(vector.size), np.zeros(vector.size)
    return x, {
        "Add": Scaling(one, vector),
        "Sub": Scaling(one, -vector) if x == a else Scaling(-one, vector),
        "Mul": Scaling(vector, zero),
        "Div": Scaling(one / np.where(vector == 0, 1, vector), zero),
    }[node.op]


def per_channel(value: Array, shape: tuple[int, ...]) -> Array | None:
    """One float64 a channel, (C,), of a constant that is stretched to a shape (N, C, ...); None if it is not such."""
    if value.dtype.kind != "f" or value.ndim > len(shape):
        return None
    aligned = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
    if any(extent != 1 for axis, extent in enumerate(aligned.shape) if axis != 1):
        return None
    return np.array(np.broadcast_to(aligned.reshape(-1), (shape[1],)), dtype=np.float64)
