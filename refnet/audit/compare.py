"""A network beside another runtime, tensor by tensor: whose error is what, where the two first part, what it matters.

Three things stand side by side: *ours*, what the network's engine computes; *theirs*, what the other runtime or a saved
trace says; and the float64 reference, which judges both.

A tensor departs if one element of it is further from the float64 value that follows from the other's own inputs to that
node than the noise floor,

    floor = 16 u sqrt(V),

where u is the unit roundoff of the other's numbers and u^2 V the variance of the rounding errors that the node's own
arithmetic makes (`rounding`). Where an operator only moves or selects numbers, the floor is zero: the bits must be equal.
16 standard deviations are not chance: of a million normal errors the largest is at 5. The rest is for sums that are not
taken in random order, and for algorithms that round more than a plain sum, such as Winograd's convolution (which is
why the floor is not lower). A tensor computed from a mistaken one is not mistaken itself, so a fault is named once, where it is.

Outputs are judged end to end as well: V is then that of the whole network, carried from node to node.
"""

import math
from collections.abc import Callable, Iterator, Set
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from refnet.audit.difference import Difference, Sums, difference
from refnet.audit.embedding_verdict import EmbeddingVerdict, embedding_verdict
from refnet.audit.rounding import Variance
from refnet.audit.steps import Arrivals, Step, steps
from refnet.errors import InputError
from refnet.graph import Array, Graph
from refnet.network import Network

SCHEMA_VERSION = 1
FLOOR = 16.0  # standard deviations

Kind = Literal["data", "constant", "shape"]
Verdict = Literal["agrees", "departs", "absent"]


class Other(Protocol):
    """What a network can be compared with.

    Attributes
    ----------
    name : what to call it.
    notes : what its reader should know: repairs, provenance.
    at_once : how many images it is given at once, at most; None for all together.
    tensor_names : the tensors it has.
    """

    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def at_once(self) -> int | None: ...
    @property
    def tensor_names(self) -> frozenset[str]: ...

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names, one at a time, nearly in the order of the graph."""

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """Compute the outputs as its users get them, which need not be the last bits of its tensors."""


@dataclass(frozen=True)
class TensorRow:
    """One tensor.

    Attributes
    ----------
    name, op, shape : of the node's output
    kind : "data" follows from the images; "constant" from weights alone; "shape" is arithmetic on shapes.
    theirs : theirs beside float64; None if they do not show it.
    ours : ours beside float64; None if the engine does not show it.
    between : ours beside theirs.
    local : theirs beside what float64 makes of their own inputs: the error of this node alone.
    floor : the noise floor's length, as a share of the tensor's: what `local.relative_l2` may be.
    excess : the largest ratio of an element's local error to its floor; the tensor departs above 1.
    verdict : "agrees", "departs" or "absent".
    reason : why it departs; else empty.
    """

    name: str
    op: str
    kind: Kind
    shape: tuple[int, ...]
    theirs: Difference | None
    ours: Difference | None
    between: Difference | None
    local: Difference | None
    floor: float
    excess: float
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class OutputRow:
    """One output of the graph, end to end, as the users of either side get it.

    `ours_excess` and `theirs_excess` are the largest ratios of an element's error beside float64 to the floor of the
    whole network; a side departs above 1. `floor` is that floor's length as a share of the output's.
    """

    name: str
    theirs: Difference
    ours: Difference
    between: Difference
    floor: float
    ours_excess: float
    theirs_excess: float
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Everything `refnet validate` says.

    Attributes
    ----------
    model, engine, other : what was compared.
    notes : what was repaired, or should be known of the other side.
    images : how many were compared.
    tensors : in the order of the graph.
    outputs : end to end; empty where the other has none.
    embedding : in terms of recognition; None if the network has not one output of vectors.
    first_departure : name of the first tensor that departs; None if none does.
    """

    model: str
    engine: str
    other: str
    notes: tuple[str, ...]
    images: int
    tensors: tuple[TensorRow, ...]
    outputs: tuple[OutputRow, ...]
    embedding: EmbeddingVerdict | None
    first_departure: str | None

    @property
    def agrees(self) -> bool:
        """Whether no tensor and no output departs."""
        return self.first_departure is None and all(row.verdict == "agrees" for row in self.outputs)

    @property
    def compared(self) -> int:
        """How many tensors the other has."""
        return sum(row.verdict != "absent" for row in self.tensors)

    @property
    def summary(self) -> str:
        """One sentence."""
        absent = len(self.tensors) - self.compared
        missing = f" ({absent} more are not in it)" if absent else ""
        if self.first_departure is not None:
            row = next(row for row in self.tensors if row.name == self.first_departure)
            count = sum(row.verdict == "departs" for row in self.tensors)
            return (
                f"{count} of {self.compared} tensors depart from {self.other}{missing}, "
                f"first {row.name} ({row.op}): {row.reason}"
            )
        tensors = f"{self.compared} of {self.compared} tensors agree with {self.other} within the noise floor{missing}"
        wrong = [row for row in self.outputs if row.verdict == "departs"]
        if wrong:
            whose = "ours" if wrong[0].ours_excess > wrong[0].theirs_excess else "theirs"
            excess = max(wrong[0].ours_excess, wrong[0].theirs_excess)
            return f"{tensors}, but output {wrong[0].name} departs end to end: {whose}, by {excess:.3g} times the floor"
        return tensors

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version; what is not finite is null."""
        table = {
            "schema_version": SCHEMA_VERSION,
            "agrees": self.agrees,
            "summary": self.summary,
            "compared": self.compared,
            **asdict(self),
        }
        finite: dict[str, Any] = _finite(table)
        return finite


def compare(
    network: Network, images: Array, other: Other, *, progress: Callable[[int, int], object] | None = None
) -> Comparison:
    """Compare every tensor of the graph.

    Parameters
    ----------
    network : Network
    images : (N, C, H, W)
        As the graph's input takes them; both sides get them as float32.
    other : Other
        `OnnxRuntime` or `TraceFile`.
    progress : (done, total) -> anything, optional
        Called after every tensor of every portion of images.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the two have no tensor in common, or the images do not fit the network.
    """
    graph = network.graph
    x = np.asarray(images, dtype=np.float32)
    names = frozenset(node.output for node in graph.nodes) & other.tensor_names
    if not names:
        raise InputError(
            f"{other.name} has none of the model's tensors; it has {_some(other.tensor_names)}, "
            f"the model {_some(frozenset(node.output for node in graph.nodes))}"
        )
    step = other.at_once or len(x)
    portions = [x[i : i + step] for i in range(0, len(x), step)]
    kinds = _kinds(graph)
    tallies = {node.output: _Tally() for node in graph.nodes}
    ends: dict[str, list[tuple[Array, Variance]]] = {tensor.name: [] for tensor in graph.outputs}
    for number, portion in enumerate(portions):
        arrivals = Arrivals(other.stream(portion, names), names)
        for done, judged in enumerate(steps(network, portion, arrivals), start=1):
            name = judged.node.output
            tallies[name].add(judged)
            if name in ends:
                ends[name].append((judged.exact, judged.whole_variance))
            if progress:
                progress(number * len(graph.nodes) + done, len(portions) * len(graph.nodes))
    reference = network.engine == "reference"
    rows = tuple(
        tallies[node.output].row(node.output, node.op, kinds[node.output], reference=reference) for node in graph.nodes
    )
    exact = {name: np.concatenate([part for part, _ in parts]) for name, parts in ends.items() if parts}
    spread = {name: _joined(parts) for name, parts in ends.items() if parts}
    ours = exact if reference else network.run(x)
    theirs = other.outputs(x, exact.keys())
    outputs = tuple(_output(name, ours[name], theirs[name], exact[name], spread[name]) for name in theirs)
    departing = next((row.name for row in rows if row.verdict == "departs"), None)
    return Comparison(
        model=str(graph.source.path or graph.name),
        engine=network.engine,
        other=other.name,
        notes=other.notes,
        images=len(x),
        tensors=rows,
        outputs=outputs,
        embedding=_embedding(graph, ours, theirs, exact),
        first_departure=departing,
    )


@dataclass
class _Tally:
    """One tensor's figures, counted up over portions of the images."""

    theirs: Sums = field(default_factory=Sums)
    local: Sums = field(default_factory=Sums)
    shape: tuple[int, ...] = ()
    floor: float = 0.0  # sums of squares
    length: float = 0.0
    excess: float = 0.0
    reason: str = ""
    absent: bool = False

    def add(self, step: Step) -> None:
        """Count one portion."""
        batch = self.shape[:1] if self.shape and step.exact.dtype.kind == "f" else (0,)
        self.shape = (batch[0] + step.exact.shape[0], *step.exact.shape[1:]) if step.exact.shape else ()
        if step.theirs is None:
            self.absent = True
            return
        if step.theirs.shape != step.predicted.shape:
            self.reason = f"shape {step.theirs.shape}, expected {step.predicted.shape}"
            return
        self.theirs = self.theirs.and_of(step.theirs, step.exact)
        self.local = self.local.and_of(step.theirs, step.predicted)
        if not np.isfinite(step.theirs).all():
            self.reason = "values are not finite"
            return
        floor, excess = _excess(step.theirs, step.predicted, step.variance)
        self.floor += float(np.square(floor).sum())
        self.length += float(np.square(step.predicted, dtype=np.float64).sum())
        self.excess = max(self.excess, excess)
        if self.excess > 1 and not self.reason:
            where = np.unravel_index(int(np.argmax(abs(step.theirs - step.predicted) / floor)), step.predicted.shape)
            self.reason = (
                f"at {tuple(map(int, where))} it is {step.theirs[where]:.9g}, expected {step.predicted[where]:.9g}, "
                f"{excess:.3g} times the noise floor"
            )

    def row(self, name: str, op: str, kind: Kind, *, reference: bool) -> TensorRow:
        """The figures."""
        verdict: Verdict = "departs" if self.reason else "absent" if self.absent else "agrees"
        theirs = None if self.absent else self.theirs.figures()
        return TensorRow(
            name=name,
            op=op,
            kind=kind,
            shape=self.shape,
            theirs=theirs,
            ours=Difference(0.0, 0.0, 1.0) if reference else None,
            between=theirs if reference else None,
            local=None if self.absent else self.local.figures(),
            floor=math.sqrt(self.floor / self.length) if self.length else 0.0,
            excess=self.excess,
            verdict=verdict,
            reason=self.reason,
        )


def _excess(actual: Array, expected: Array, variance: Variance) -> tuple[Array, float]:
    """Element by element the floor, and the largest ratio of an error to it."""
    u, tiny = _roundoff(actual)
    floor = np.full(expected.shape, tiny) if variance is None else FLOOR * u * np.sqrt(variance) + tiny
    error = abs(np.asarray(actual, dtype=np.float64) - expected)
    with np.errstate(over="ignore"):
        ratio = float((error / floor).max(initial=0.0))
    return floor, min(ratio, float(np.finfo(np.float64).max))


def _roundoff(array: Array) -> tuple[float, float]:
    """Unit roundoff and smallest normal of what an array was computed in; below the latter, processors may say 0."""
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    if dtype == np.float64 and np.array_equal(array, array.astype(np.float32)):
        dtype = np.dtype(np.float32)  # float32 numbers, stored wide
    info = np.finfo(dtype)
    return float(info.eps) / 2, float(info.smallest_normal)


def _output(name: str, ours: Array, theirs: Array, exact: Array, variance: Variance) -> OutputRow:
    """Judge one output end to end."""
    if theirs.shape != exact.shape:
        raise InputError(f"output {name!r} has shape {theirs.shape} there, and {exact.shape} here")
    floor, theirs_excess = _excess(theirs, exact, variance)
    _, ours_excess = _excess(ours, exact, variance)
    finite = bool(np.isfinite(theirs).all() and np.isfinite(ours).all())
    length = float(np.linalg.norm(exact))
    return OutputRow(
        name=name,
        theirs=difference(theirs, exact),
        ours=difference(ours, exact),
        between=difference(ours, theirs),
        floor=float(np.linalg.norm(floor)) / length if length else 0.0,
        ours_excess=ours_excess,
        theirs_excess=theirs_excess,
        verdict="agrees" if finite and max(ours_excess, theirs_excess) <= 1 else "departs",
    )


def _embedding(
    graph: Graph, ours: dict[str, Array], theirs: dict[str, Array], exact: dict[str, Array]
) -> EmbeddingVerdict | None:
    """The verdict on the one output of vectors, if that is what the network has."""
    if len(graph.outputs) != 1 or graph.outputs[0].name not in theirs:
        return None
    name = graph.outputs[0].name
    if exact[name].ndim != 2 or not np.isfinite(theirs[name]).all():
        return None
    return embedding_verdict(ours[name], theirs[name], exact[name])


def _joined(parts: list[tuple[Array, Variance]]) -> Variance:
    """The variances of all portions; None if there is none in any."""
    if all(variance is None for _, variance in parts):
        return None
    return np.concatenate([np.zeros(part.shape) if variance is None else variance for part, variance in parts])


def _kinds(graph: Graph) -> dict[str, Kind]:
    """What each tensor follows from. What is made of `Shape`'s output holds integers until it shapes something."""
    data = {tensor.name for tensor in graph.inputs}
    shapes: set[str] = set()
    kinds: dict[str, Kind] = {}
    for node in graph.nodes:
        sources = set(filter(None, node.inputs)) - graph.constants.keys()
        if node.op == "Shape" or (sources and sources <= shapes):
            shapes.add(node.output)
            kinds[node.output] = "shape"
        elif sources & (data | shapes):
            data.add(node.output)
            kinds[node.output] = "data"
        else:
            kinds[node.output] = "constant"
    return kinds


def _some(names: frozenset[str]) -> str:
    """A few names, for an error."""
    listed = ", ".join(sorted(names)[:3])
    return f"{listed}, ..." if len(names) > 3 else listed or "none"


def _finite(value: Any) -> Any:
    """The same value with None for numbers that JSON has no words for, and lists for tuples."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
