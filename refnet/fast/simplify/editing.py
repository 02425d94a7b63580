"""What the passes share: who reads a tensor, and a graph that is being rewritten."""

from collections import Counter
from collections.abc import Iterable

from refnet.graph import Array, Constants, Graph, Node


class Draft:
    """A graph under revision: nodes are appended in order, constants added under names that are free.

    The graph it started from is not touched.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.constants = Constants(graph.constants)
        self._taken = {*self.constants, *(tensor.name for tensor in graph.inputs), *(n.output for n in graph.nodes)}

    def name(self, wish: str) -> str:
        """A name that no tensor of the graph has: the one wished for, or that and a number."""
        name, number = wish, 2
        while name in self._taken:
            name, number = f"{wish}:{number}", number + 1
        self._taken.add(name)
        return name

    def constant(self, wish: str, value: Array) -> str:
        """Add a constant and tell its name."""
        name = self.name(wish)
        self.constants[name] = value
        return name

    def compute(self, wish: str, op: str, inputs: Iterable[str], **attributes: int | float | tuple[int, ...]) -> str:
        """Append a node whose output is new, and tell its name."""
        name = self.name(wish)
        self.nodes.append(Node(name, op, tuple(inputs), name, attributes))
        return name

    def finished(self) -> Graph:
        """The revised graph."""
        old = self.graph
        return Graph(old.name, old.inputs, old.outputs, tuple(self.nodes), self.constants, old.source)


def readers(graph: Graph) -> Counter[str]:
    """How often each tensor is read, by nodes and as an output of the graph."""
    counted = Counter(name for node in graph.nodes for name in node.inputs if name)
    counted.update(tensor.name for tensor in graph.outputs)
    return counted


def sole_readers(graph: Graph) -> dict[str, Node]:
    """For each tensor that exactly one node reads, once, that node."""
    counted = readers(graph)
    return {name: node for node in graph.nodes for name in node.inputs if counted[name] == 1}


def makers(graph: Graph) -> dict[str, Node]:
    """For each tensor that a node makes, that node."""
    return {node.output: node for node in graph.nodes}
