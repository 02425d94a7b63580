"""Where two graphs differ in what they compute, weights aside."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from refnet.audit.diff.pairing import Pair, Pairing, View
from refnet.graph import Graph, Node, Tensor

Kind = Literal["input", "output", "only in a", "only in b", "operator", "attribute", "wiring", "parameters"]


@dataclass(frozen=True)
class StructureDifference:
    """One place: what kind of difference, where it is, what each side has there."""

    kind: Kind
    where: str
    a: str
    b: str


def structure_differences(a: Graph, b: Graph, pairing: Pairing) -> list[StructureDifference]:
    """Every difference, in the order of the graphs; idle operators, names and the order of nodes are none."""
    return [*_ends(a, b, pairing), *_nodes(a, b, pairing), *_alone(pairing)]


def _ends(a: Graph, b: Graph, pairing: Pairing) -> Iterator[StructureDifference]:
    """Inputs by number and shape, the batch aside; outputs by their makers."""
    if len(a.inputs) != len(b.inputs):
        yield StructureDifference("input", "graph", f"{len(a.inputs)} inputs", f"{len(b.inputs)} inputs")
    for one, other in zip(a.inputs, b.inputs, strict=False):
        if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
            yield StructureDifference("input", one.name, _declared(one), _declared(other))
    left, right = View(a), View(b)
    place = {it.a.output: it.b.output for it in pairing.pairs} | dict(
        zip((t.name for t in a.inputs), (t.name for t in b.inputs), strict=False)
    )
    ends = [right.resolve(tensor.name) for tensor in b.outputs]
    starts = [left.resolve(tensor.name) for tensor in a.outputs]
    if [place.get(name) for name in starts] != ends:
        yield StructureDifference("output", "graph", ", ".join(starts), ", ".join(ends))


def _nodes(a: Graph, b: Graph, pairing: Pairing) -> Iterator[StructureDifference]:
    """What counterparts do not have in common."""
    left, right = View(a), View(b)
    for it in pairing.pairs:
        where = place_of(it)
        if it.a.op != it.b.op:
            yield StructureDifference("operator", where, it.a.op, it.b.op)
            continue
        for name in sorted({*it.a.attributes, *it.b.attributes}):
            one, other = it.a.attributes.get(name), it.b.attributes.get(name)
            if one != other:
                yield StructureDifference("attribute", where, f"{name} = {one}", f"{name} = {other}")
        if it.by != "wiring":
            yield StructureDifference("wiring", where, _reads(left, it.a), _reads(right, it.b))
        if left.shapes(it.a) != right.shapes(it.b):
            shapes = (", ".join(map(str, view.shapes(node))) for view, node in ((left, it.a), (right, it.b)))
            yield StructureDifference("parameters", where, *(f"shapes {said or 'none'}" for said in shapes))


def _alone(pairing: Pairing) -> Iterator[StructureDifference]:
    for node in pairing.only_a:
        yield StructureDifference("only in a", node.output, node.op, "")
    for node in pairing.only_b:
        yield StructureDifference("only in b", node.output, "", node.op)


def place_of(it: Pair) -> str:
    """A pair's name, or its two names."""
    return it.a.output if it.a.output == it.b.output else f"{it.a.output} / {it.b.output}"


def _reads(view: View, node: Node) -> str:
    return f"reads {', '.join(view.data(node)) or 'constants'}"


def _declared(tensor: Tensor) -> str:
    return f"{tensor.dtype} ({', '.join('free' if extent is None else str(extent) for extent in tensor.shape)})"
