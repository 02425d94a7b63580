"""Everything `refnet diff` says of two models."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from refnet.audit.comparison import plain
from refnet.audit.diff.behaviour import Behaviour, diff_behaviour
from refnet.audit.diff.pairing import Pairing, pair
from refnet.audit.diff.structure import StructureDifference, structure_differences
from refnet.audit.diff.weights import WeightsDiff, diff_weights
from refnet.errors import RefnetError
from refnet.files import sha256
from refnet.graph import Array, Graph, Node
from refnet.network import Network

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Side:
    """One of the two: its file, digest and form."""

    path: str
    sha256: str
    form: str


@dataclass(frozen=True)
class ModelDiff:
    """Two models side by side.

    Attributes
    ----------
    a, b : which.
    paired : nodes with a counterpart.
    notes : in what the files differ though they compute the same.
    structure, weights : differences.
    behaviour : None if it was not looked at; `why_not` says why.
    """

    a: Side
    b: Side
    paired: int
    notes: tuple[str, ...]
    structure: tuple[StructureDifference, ...]
    weights: WeightsDiff
    behaviour: Behaviour | None
    why_not: str

    @property
    def same(self) -> bool:
        """Whether the two compute the same: no difference in structure, none in weights."""
        return not self.structure and not self.weights.differences

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.a.sha256 and self.a.sha256 == self.b.sha256:
            return "the same file"
        if self.same:
            return "the same network, written down differently"
        parts = []
        if self.structure:
            parts.append(f"{len(self.structure)} differences in structure")
        if self.weights.differences:
            numbers = sum(it.count for it in self.weights.differences)
            parts.append(
                f"{numbers} of {self.weights.numbers} weights differ, in {len(self.weights.differences)} of "
                f"{self.weights.tensors} tensors"
            )
        return "different: " + "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version; what is not finite is null."""
        table: dict[str, Any] = plain(
            {"schema_version": SCHEMA_VERSION, "same": self.same, "verdict": self.verdict, **asdict(self)}
        )
        if self.behaviour is not None:
            first, resolved = self.behaviour.first, self.behaviour.first_resolved
            table["behaviour"]["first"] = first.where if first else None
            table["behaviour"]["first_resolved"] = resolved.where if resolved else None
        return table


def diff_models(
    a: Network,
    b: Network,
    pixels: Array | None,
    *,
    always: bool = False,
    progress: Callable[[], object] = lambda: None,
) -> ModelDiff:
    """Compare two models.

    Parameters
    ----------
    a, b : Network
    pixels : (N, 3, H, W), optional
        0..255; what behaviour is looked at on. None: not at all.
    always : bool
        Look at behaviour even where nothing else differs.
    progress : called after every pair of tensors
    """
    pairing = pair(a.graph, b.graph)
    structure = tuple(structure_differences(a.graph, b.graph, pairing))
    weights = diff_weights(a.graph, b.graph, pairing, progress)
    behaviour, why_not = None, ""
    if pixels is None:
        why_not = "not asked for"
    elif not always and not structure and not weights.differences:
        why_not = "structure and weights are the same"
    else:
        try:
            behaviour = diff_behaviour(a, b, pixels, pairing, progress)
        except RefnetError as error:
            why_not = str(error)
    return ModelDiff(
        a=_side(a.graph),
        b=_side(b.graph),
        paired=len(pairing.pairs),
        notes=tuple(_notes(a, b, pairing)),
        structure=structure,
        weights=weights,
        behaviour=behaviour,
        why_not=why_not,
    )


def _side(graph: Graph) -> Side:
    path, source = graph.source.path, graph.source
    form = f"{source.format}, IR {source.ir_version}, opset {source.opset}, producer {source.producer or 'unnamed'}"
    return Side(str(path or graph.name), sha256(path) if path else "", form)


def _notes(a: Network, b: Network, pairing: Pairing) -> list[str]:
    """What differs in the files and computes nothing."""
    notes = []
    if len(pairing.idle_a) != len(pairing.idle_b):
        notes.append(
            f"operators that compute nothing: {_counted(pairing.idle_a)} in a, {_counted(pairing.idle_b)} in b"
        )
    renamed = sum(it.a.output != it.b.output for it in pairing.pairs)
    if renamed:
        notes.append(f"{renamed} of {len(pairing.pairs)} tensors have other names")
    one, two = (net.graph.inputs[0] for net in (a, b))
    if one.name != two.name:
        notes.append(f"the input is called {one.name!r} in a, {two.name!r} in b")
    if one.shape[0] != two.shape[0]:
        notes.append(f"the batch is {one.shape[0] or 'free'} in a, {two.shape[0] or 'free'} in b")
    if a.contract.inside != b.contract.inside:
        where = ("in the graph" if net.contract.inside else "outside" for net in (a, b))
        notes.append("pixels are scaled {} in a, {} in b".format(*where))
    if a.contract.channels != b.contract.channels:
        notes.append(f"channels are {a.contract.channels} in a, {b.contract.channels} in b")
    return notes


def _counted(nodes: tuple[Node, ...]) -> str:
    return ", ".join(f"{count} {op}" for op, count in Counter(node.op for node in nodes).most_common()) or "none"
