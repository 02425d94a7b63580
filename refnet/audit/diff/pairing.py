"""Which node of one graph is which of another: by wiring, else by name, else by order.

Both graphs are walked from the input on. A node's counterpart reads the counterparts of what the node reads, has the
same operator, and of several such is the one with the same parameters and, last, the same name. Where there is none,
the node of the same name is taken. What is left then is aligned as two sequences of operators and the shapes of their
weights, which finds the convolutions of a network whose normalisations were folded away on one side. Operators that
compute nothing at inference (Identity, Dropout, the reshaping of a constant) have no counterpart and need none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from refnet.graph import Graph, Node, Shape, entries

IDLE = ("Identity", "Dropout")
COMMUTATIVE = ("Add", "Mul")


@dataclass(frozen=True)
class Pair:
    """Counterparts, and by what they were found."""

    a: Node
    b: Node
    by: Literal["wiring", "name", "order"] = "wiring"


@dataclass(frozen=True)
class Pairing:
    """Every node of both graphs, in order.

    Attributes
    ----------
    pairs : in the order of a.
    only_a, only_b : nodes without a counterpart.
    idle_a, idle_b : nodes that compute nothing.
    """

    pairs: tuple[Pair, ...]
    only_a: tuple[Node, ...]
    only_b: tuple[Node, ...]
    idle_a: tuple[Node, ...]
    idle_b: tuple[Node, ...]


class View:
    """A graph without its idle operators.

    Attributes
    ----------
    nodes, idle : the nodes that compute, and those that do not.
    readers : the nodes that compute, by the tensor they read.
    """

    def __init__(self, graph: Graph):
        self._alias: dict[str, str] = {}
        self._constants = entries(graph.constants)
        self.nodes: list[Node] = []
        self.idle: list[Node] = []
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            if node.op in IDLE or (node.op == "Reshape" and self.resolve(node.inputs[0]) in self._constants):
                self._alias[node.output] = self.resolve(node.inputs[0])
                self.idle.append(node)
                continue
            self.nodes.append(node)
            for name in dict.fromkeys(self.data(node)):
                self.readers.setdefault(name, []).append(node)

    def resolve(self, name: str) -> str:
        """The tensor itself, where `name` is a copy of it."""
        return self._alias.get(name, name)

    def data(self, node: Node) -> tuple[str, ...]:
        """The tensors a node reads that are computed from the image."""
        names = (self.resolve(name) for name in node.inputs if name)
        return tuple(name for name in names if name not in self._constants)

    def parameters(self, node: Node) -> tuple[str, ...]:
        """The constants a node reads, in order."""
        names = (self.resolve(name) for name in node.inputs if name)
        return tuple(name for name in names if name in self._constants)

    def shapes(self, node: Node) -> tuple[Shape, ...]:
        """The shapes of a node's constants, without axes of extent 1: exporters write a slope in several."""
        return tuple(squeezed(self._constants[name].shape) for name in self.parameters(node))


def pair(a: Graph, b: Graph) -> Pairing:
    """Find the counterparts of two graphs with one input each."""
    left, right = View(a), View(b)
    place = {tensor.name: other.name for tensor, other in zip(a.inputs, b.inputs, strict=False)}
    named = {node.output: node for node in right.nodes}
    free = {id(node) for node in right.nodes}
    found: dict[int, Pair] = {}
    for node in left.nodes:
        other = _by_wiring(node, left, right, place, free)
        named_alike = named.get(node.output)
        if other is not None:
            found[id(node)] = Pair(node, other)
        elif named_alike is not None and id(named_alike) in free:
            other = named_alike
            # what follows from constants alone has no wiring that could differ
            found[id(node)] = Pair(node, other, "name" if left.data(node) else "wiring")
        else:
            continue
        free.discard(id(other))
        place[node.output] = other.output
    for node, other in _by_order(
        [node for node in left.nodes if id(node) not in found],
        [node for node in right.nodes if id(node) in free],
        left,
        right,
    ):
        found[id(node)] = Pair(node, other, "order")
        free.discard(id(other))
    return Pairing(
        pairs=tuple(found[id(node)] for node in left.nodes if id(node) in found),
        only_a=tuple(node for node in left.nodes if id(node) not in found),
        only_b=tuple(node for node in right.nodes if id(node) in free),
        idle_a=tuple(left.idle),
        idle_b=tuple(right.idle),
    )


def _by_order(a: Sequence[Node], b: Sequence[Node], left: View, right: View) -> Iterator[tuple[Node, Node]]:
    """Align two sequences of nodes by operator and the shape of the first constant: a longest common subsequence."""
    ours, theirs = ([(node.op, *view.shapes(node)[:1]) for node in nodes] for nodes, view in ((a, left), (b, right)))
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # of the rests from i and j on
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            both = longest[i + 1][j + 1] + 1 if ours[i] == theirs[j] else 0
            longest[i][j] = max(both, longest[i + 1][j], longest[i][j + 1])
    i = j = 0
    while i < len(a) and j < len(b):
        if ours[i] == theirs[j] and longest[i][j] == longest[i + 1][j + 1] + 1:
            yield a[i], b[j]
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1


def _by_wiring(node: Node, left: View, right: View, place: dict[str, str], free: set[int]) -> Node | None:
    """The best of the free nodes with the same operator that read the counterparts of what the node reads."""
    sources = [place.get(name) for name in left.data(node)]
    if None in sources or not sources:
        return None
    candidates = [
        other
        for other in right.readers.get(str(sources[0]), [])
        if id(other) in free and other.op == node.op and _reads(other, right, sources)
    ]
    return max(candidates, key=lambda other: _likeness(node, other, left, right), default=None)


def _reads(node: Node, view: View, sources: list[str | None]) -> bool:
    """Whether a node reads just these tensors; in any order, where order does not matter."""
    data = list(view.data(node))
    return data == sources or (node.op in COMMUTATIVE and sorted(data) == sorted(map(str, sources)))


def _likeness(node: Node, other: Node, left: View, right: View) -> tuple[bool, bool, bool]:
    """How alike two candidates are, the most telling first."""
    return (
        left.shapes(node) == right.shapes(other),
        dict(node.attributes) == dict(other.attributes),
        node.output == other.output,
    )


def squeezed(shape: Shape) -> Shape:
    """A shape without axes of extent 1, as far as they lie at its ends."""
    kept = list(shape)
    while kept and kept[0] == 1:
        kept.pop(0)
    while kept and kept[-1] == 1:
        kept.pop()
    return tuple(kept)


def parameter_pairs(a: Graph, b: Graph, pairing: Pairing) -> Iterator[tuple[Pair, str, str]]:
    """(pair, constant of a, constant of b) of all counterparts, by position; each two constants once."""
    left, right = View(a), View(b)
    seen: set[tuple[str, str]] = set()
    for it in pairing.pairs:
        for name, other in zip(left.parameters(it.a), right.parameters(it.b), strict=False):
            if (name, other) not in seen:
                seen.add((name, other))
                yield it, name, other
