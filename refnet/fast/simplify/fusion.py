"""Group a convolution with what is done to its sums before they need to be stored.

    v = conv(x, weight) + bias
    v = v + residual
    y = v, or slope * v where v < 0
    second = scale * y + shift

One pass over the output does all of it. `second` is there for networks that normalise before they convolve: the next
unit reads y once as it is and once scaled and shifted, with zeros around it.
"""

from dataclasses import dataclass, replace

import numpy as np

from refnet.fast.simplify.constants import constant_names, evaluate
from refnet.fast.simplify.editing import readers
from refnet.fast.simplify.folding import KnownTensors
from refnet.fast.simplify.scaling import per_channel, scaling_of
from refnet.graph import Array, Graph, Node


@dataclass(frozen=True)
class FusedConv:
    """A convolution and what follows it, as names of tensors; an empty one means that there is none.

    Attributes
    ----------
    conv : Node
        The Conv: its inputs x, weight and, it may be, bias; its attributes.
    output : str
        y.
    residual : str
        Of the shape of y; made before.
    activation : Node or None
        PRelu with one constant slope a channel, or Relu.
    scaling : Node or None
        What makes `second` of y.
    """

    conv: Node
    output: str
    residual: str = ""
    activation: Node | None = None
    scaling: Node | None = None

    @property
    def second(self) -> str:
        """The scaled and shifted y."""
        return self.scaling.output if self.scaling else ""


@dataclass(frozen=True)
class Epilogue:
    """The constants of what follows a convolution, (OC,) float64: those that change nothing where there is nothing."""

    bias: Array
    slope: Array
    scale: Array
    shift: Array


def fuse(graph: Graph, known: KnownTensors) -> tuple[FusedConv | Node, ...]:
    """Tell what is to be run, in order: fused convolutions, and every other node whose output is not constant.

    Parameters
    ----------
    graph : Graph
        As `simplify` leaves it.
    known : {tensor: Known}
        What `infer` says of it.
    """
    constant, counted = constant_names(graph), readers(graph)
    steps: list[FusedConv | Node | None] = []
    place: dict[str, int] = {}  # of the fused convolution that makes a tensor, among the steps

    def grown_from(node: Node, x: str) -> FusedConv | None:
        """The fused convolution that makes x and takes the node in, if there is one."""
        fused = steps[place[x]] if x in place else None
        if not isinstance(fused, FusedConv):
            return None
        if scaling_of(graph, node):
            return replace(fused, scaling=node) if not fused.scaling else None
        if counted[x] > 1 or fused.scaling or fused.activation:
            return None
        if node.op == "Add":
            other = node.inputs[1] if x == node.inputs[0] else node.inputs[0]
            fits = not fused.residual and other not in constant and known[other].shape == known[x].shape
            return replace(fused, output=node.output, residual=other) if fits else None
        return replace(fused, output=node.output, activation=node) if _slope(graph, node, known) is not None else None

    for node in graph.nodes:
        if node.output in constant:
            continue
        if node.op == "Conv" and constant.issuperset(filter(None, node.inputs[1:])):
            place[node.output] = len(steps)
            steps.append(FusedConv(node, node.output))
            continue
        x, fused = next(((x, grown) for x in node.inputs if (grown := grown_from(node, x))), ("", None))
        if fused is None:
            steps.append(node)
        elif node.op == "Add":  # what it adds may have been made after the convolution
            steps[place[x]] = None
            place[node.output] = len(steps)
            steps.append(fused)
        else:
            steps[place[x]] = fused
            place[fused.output] = place[x]
    return tuple(step for step in steps if step)


def epilogue(graph: Graph, fused: FusedConv, known: KnownTensors) -> Epilogue:
    """The numbers that follow a convolution; a slope of 1 is no activation, of NaN a ReLU (see `kernels.finish`)."""
    channels = known[fused.output].shape[1]
    bias = fused.conv.inputs[2] if len(fused.conv.inputs) > 2 else ""
    slope = _slope(graph, fused.activation, known) if fused.activation else None
    scaling = scaling_of(graph, fused.scaling) if fused.scaling else None
    one, zero = np.ones(channels), np.zeros(channels)
    return Epilogue(
        bias=evaluate(graph, bias) if bias else zero,
        slope=one if slope is None else slope,
        scale=scaling.scale if scaling else one,
        shift=scaling.shift if scaling else zero,
    )


def _slope(graph: Graph, node: Node, known: KnownTensors) -> Array | None:
    """What an activation multiplies negative numbers by, (C,), NaN for a ReLU; None if it is not constant and finite."""
    shape = known[node.output].shape
    if node.op == "Relu":
        return np.full(shape[1], np.nan)
    if node.op != "PRelu" or node.inputs[1] not in constant_names(graph) or len(shape) < 2:
        return None
    slope = per_channel(evaluate(graph, node.inputs[1]), shape)
    return slope if slope is not None and np.isfinite(slope).all() else None
