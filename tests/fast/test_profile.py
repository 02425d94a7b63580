"""The profile: every piece of a plan is timed, in the order and the number of times in which it runs."""

import numpy as np
import pytest

import refnet.fast
from refnet.fast import profile as module
from refnet.fast.profile import profile
from refnet.graph import Graph, Node, Tensor
from tests.fast.single import Conv

MIXED = Graph(
    "mixed",
    (Tensor("x", "float32", (1, 16, 6, 6)),),
    (Tensor("y", "float32", (1, 16, 6, 6)),),
    (
        Node("first", "Conv", ("x", "w"), "a", Conv(16, 16, 6, 6).attributes),
        Node("soft", "Softmax", ("a",), "b", {"axis": 1}),
        Node("last", "Conv", ("b", "w"), "y", Conv(16, 16, 6, 6).attributes),
    ),
    {"w": np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype(np.float32)},
)


def faces(count):
    return {"data": np.random.default_rng(0).integers(0, 256, (count, 3, 112, 112)).astype(np.float32)}


@pytest.mark.parametrize(
    ("threads", "images", "at_once", "apart"),
    [(1, 1, 1, False), (1, 11, 8, False), (2, 1, 1, False), (2, 5, 4, True)],
)
def test_every_piece_takes_time(narrow, threads, images, at_once, apart):
    engine = refnet.fast.compile(narrow, threads=threads)
    timed = profile(engine, faces(images), passes=2)
    assert (timed.images, timed.threads, timed.apart) == (at_once, threads, apart)
    assert timed.costs == engine.plan.costs
    assert len(timed.seconds) == len(timed.costs)
    assert min(timed.seconds) > 0
    assert timed.whole_seconds > 0


def test_nodes_without_a_kernel_are_timed_among_the_steps():
    engine = refnet.fast.compile(MIXED, threads=1)
    timed = profile(engine, {"x": np.ones((3, 16, 6, 6))}, passes=2)
    assert "definition of Softmax" in [cost.kernel for cost in timed.costs]
    assert min(timed.seconds) > 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", [1, 5])
def test_what_is_timed_is_the_computation_itself(narrow, monkeypatch, threads, images):
    """The steps driven one by one leave in their arena what a run returns."""
    arenas, zeros = [], module.pack.zeros

    def kept(size):
        arenas.append(zeros(size))
        return arenas[-1]

    engine = refnet.fast.compile(narrow, threads=threads)
    feeds = faces(images)
    expected = engine.run(feeds)["fc1"]
    monkeypatch.setattr(module.pack, "zeros", kept)
    timed = profile(engine, feeds, passes=1)
    each = timed.images // (threads if timed.apart else 1)
    storage = engine.plan.outputs["fc1"]
    left = [module.view(arena, storage, each) for arena in arenas[: timed.images // each]]
    assert np.array_equal(np.concatenate(left), expected[: timed.images])


def test_the_overhead_is_the_median_of_the_ratios_within_a_pass(narrow, monkeypatch):
    """A clock that every look moves on by a second: a step takes one; a run, timed as a whole, one too."""
    engine = refnet.fast.compile(narrow, threads=1)
    ticks = iter(range(10**6))
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    timed = profile(engine, faces(1), passes=3)
    assert timed.seconds == (1.0,) * len(timed.costs)
    assert timed.whole_seconds == 1.0
    assert timed.overhead == len(timed.costs) - 1
