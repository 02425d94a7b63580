"""Running a plan: arguments, turns, memory, forks."""

import os
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import refnet.fast
from refnet.errors import ShapeError, UsageError
from refnet.fast.plan import CAPACITY
from tests.fast.single import Conv

CASE = Conv(16, 32, 14, 14, slope=True, residual=True, second=True)


@pytest.fixture(scope="module")
def engine():
    return refnet.fast.compile(CASE.graph(0), threads=2)


@pytest.fixture(scope="module")
def feeds():
    return CASE.feeds(2 * CAPACITY * 2 + 3, 0)


def cut(feeds, first, last):
    return {name: value[first:last] for name, value in feeds.items()}


def test_a_missing_input_is_refused(engine, feeds):
    with pytest.raises(UsageError, match=r"input 'r' is missing; expected \['r', 'x'\]"):
        engine.run({"x": feeds["x"]})


def test_an_unknown_input_is_refused(engine, feeds):
    with pytest.raises(UsageError, match=r"inputs \['data'\] are unknown; expected \['r', 'x'\]"):
        engine.run({**feeds, "data": feeds["x"]})


def test_another_size_is_refused(engine, feeds):
    with pytest.raises(ShapeError, match=r"input 'x' has shape \(2, 16, 13, 14\); expected \(N, 16, 14, 14\)"):
        engine.run({**cut(feeds, 0, 2), "x": feeds["x"][:2, :, 1:]})


def test_different_numbers_of_images_are_refused(engine, feeds):
    with pytest.raises(ShapeError, match=r"inputs have \[1, 2\] images; expected the same number in all"):
        engine.run({"x": feeds["x"][:1], "r": feeds["r"][:2]})


def test_no_images_give_no_results(engine, feeds):
    assert engine.run(cut(feeds, 0, 0))["z"].shape == (0, 32, 14, 14)


def test_numbers_of_other_kinds_are_converted(engine, feeds):
    x = np.rint(feeds["x"][:2] * 20).astype(np.int64)
    expected = engine.run({"x": x.astype(np.float32), "r": feeds["r"][:2]})
    strided = np.asfortranarray(x.astype(np.float64))
    assert np.array_equal(engine.run({"x": strided, "r": feeds["r"][:2]})["z"], expected["z"])


@pytest.mark.parametrize("count", [1, 2, 3, CAPACITY, CAPACITY + 1, 2 * CAPACITY + 1, 4 * CAPACITY + 3])
def test_batches_of_any_size_are_computed_in_turns(engine, feeds, count):
    together = engine.run(cut(feeds, 0, count))
    last = engine.run(cut(feeds, count - 1, count))
    assert all(np.array_equal(value[-1], last[name][0]) for name, value in together.items())


def test_results_belong_to_the_caller(engine, feeds):
    first = engine.run(cut(feeds, 0, 1))
    kept = first["z"].copy()
    engine.run(cut(feeds, 1, 2))
    assert np.array_equal(first["z"], kept)


def test_a_run_allocates_nothing_but_its_results(engine, feeds):
    one = cut(feeds, 0, 1)
    size = sum(value.nbytes for value in engine.run(one).values())
    tracemalloc.start()
    engine.run(one)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size + 16384


def test_many_callers_take_turns(engine, feeds):
    expected = [engine.run(cut(feeds, i, i + 3))["z"] for i in range(4)]
    wrong = []

    def call(i):
        for _ in range(10):
            if not np.array_equal(engine.run(cut(feeds, i, i + 3))["z"], expected[i]):
                wrong.append(i)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_an_engine_outlives_a_fork(engine, feeds):
    expected = engine.run(cut(feeds, 0, 3))["z"]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(engine.run(cut(feeds, 0, 3))["z"], expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
