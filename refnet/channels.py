"""The order of an image's channels, red first or blue first, moved into the weights of the first convolution.

A network that takes RGB becomes one that takes BGR, and back, when the input channels of its first convolution are
reversed: ``conv(x[:, ::-1], w[:, ::-1])`` sums the same products as ``conv(x, w)``. This is what OpenVINO's Model
Optimizer does for ``--reverse_input_channels`` where nothing but scalars stands between the image and the convolution.

Does not touch the order in which a sum is rounded: see `Network`, which computes both networks in the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Constants, Graph, Node, Shape, Stored, entries

_SCALAR = ("Add", "Sub", "Mul", "Div")
_SAME = ("Identity", "Dropout")


@dataclass(frozen=True)
class ReversedWeight:
    """A stored weight whose second axis is read backwards."""

    weight: Stored

    @property
    def shape(self) -> Shape:
        """Extents."""
        return self.weight.shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Of the weight."""
        return self.weight.dtype

    @property
    def size(self) -> int:
        """Elements."""
        return self.weight.size

    def read(self) -> Array:
        """The weight, reversed."""
        return np.ascontiguousarray(self.weight.read()[:, ::-1])


def reversed_input(graph: Graph) -> Graph:
    """The graph that computes from ``x[:, ::-1]`` what this one computes from x.

    Parameters
    ----------
    graph : Graph
        One input of images with three channels.

    Returns
    -------
    Graph
        Its nodes and names; the weight of the first convolution has its input channels reversed.

    Raises
    ------
    UnsupportedModelError
        If the image, or what scalars make of it, goes anywhere else than into one convolution of all its channels;
        if arithmetic on it is not by one number for all channels; or if that convolution shares its weight.

    Notes
    -----
    Applied twice it gives the graph back, weight for weight.
    """
    convolution = way_in(graph)[-1]
    name = convolution.inputs[1]
    constants = entries(graph.constants)
    stored = constants[name]
    constants[name] = (
        np.ascontiguousarray(stored[:, ::-1])
        if isinstance(stored, np.ndarray)
        else stored.weight
        if isinstance(stored, ReversedWeight)
        else ReversedWeight(stored)
    )
    return replace(graph, constants=Constants(constants))


def way_in(graph: Graph) -> tuple[Node, ...]:
    """The nodes from the input to the first convolution, which is the last of them; raises as `reversed_input` does."""
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4 or graph.inputs[0].shape[1] != 3:
        declared = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in graph.inputs)
        raise UnsupportedModelError(f"the model takes {declared}; channels are reversed in images (N, 3, H, W) only")
    constants = entries(graph.constants)
    name, way = graph.inputs[0].name, list[Node]()
    while True:
        readers = [node for node in graph.nodes if name in node.inputs]
        if len(readers) != 1 or name in {tensor.name for tensor in graph.outputs}:
            others = ", ".join(f"{node.name} ({node.op})" for node in readers) or "no node"
            raise UnsupportedModelError(
                f"tensor {name!r} goes to {others}; channels can be reversed only where the image goes into one convolution"
            )
        node = readers[0]
        way.append(node)
        if node.op == "Conv":
            _refuse_unless_reversible(node, name, graph, constants)
            return tuple(way)
        if node.op not in _SAME and not _by_one_number(node, name, constants):
            raise UnsupportedModelError(
                f"node {node.name!r} ({node.op}) stands between the image and the first convolution; "
                "channels can be reversed only past arithmetic with one number for all of them"
            )
        name = node.output


def _refuse_unless_reversible(node: Node, name: str, graph: Graph, constants: Mapping[str, Array | Stored]) -> None:
    """Refuse a convolution whose weight cannot be turned round."""
    weight = node.inputs[1]
    if node.inputs[0] != name or node.attributes.get("groups", 1) != 1 or weight not in constants:
        raise UnsupportedModelError(
            f"node {node.name!r} (Conv) does not apply one constant weight to all channels; they cannot be reversed in it"
        )
    if sum(source == weight for other in graph.nodes for source in other.inputs) > 1:
        raise UnsupportedModelError(f"weight {weight!r} is used more than once; its channels cannot be reversed")


def _by_one_number(node: Node, name: str, constants: Mapping[str, Array | Stored]) -> bool:
    """Whether a node is arithmetic of the tensor and a single constant."""
    others = [source for source in node.inputs if source != name]
    return node.op in _SCALAR and len(others) == 1 and others[0] in constants and constants[others[0]].size == 1
