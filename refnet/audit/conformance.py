"""Is this file really an LResNet100E-IR? Its graph beside the architecture as code (`refnet.resnet100`).

Compared is what the network computes: operators, wiring, shapes of parameters, strides, paddings, epsilons. Names,
the order of nodes, and operators that do nothing at inference (Identity, Dropout, the reshaping of a slope) may differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refnet import resnet100
from refnet.graph import Array, Graph, Node, Shape, Stored, entries

_NOTHING = ("Identity", "Dropout")


@dataclass(frozen=True)
class Conformance:
    """Whether a graph is an LResNet100E-IR; if not, the first departure in the order of the architecture."""

    conforms: bool
    departure: str = ""


def conformance(graph: Graph) -> Conformance:
    """Walk the architecture and the graph together, from the input on.

    Returns
    -------
    Conformance
        `departure` names the operator of the architecture, what it should be, and what the file has there.
    """
    departure, _ = match(graph)
    return Conformance(not departure, departure)


def match(
    graph: Graph, units: Sequence[int] = resnet100.UNITS, widths: Sequence[int] = resnet100.WIDTHS
) -> tuple[str, dict[str, Array | Stored]]:
    """Find the parameters of the architecture, of the real size or another, in a graph.

    Returns
    -------
    The first departure as in `conformance`, empty if there is none; and {parameter: array}, by the names of
    `arcfaceresnet100-8.onnx`, as far as the graph conforms.
    """
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE), units, widths)
    if len(graph.inputs) != 1:
        return f"the graph has {len(graph.inputs)} inputs; expected one", {}
    walk = _Walk(graph, blueprint.parameters)
    for node in blueprint.nodes:
        departure = walk.step(node)
        if departure:
            return departure, walk.parameters
    if walk.place["fc1"] != graph.outputs[0].name or len(graph.outputs) != 1:
        return f"the graph goes on after fc1, to {graph.outputs[0].name}", walk.parameters
    return "", walk.parameters


class _Walk:
    """Where each tensor of the architecture is in the graph."""

    def __init__(self, graph: Graph, expected: Mapping[str, Shape]):
        self.graph = graph
        self.expected = expected
        self.alias: dict[str, str] = {}  # through operators that do nothing
        self.values = entries(graph.constants)
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            if node.op in _NOTHING:
                self.alias[node.output] = self.resolve(node.inputs[0])
            elif node.op == "Reshape" and node.inputs[0] in self.values:
                self.values[node.output] = self.values[node.inputs[0]]
            else:
                for name in node.inputs:
                    self.readers.setdefault(self.resolve(name), []).append(node)
        self.alias[graph.outputs[0].name] = self.resolve(graph.outputs[0].name)
        self.place = {"data": graph.inputs[0].name}
        self.parameters: dict[str, Array | Stored] = {}

    def resolve(self, name: str) -> str:
        """The tensor itself, where `name` is a copy of it."""
        return self.alias.get(name, name)

    def step(self, wanted: Node) -> str:
        """Find the graph's counterpart of one operator; return the departure, or the empty string."""
        data = [name for name in wanted.inputs if name in self.place]
        if wanted.op in _NOTHING:
            self.place[wanted.output] = self.place[data[0]]
            return ""
        if not data:  # the reshaping of a slope
            return ""
        sources = [self.place[name] for name in data]
        candidates = self.readers.get(sources[0], [])
        for node in candidates:
            if node.op == wanted.op and sorted(self._data(node)) == sorted(sources):
                self.place[wanted.output] = node.output
                return self._parameters(wanted, node) or self._attributes(wanted, node)
        there = ", ".join(f"{node.op} {node.name}" for node in candidates) or "nothing"
        return f"{wanted.name}: expected {wanted.op} on {' and '.join(sources)}; the file has {there}"

    def _data(self, node: Node) -> list[str]:
        """The inputs that are not parameters."""
        return [self.resolve(name) for name in node.inputs if name and name not in self.values]

    def _parameters(self, wanted: Node, node: Node) -> str:
        """Compare the shapes of parameters; a slope or a scalar by its number of values."""
        names = [name for name in wanted.inputs if name not in self.place]
        actual = [name for name in node.inputs if name in self.values]
        if len(names) != len(actual):
            return f"{wanted.name}: expected {len(names)} parameters; {node.op} {node.name} has {len(actual)}"
        for name, found in zip(names, actual, strict=True):
            own = name if name in self.expected else f"{wanted.name}_gamma"  # of a slope that was reshaped
            shape = self.expected[own]
            by_count = wanted.op in ("PRelu", "Sub", "Mul")
            value = self.values[found]
            if value.size != int(np.prod(shape)) if by_count else value.shape != shape:
                return f"{wanted.name}: {found} has shape {value.shape}; expected {shape}"
            if name in ("scalar_op2", "scalar_op3"):
                scalar = 127.5 if name == "scalar_op2" else 1 / 128
                number = float(self.graph.constants[found].reshape(-1)[0])
                if number != scalar:
                    return f"{wanted.name}: {found} is {number:g}; expected {scalar:g}"
            self.parameters[own] = value
        return ""

    def _attributes(self, wanted: Node, node: Node) -> str:
        """Compare attributes."""
        for attribute, value in wanted.attributes.items():
            if node.attributes.get(attribute) != value:
                return f"{wanted.name}: {attribute} is {node.attributes.get(attribute)}; expected {value}"
        return ""
