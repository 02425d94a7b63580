"""A graph run twice at once: as the specification has it, and step by step on another runtime's own tensors.

The error in a tensor far down a network is mostly inherited. To find the node where two runtimes part, every node is
also computed in float64 from the *other's* inputs to it: what the other's output differs from that is made in this node
alone, and needs no bound that grows with depth. Where the other does not show a tensor, the float64 one takes its
place, and the variance of what rounding may have done since the last visible tensor is carried on (`rounding`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refnet.audit.rounding import Variance, variance
from refnet.graph import Array, Graph, Node
from refnet.network import Network
from refnet.ops import OPERATORS


class Arrivals:
    """Tensors of another runtime, taken by name from a stream that yields them in its own order."""

    def __init__(self, stream: Iterator[tuple[str, Array]], names: frozenset[str]):
        self._stream = stream
        self._names = names
        self._waiting: dict[str, Array] = {}

    def take(self, name: str) -> Array | None:
        """The tensor, read from the stream up to it; None if it is not among the names, or never comes."""
        if name not in self._names:
            return None
        while name not in self._waiting:
            following = next(self._stream, None)
            if following is None:
                return None
            self._waiting[following[0]] = following[1]
        return self._waiting.pop(name)


@dataclass(frozen=True)
class Step:
    """One node.

    Attributes
    ----------
    node : Node
    exact : Array
        Its output in the float64 reference.
    theirs : Array or None
        The other's output; None if it does not show it.
    predicted : Array
        The node in float64, computed from the other's inputs to it.
    variance : Array or None
        Of what rounding may make of `predicted`, in units of u^2; None where it can do nothing.
    whole_variance : Array or None
        The same if nothing but the graph's input were visible.
    our_variance : Array or None
        That of the network's own engine: with Winograd's errors, where it computes that way.
    """

    node: Node
    exact: Array
    theirs: Array | None
    predicted: Array
    variance: Variance
    whole_variance: Variance
    our_variance: Variance


@dataclass(frozen=True)
class _Held:
    """A tensor as the nodes behind it read it."""

    exact: Array
    given: Array
    variance: Variance = None
    whole_variance: Variance = None
    our_variance: Variance = None


def steps(network: Network, images: Array, theirs: Arrivals, *, winograd: bool = False) -> Iterator[Step]:
    """Run every node; one `Step` at a time is in memory, and the tensors that are still to be read.

    `winograd` is whether the other may compute convolutions by Winograd's algorithm.
    """
    fast = network.engine == "fast"
    graph = network.graph
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    x = np.asarray(images, dtype=np.float64)
    held = {network.contract.name: _Held(x, x)}
    for node, (name, exact) in zip(graph.nodes, network.stream(images), strict=True):
        inputs = [_read(graph, held, source) for source in node.inputs]
        step = _step(node, inputs, exact, theirs.take(name), winograd=winograd, fast=fast)
        for source in node.inputs:
            readers[source] -= 1
            if not readers[source]:
                held.pop(source, None)
        if readers[name]:
            held[name] = _behind(step)
        yield step


def usable(theirs: Array | None, predicted: Array) -> bool:
    """Whether the other's tensor can stand for the predicted one: same shape, numbers, finite."""
    return theirs is not None and theirs.shape == predicted.shape and bool(np.isfinite(theirs).all())


def _read(graph: Graph, held: Mapping[str, _Held], name: str) -> _Held | None:
    """A node's input; weights are float64 only as long as this takes."""
    if not name:
        return None
    if name in held:
        return held[name]
    constant = graph.constants[name]
    value = constant.astype(np.float64) if constant.dtype.kind == "f" else constant
    return _Held(value, value)


def _step(
    node: Node, inputs: Sequence[_Held | None], exact: Array, theirs: Array | None, *, winograd: bool, fast: bool
) -> Step:
    """Compute what can be said of one node, and nothing twice that is the same."""
    exacts = [None if held is None else held.exact for held in inputs]
    givens = [None if held is None else held.given for held in inputs]
    variances = [None if held is None else held.variance for held in inputs]
    wholes = [None if held is None else held.whole_variance for held in inputs]
    ours = [None if held is None else held.our_variance for held in inputs]
    whole = variance(node, exacts, wholes, exact, winograd=winograd)
    alike = (winograd == fast or node.op != "Conv") and all(a is b for a, b in zip(wholes, ours, strict=True))
    our = whole if alike else variance(node, exacts, ours, exact, winograd=fast)
    if all(given is value for given, value in zip(givens, exacts, strict=True)):
        predicted = exact
    else:
        predicted = OPERATORS[node.op].compute(*givens, **node.attributes).astype(exact.dtype, copy=False)
    same = predicted is exact and all(a is b for a, b in zip(variances, wholes, strict=True))
    own = whole if same else variance(node, givens, variances, predicted, winograd=winograd)
    return Step(node, exact, theirs, predicted, own, whole, our)


def _behind(step: Step) -> _Held:
    """What the nodes behind this one read: the other's tensor, free of doubt, or the predicted one with its doubt."""
    if usable(step.theirs, step.predicted):
        seen = np.asarray(step.theirs, dtype=step.exact.dtype)
        return _Held(step.exact, seen, None, step.whole_variance, step.our_variance)
    return _Held(step.exact, step.predicted, step.variance, step.whole_variance, step.our_variance)
