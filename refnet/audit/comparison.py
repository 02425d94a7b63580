"""What comes out when a network stands beside another runtime: a row for each tensor, a row for each output, a verdict."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from refnet.audit.difference import Difference
from refnet.audit.embedding_verdict import EmbeddingVerdict

SCHEMA_VERSION = 1

Kind = Literal["data", "constant", "shape"]
Verdict = Literal["agrees", "departs", "absent"]


@dataclass(frozen=True)
class TensorRow:
    """One tensor.

    Attributes
    ----------
    name, op, shape : of the node's output; for all images together.
    kind : "data" follows from the images; "constant" from weights alone; "shape" is arithmetic on shapes.
    theirs : theirs beside float64; None if they do not show it.
    ours : ours beside float64.
    ours_floor : the length of the noise floor of all that is computed up to here, as a share of the tensor's.
    ours_excess : the largest ratio of an element's error in ours to that floor: all errors so far, not this node's alone.
    between : ours beside theirs; None if theirs is.
    local : theirs beside what float64 makes of their own inputs: the error of this node alone; None as `theirs`.
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
    ours: Difference
    ours_floor: float
    ours_excess: float
    between: Difference | None
    local: Difference | None
    floor: float
    excess: float
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class OutputRow:
    """One output of the graph, end to end, as the users of either side get it.

    Attributes
    ----------
    theirs, ours : beside float64.
    between : ours beside theirs.
    floor : the length of the noise floor of theirs, of the whole network, as a share of the output's.
    theirs_excess, ours_excess : the largest ratio of an element's error to its floor; the side departs above 1.
    verdict : "departs" if a side does.
    """

    name: str
    theirs: Difference
    ours: Difference
    between: Difference
    floor: float
    theirs_excess: float
    ours_excess: float
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
    """

    model: str
    engine: str
    other: str
    notes: tuple[str, ...]
    images: int
    tensors: tuple[TensorRow, ...]
    outputs: tuple[OutputRow, ...]
    embedding: EmbeddingVerdict | None

    @property
    def first_departure(self) -> TensorRow | None:
        """The first tensor, in the order of the graph, that departs."""
        return next((row for row in self.tensors if row.verdict == "departs"), None)

    @property
    def agrees(self) -> bool:
        """Whether no tensor and no output departs."""
        verdicts = [row.verdict for row in self.tensors] + [row.verdict for row in self.outputs]
        return "departs" not in verdicts

    @property
    def compared(self) -> int:
        """How many tensors the other has."""
        return sum(row.verdict != "absent" for row in self.tensors)

    @property
    def summary(self) -> str:
        """One sentence."""
        absent = len(self.tensors) - self.compared
        missing = f" ({absent} more are not in it)" if absent else ""
        first = self.first_departure
        if first is not None:
            count = sum(row.verdict == "departs" for row in self.tensors)
            return (
                f"{count} of {self.compared} tensors depart from {self.other}{missing}, "
                f"the first is {first.name} ({first.op}): {first.reason}"
            )
        agreement = (
            f"{self.compared} of {self.compared} tensors agree with {self.other} within the noise floor{missing}"
        )
        worst = max(self.outputs, key=lambda row: max(row.ours_excess, row.theirs_excess), default=None)
        if worst is None or worst.verdict == "agrees":
            return agreement
        whose, excess = max(("ours", worst.ours_excess), ("theirs", worst.theirs_excess), key=lambda side: side[1])
        return f"{agreement}, but end to end {whose} departs in output {worst.name}, {excess:.3g} times the noise floor"

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version; what is not finite is null."""
        first = self.first_departure
        table: dict[str, Any] = plain(
            {
                "schema_version": SCHEMA_VERSION,
                "agrees": self.agrees,
                "summary": self.summary,
                "compared": self.compared,
                "first_departure": first.name if first else None,
                **asdict(self),
            }
        )
        return table


def plain(value: Any) -> Any:
    """The same for JSON: None for numbers it has no words for, and lists for tuples."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
