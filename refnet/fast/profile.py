"""How long each piece of a plan takes, in the order, the company and the caches in which it really runs.

The plan's table of steps is driven one step at a time instead of a part at a time, on one thread or by the team, and
each call is timed. Between two steps there is then a return to Python, a few microseconds; what that costs is seen
from the sum over all steps beside the time of the engine's own run, which are measured by turns.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refnet.fast import pack
from refnet.fast.costs import Cost
from refnet.fast.kernels.driver import drive
from refnet.fast.kernels.step import STEP
from refnet.fast.plan import CAPACITY, Compiled, Plan
from refnet.fast.run import Engine, compute_node, view
from refnet.fast.whole import WholeEngine
from refnet.graph import Array

_ROLES = ("x", "y", "residual", "second")
_ALL_AT_ONCE = np.array([[0, 1, CAPACITY]])  # a segment of one step


@dataclass(frozen=True)
class Profile:
    """Times of one batch.

    Attributes
    ----------
    costs : what was timed, in order
    images : int
        How many were computed at once: the batch, or what goes through together of a larger one.
    threads : int
    apart : bool
        Whether every thread had images of its own, and not its share of every step.
    seconds : for each of `costs`, the median over passes
    whole_seconds : the median of the engine's run of the same images
    overhead : float
        How much longer all steps take when they are timed one by one, as a share of the whole run: the median of the
        ratios within a pass. On a machine that does other things too the sum of `seconds` is less than any pass took:
        a median forgets what disturbed a step, and something disturbs every pass.
    """

    costs: tuple[Cost, ...]
    images: int
    threads: int
    apart: bool
    seconds: tuple[float, ...]
    whole_seconds: float
    overhead: float


@dataclass(frozen=True)
class _Call:
    """One step for the images that go through it together: its table of one row, and which of `costs` it is."""

    row: int
    step: Array
    images: int


def profile(engine: Engine | WholeEngine, feeds: Mapping[str, Array], *, passes: int = 9) -> Profile:
    """Time every piece of work.

    Parameters
    ----------
    engine : Engine or WholeEngine
        No other thread may use it meanwhile.
    feeds : {graph input: (N, ...)}
        Of N images so many are used as the engine computes at once.
    passes : int
        Each also times a whole run.
    """
    plan, threads = engine.plan, engine.team.threads
    count = len(next(iter(feeds.values())))
    compiled_only = all(isinstance(part, Compiled) for part in plan.parts)
    apart = threads > 1 and compiled_only and count >= threads
    ranks = threads if apart else 1
    each = min(count // ranks, plan.capacity)
    images = {name: np.asarray(array[: ranks * each], dtype=np.float32) for name, array in feeds.items()}
    run_pass = (_apart if apart else _together)(engine, images, each)
    run_pass()
    engine.run(images)
    seconds, whole = [], []
    for _ in range(passes):
        seconds.append(run_pass())
        start = time.perf_counter()
        engine.run(images)
        whole.append(time.perf_counter() - start)
    medians = np.median(seconds, axis=0).tolist()
    overhead = statistics.median(row.sum() / run - 1 for row, run in zip(seconds, whole, strict=True))
    return Profile(plan.costs, ranks * each, threads, apart, tuple(medians), statistics.median(whole), float(overhead))


def _apart(engine: Engine | WholeEngine, images: Mapping[str, Array], each: int) -> Callable[[], Array]:
    """A pass in which every rank computes images of its own: seconds of each row, the mean of the ranks."""
    plan, team = engine.plan, engine.team
    arenas = [pack.zeros(plan.arena_size) for _ in range(team.threads)]
    calls = [call for part in _calls(plan, each) for call in part]
    nobody = np.zeros_like(team.meeting)

    def compute(rank: int, seconds: Array) -> None:
        _copy_in(plan, arenas[rank], images, rank * each, each)
        _drive(calls, seconds[rank], plan, arenas[rank], np.zeros(1, dtype=STEP), 0, 1, nobody)

    def run_pass() -> Array:
        seconds = np.zeros((team.threads, len(plan.costs)))
        team.run(compute, seconds)
        mean: Array = seconds.mean(axis=0)
        return mean

    return run_pass


def _together(engine: Engine | WholeEngine, images: Mapping[str, Array], count: int) -> Callable[[], Array]:
    """A pass in which all ranks share every step: seconds of each row, as the first rank sees them."""
    plan, team = engine.plan, engine.team
    arena, current = pack.zeros(plan.arena_size), np.zeros(team.threads, dtype=STEP)
    work = list(zip(plan.parts, _calls(plan, count), strict=True))

    def share(rank: int, calls: list[_Call], seconds: Array) -> None:
        _drive(calls, seconds[rank], plan, arena, current, rank, team.threads, team.meeting)

    def run_pass() -> Array:
        seconds: Array = np.zeros((team.threads, len(plan.costs)))
        values = dict(plan.constants)
        _copy_in(plan, arena, images, 0, count)
        for part, calls in work:
            if isinstance(part, Compiled):
                team.run(share, calls, seconds)
                continue
            start = time.perf_counter()
            compute_node(part, arena, values, count)
            seconds[0, calls[0].row] += time.perf_counter() - start
        first: Array = seconds[0]
        return first

    return run_pass


def _calls(plan: Plan, images: int) -> list[list[_Call]]:
    """For each part of a plan its calls in the order in which `drive` makes them; a generic node's has no step."""
    parts: list[list[_Call]] = []
    generic = steps = 0  # so far
    for part in plan.parts:
        if isinstance(part, Compiled):
            calls = [
                _Call(generic + n, _moved(plan, n, image), min(group, images - image))
                for first, last, group in part.segments.tolist()
                for image in range(0, images, group)
                for n in range(first, last)
            ]
            steps = int(part.segments[-1, 1])
        else:
            calls = [_Call(generic + steps, plan.steps[:0], images)]
            generic += 1
        parts.append(calls)
    return parts


def _moved(plan: Plan, number: int, image: int) -> Array:
    """One step as a table of its own, moved to the images from this one on."""
    step = plan.steps[number : number + 1].copy()
    for role in _ROLES:
        step[f"{role}_at"] += step[f"{role}_whole"] * image * step[f"{role}_image"]
    return step


def _drive(
    calls: list[_Call], seconds: Array, plan: Plan, arena: Array, current: Array, rank: int, ranks: int, meeting: Array
) -> None:
    """Make calls and add up what each took."""
    for call in calls:
        start = time.perf_counter()
        drive(call.step, _ALL_AT_ONCE, current, plan.weights, arena, call.images, rank, ranks, meeting)
        seconds[call.row] += time.perf_counter() - start


def _copy_in(plan: Plan, arena: Array, images: Mapping[str, Array], first: int, count: int) -> None:
    for name, storage in plan.inputs.items():
        view(arena, storage, count)[:] = images[name][first : first + count]
