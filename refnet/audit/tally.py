"""One tensor's figures, counted up over portions of the images."""

import math
from dataclasses import dataclass, field

import numpy as np

from refnet.audit.comparison import Kind, TensorRow, Verdict
from refnet.audit.difference import Sums
from refnet.audit.floor import excess, noise_floor
from refnet.audit.steps import Step
from refnet.graph import Array, Node, Shape


@dataclass
class Tally:
    """Counts up; becomes a row."""

    node: Node
    kind: Kind
    shape: Shape = ()
    theirs: Sums = field(default_factory=Sums)
    local: Sums = field(default_factory=Sums)
    floor: float = 0.0  # sum of squares
    length: float = 0.0  # sum of squares
    excess: float = 0.0
    reason: str = ""
    absent: bool = False
    ours: Sums = field(default_factory=Sums)
    ours_floor: float = 0.0  # sum of squares
    ours_excess: float = 0.0
    between: Sums = field(default_factory=Sums)

    def add(self, step: Step, ours: Array) -> None:
        """Count one portion; `ours` is the tensor as the network's own engine has it."""
        self.ours = self.ours.and_of(ours, step.exact)
        if ours is not step.exact:
            self._judge_ours(step, ours)
        self.shape = _together(self.shape, step.exact.shape) if self.kind == "data" else step.exact.shape
        if step.theirs is None:
            self.absent = True
        elif step.theirs.shape != step.predicted.shape:
            self.reason = f"it has shape {step.theirs.shape}, expected {step.predicted.shape}"
            self.theirs = self.local = self.between = Sums.unequal()
        else:
            self.theirs = self.theirs.and_of(step.theirs, step.exact)
            self.between = self.between.and_of(ours, step.theirs)
            self.local = self.local.and_of(step.theirs, step.predicted)
            if np.isfinite(step.theirs).all():
                self._judge(step)
            else:
                self.reason = "it holds NaN or infinite values"

    def _judge_ours(self, step: Step, ours: Array) -> None:
        """Hold every element of ours against the floor of all that was computed up to here."""
        floor = noise_floor(ours, step.our_variance)
        ratios = excess(ours, step.exact, floor)
        self.ours_floor += float(np.square(np.broadcast_to(floor, ratios.shape)).sum())
        self.ours_excess = max(self.ours_excess, float(np.nan_to_num(ratios, nan=np.inf).max(initial=0.0)))

    def _judge(self, step: Step) -> None:
        """Hold every element against its floor."""
        assert step.theirs is not None
        floor = noise_floor(step.theirs, step.variance)
        ratios = excess(step.theirs, step.predicted, floor)
        self.floor += float(np.square(np.broadcast_to(floor, ratios.shape)).sum())
        self.length += float(np.square(step.predicted, dtype=np.float64).sum())
        worst = float(ratios.max(initial=0.0))
        if worst > max(1.0, self.excess):
            where = np.unravel_index(int(ratios.argmax()), ratios.shape)
            self.reason = (
                f"{step.theirs[where]:.9g} at {tuple(map(int, where))}, expected {step.predicted[where]:.9g} "
                f"from the same inputs; {worst:.3g} times the noise floor"
            )
        self.excess = max(self.excess, worst)

    def row(self) -> TensorRow:
        """The figures."""
        verdict: Verdict = "departs" if self.reason else "absent" if self.absent else "agrees"
        return TensorRow(
            name=self.node.output,
            op=self.node.op,
            kind=self.kind,
            shape=self.shape,
            theirs=None if self.absent else self.theirs.figures(),
            ours=self.ours.figures(),
            ours_floor=math.sqrt(self.ours_floor / self.ours.expected) if self.ours.expected else 0.0,
            ours_excess=self.ours_excess,
            between=None if self.absent else self.between.figures(),
            local=None if self.absent else self.local.figures(),
            floor=math.sqrt(self.floor / self.length) if self.length else 0.0,
            excess=self.excess,
            verdict=verdict,
            reason=self.reason,
        )


def _together(counted: Shape, portion: Shape) -> Shape:
    """The shape of both portions together, along the batch."""
    return (counted[0] + portion[0], *portion[1:]) if counted and portion else portion
