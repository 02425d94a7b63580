"""How long each step of an engine takes, run by itself.

A step runs with its team as it does within a network, many times in a row, on whatever the arena holds; what waking the
team and entering compiled code takes is measured and subtracted. A step's data are in the caches if they fit there:
the sum over all steps is less than a run takes.
"""

import statistics
import time
from dataclasses import dataclass

import numpy as np

from refnet.fast.kernels.driver import drive
from refnet.fast.plan import Compiled
from refnet.fast.run import Engine
from refnet.fast.steps import Described
from refnet.graph import Array


@dataclass(frozen=True)
class Timed:
    """A step, and the median of its seconds for all images together."""

    step: Described
    seconds: float


def profile(engine: Engine, images: int, rounds: int = 15) -> list[Timed]:
    """Time every compiled step for so many images, at most the plan's capacity; the engine has run before."""
    plan, arena, current = engine.plan, engine.arena, np.zeros_like(engine.plan.steps, shape=engine.team.threads)
    segments = [row for part in plan.parts if isinstance(part, Compiled) for row in part.segments]
    together = {n: int(group) for first, last, group in segments for n in range(first, last)}

    def seconds(rows: Array) -> float:
        def work(rank: int) -> None:
            drive(
                plan.steps, rows, current, plan.weights, arena, images, rank, engine.team.threads, engine.team.meeting
            )

        taken = []
        for _ in range(rounds):
            begun = time.perf_counter()
            engine.team.run(work)
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    nothing = seconds(np.zeros((0, 3), np.int64))
    return [
        Timed(step, max(0.0, seconds(np.array([(n, n + 1, together[n])], np.int64)) - nothing))
        for n, step in enumerate(plan.described)
    ]
