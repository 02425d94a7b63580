"""A network beside another runtime, tensor by tensor: whose error is what, where the two first part, what it matters.

Three things stand side by side: *ours*, what the network's engine computes; *theirs*, what the other runtime or a saved
trace says; and the float64 reference, which judges both.

A tensor departs if an element of it is further than the noise floor (`floor`) from what float64 makes of the other's own
inputs to that node. A tensor computed from a mistaken one is not mistaken itself: a fault is named once, where it is
made. Outputs are judged end to end as well, by the noise floor of the whole network.
"""

from collections.abc import Callable, Iterator, Set
from typing import Protocol

import numpy as np

from refnet.audit.comparison import Comparison, Kind, OutputRow
from refnet.audit.difference import difference
from refnet.audit.embedding_verdict import EmbeddingVerdict, embedding_verdict
from refnet.audit.floor import excess, noise_floor
from refnet.audit.own_tensors import own_tensors
from refnet.audit.steps import Arrivals, Step, steps
from refnet.audit.tally import Tally
from refnet.errors import InputError
from refnet.graph import Array, Graph
from refnet.network import Network

__all__ = ["Comparison", "Other", "compare"]


UNFUSED = "our tensors are those of the fast engine node by node, unfused; our outputs those of a run as users get it"


class Other(Protocol):
    """What a network can be compared with: `OnnxRuntime`, `TraceFile`."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a report should know: repairs, provenance."""

    @property
    def at_once(self) -> int | None:
        """How many images it is given at once, at most; None for all together."""

    @property
    def winograd(self) -> bool:
        """Whether its convolutions may be Winograd's, whose errors are of another kind (`winograd_error`)."""

    @property
    def tensor_names(self) -> frozenset[str]:
        """The tensors it has."""

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names, one at a time, nearly in the order of the graph."""

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """Compute the outputs as its users get them, which may have other last bits than the tensors."""


def compare(
    network: Network,
    images: Array,
    other: Other,
    *,
    progress: Callable[[int, int], object] | None = None,
    observe: Callable[[str, Array], object] | None = None,
) -> Comparison:
    """Compare every tensor of the graph.

    Parameters
    ----------
    network : Network
    images : (N, C, H, W)
        As the graph's input takes them. Both sides get them as float32.
    other : Other
    progress : (done, total) -> anything, optional
        Called after every tensor of every portion of the images.
    observe : (name, float64 array) -> anything, optional
        Shown every tensor of the reference in passing, before it is let go: statistics need no second run.

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
    made = frozenset(node.output for node in graph.nodes)
    names = made & other.tensor_names
    if not names:
        raise InputError(
            f"{other.name} has none of the model's tensors: it has {_some(other.tensor_names)}; the model {_some(made)}"
        )
    kinds = _kinds(graph)
    tallies = {node.output: Tally(node, kinds[node.output]) for node in graph.nodes}
    ends: dict[str, list[Step]] = {t.name: [] for t in graph.outputs if t.name in made}
    portion = other.at_once or len(x)
    reference = network.engine == "reference"
    total = len(graph.nodes) * -(-len(x) // portion)
    done = 0
    for start in range(0, len(x), portion):
        part = x[start : start + portion]
        own = None if reference else own_tensors(network, part)
        for step in steps(network, part, Arrivals(other.stream(part, names), names), winograd=other.winograd):
            tallies[step.node.output].add(step, step.exact if own is None else next(own)[1])
            if step.node.output in ends:
                ends[step.node.output].append(step)
            if observe:
                observe(step.node.output, step.exact)
            done += 1
            if progress:
                progress(done, total)
    exact = {name: np.concatenate([step.exact for step in parts]) for name, parts in ends.items()}
    ours = exact if reference else network.run(x, strict=False)
    theirs = other.outputs(x, exact.keys())
    return Comparison(
        model=str(graph.source.path or graph.name),
        engine=network.engine,
        other=other.name,
        notes=other.notes if reference else (*other.notes, UNFUSED),
        images=len(x),
        tensors=tuple(tally.row() for tally in tallies.values()),
        outputs=tuple(_output(name, ours[name], theirs[name], exact[name], ends[name]) for name in theirs),
        embedding=_embedding(graph, ours, theirs, exact),
    )


def _output(name: str, ours: Array, theirs: Array, exact: Array, parts: list[Step]) -> OutputRow:
    """Judge one output end to end."""
    if theirs.shape != exact.shape:
        raise InputError(f"output {name!r} has shape {theirs.shape} there and {exact.shape} here")
    variances = [[step.whole_variance for step in parts], [step.our_variance for step in parts]]
    whole = [
        np.concatenate([np.zeros(step.exact.shape) if v is None else v for v, step in zip(side, parts, strict=True)])
        for side in variances
    ]
    floors = [noise_floor(side, variance) for side, variance in zip((theirs, ours), whole, strict=True)]
    sides = [float(excess(side, exact, floor).max()) for side, floor in zip((theirs, ours), floors, strict=True)]
    finite = np.isfinite(theirs).all() and np.isfinite(ours).all()
    length = float(np.linalg.norm(exact))
    return OutputRow(
        name=name,
        theirs=difference(theirs, exact),
        ours=difference(ours, exact),
        between=difference(ours, theirs),
        floor=float(np.linalg.norm(floors[0])) / length if length else 0.0,
        theirs_excess=sides[0],
        ours_excess=sides[1],
        verdict="agrees" if finite and max(sides) <= 1 else "departs",
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


def _kinds(graph: Graph) -> dict[str, Kind]:
    """What each tensor follows from.

    `Shape` starts shape arithmetic, and what is made of that and of constants alone goes on with it.
    """
    kinds: dict[str, Kind] = {tensor.name: "data" for tensor in graph.inputs}
    for node in graph.nodes:
        sources = {kinds.get(name, "constant") for name in node.inputs if name}
        if node.op == "Shape" or ("shape" in sources and "data" not in sources):
            kinds[node.output] = "shape"
        else:
            kinds[node.output] = "data" if "data" in sources else "constant"
    return kinds


def _some(names: frozenset[str]) -> str:
    """A few names, for an error."""
    listed = ", ".join(sorted(names)[:3])
    return f"{listed}, ..." if len(names) > 3 else listed
