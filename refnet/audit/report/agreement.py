"""Every tensor beside float64: refnet's fast engine always, another runtime where there is one; and what each was like.

One pass over the network: the float64 tensors that judge both sides are described as they go by, so that statistics and
agreement are of the same images, and no tensor is kept.

The two sides are judged by `refnet.audit.compare`'s rules. The other runtime's tensors are held against what float64
makes of that runtime's own inputs to the node: a fault is named where it is made. The fast engine's are held against the
float64 tensor itself and the noise floor of everything before, as outputs are on either side.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from refnet.audit.compare import UNFUSED, Comparison, Other, compare
from refnet.audit.comparison import OutputRow, TensorRow, plain
from refnet.audit.difference import Difference
from refnet.audit.embedding_verdict import EmbeddingVerdict
from refnet.audit.report.figures import activation, shape_of
from refnet.audit.statistics import TensorStatistics, described
from refnet.graph import Array
from refnet.network import Network

IMAGES = 4  # images at a time where no other runtime says how many: bounds memory
FAST = "refnet's fast engine"


class Nobody:
    """Stands where no other runtime is: shows no tensor; its outputs are those of the network itself."""

    def __init__(self, network: Network):
        self._network = network
        self.name = FAST
        self.notes = ()
        self.at_once = network.fixed_batch or IMAGES
        self.winograd = True
        self.tensor_names = frozenset(node.output for node in network.graph.nodes)

    def stream(self, _: Array, __: Set[str]) -> Iterator[tuple[str, Array]]:
        """Nothing."""
        return iter(())

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """The network's outputs."""
        return {name: array for name, array in self._network.run(images, strict=False).items() if name in names}


@dataclass(frozen=True)
class Measured:
    """A comparison, and the statistics of the float64 tensors.

    Attributes
    ----------
    comparison : of the fast engine and the other runtime with float64.
    other : the other runtime's name; None without one, when the comparison's other side means nothing.
    statistics : of the tensors that images change.
    """

    comparison: Comparison
    other: str | None
    statistics: dict[str, TensorStatistics]

    @property
    def agrees(self) -> bool:
        """Whether no tensor and no output of either side departs."""
        return self.comparison.agrees and all(row.ours_excess <= 1 for row in self.comparison.tensors)


def measure(
    network: Network, images: Array, other: Other | None, progress: Callable[[], object] = lambda: None
) -> Measured:
    """Compare and describe.

    Parameters
    ----------
    network : Network
        Of the fast engine.
    images : (N, C, H, W) float32
        As the graph's input takes them.
    other : another runtime, or None
    progress : called after every tensor of every portion of the images.
    """
    found = {name: TensorStatistics() for name in described(network.graph, ("*",))}

    def observe(name: str, array: Array) -> None:
        if name in found:
            found[name].add(array)

    comparison = compare(network, images, other or Nobody(network), progress=lambda _, __: progress(), observe=observe)
    return Measured(comparison, None if other is None else other.name, found)


def portions(network: Network, other: Other | None, count: int) -> int:
    """In how many portions `measure` takes so many images."""
    return -(-count // ((other or Nobody(network)).at_once or count))


def tensor_rows(measured: Measured, shapes: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """A row for each tensor, as report.schema.json has `tensors`; `shapes` are those for one image."""
    rows = []
    for number, (row, shape) in enumerate(zip(measured.comparison.tensors, shapes, strict=True)):
        seen = measured.statistics.get(row.name)
        rows.append(
            {
                "name": row.name,
                "layer": number,
                "kind": row.kind,
                "shape": shape_of(shape),
                "fast": _ours(row),
                "other": None if measured.other is None else _theirs(row),
                "activation": None if seen is None else activation(seen),
            }
        )
    return rows


def _ours(row: TensorRow) -> dict[str, Any]:
    """The fast engine's tensor beside float64."""
    departs = row.ours_excess > 1
    reason = f"an error {row.ours_excess:.3g} times the noise floor of all before it" if departs else ""
    return {
        **_difference(row.ours),
        "floor": row.ours_floor,
        "excess": plain(row.ours_excess),
        "verdict": "departs" if departs else "agrees",
        "reason": reason,
    }


def _theirs(row: TensorRow) -> dict[str, Any]:
    """The other runtime's tensor beside float64, and beside what float64 makes of its own inputs."""
    return {
        **_difference(row.theirs),
        "local_relative_l2": None if row.local is None else plain(row.local.relative_l2),
        "floor": row.floor,
        "excess": plain(row.excess),
        "verdict": row.verdict,
        "reason": row.reason,
    }


def _difference(found: Difference | None) -> dict[str, Any]:
    """The three figures; None for what was not seen, or is not finite."""
    return {
        "relative_l2": None if found is None else plain(found.relative_l2),
        "max_abs": None if found is None else plain(found.max_abs),
        "one_minus_cosine": None if found is None else max(0.0, 1 - found.cosine),
    }


def agreement(measured: Measured, images: Sequence[str]) -> dict[str, Any]:
    """The verdicts, as report.schema.json has `agreement`."""
    comparison = measured.comparison
    verdict = comparison.embedding
    if verdict is not None and len(verdict.images) != len(images):
        verdict = None  # the output's first axis is not the batch
    between = None if measured.other is None else verdict
    return {
        "images": list(images),
        "agrees": measured.agrees,
        "fast": _our_side(comparison),
        "other": None if measured.other is None else _their_side(comparison),
        "embeddings": [] if verdict is None else _embeddings(verdict, images, alone=measured.other is None),
        "margin": None if between is None else between.margin,
        "sentence": None if between is None else between.sentence,
    }


def _our_side(comparison: Comparison) -> dict[str, Any]:
    """The fast engine as a whole."""
    departing = [n for n, row in enumerate(comparison.tensors) if row.ours_excess > 1]
    outputs = [_output(row, row.ours, row.ours_excess) for row in comparison.outputs]
    count = len(comparison.tensors)
    return {
        "name": FAST,
        "notes": [UNFUSED],
        "agrees": not departing and all(row["verdict"] == "agrees" for row in outputs),
        "summary": f"{len(departing)} of {count} tensors of {FAST} depart from float64, the first is "
        f"{comparison.tensors[departing[0]].name}"
        if departing
        else f"{count} of {count} tensors of {FAST} agree with float64 within the noise floor",
        "compared": count,
        "departures": len(departing),
        "first_departure": departing[0] if departing else None,
        "outputs": outputs,
    }


def _their_side(comparison: Comparison) -> dict[str, Any]:
    """The other runtime as a whole."""
    departing = [n for n, row in enumerate(comparison.tensors) if row.verdict == "departs"]
    outputs = [_output(row, row.theirs, row.theirs_excess) for row in comparison.outputs]
    return {
        "name": comparison.other,
        "notes": [note for note in comparison.notes if note != UNFUSED],
        "agrees": not departing and all(row["verdict"] == "agrees" for row in outputs),
        "summary": comparison.summary,
        "compared": comparison.compared,
        "departures": len(departing),
        "first_departure": departing[0] if departing else None,
        "outputs": outputs,
    }


def _output(row: OutputRow, found: Difference, excess: float) -> dict[str, Any]:
    """One output end to end, beside float64."""
    return {
        "name": row.name,
        **_difference(found),
        "floor": row.floor,
        "excess": plain(excess),
        "verdict": "agrees" if excess <= 1 else "departs",
    }


def _embeddings(verdict: EmbeddingVerdict, images: Sequence[str], *, alone: bool) -> list[dict[str, Any]]:
    """Each image's embedding from either side, beside float64; `alone` if there is no other runtime."""
    return [
        {
            "image": image,
            "fast_relative_l2": found.ours_relative_l2,
            "other_relative_l2": None if alone else found.theirs_relative_l2,
            "angle_degrees": None if alone else found.angle_degrees,
            "one_minus_cosine": None if alone else found.one_minus_cosine,
        }
        for image, found in zip(images, verdict.images, strict=True)
    ]
