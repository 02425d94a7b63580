"""The profile of an engine, and what is said of its steps."""

import numpy as np
import pytest

import refnet.fast
from refnet.fast.profile import profile
from refnet.graph import Graph


@pytest.mark.parametrize("threads", [1, 2])
def test_every_step_is_timed_by_its_name(narrow: Graph, threads: int) -> None:
    engine = refnet.fast.compile(narrow, threads=threads)
    images = {"data": np.zeros((2, 3, 112, 112), np.float32)}
    before = engine.run(images)["fc1"]
    timed = profile(engine, 2, rounds=3)
    assert [one.step for one in timed] == list(engine.plan.described)
    assert all(one.seconds >= 0 for one in timed)
    assert sum(one.seconds for one in timed) > 0
    assert np.array_equal(engine.run(images)["fc1"], before)


def test_winograds_products_are_counted(narrow: Graph) -> None:
    steps = {step.name: step for step in refnet.fast.compile(narrow).plan.described}
    step = steps["stage3_unit2_conv1"]
    assert step.kernel == "winograd_3x3"
    assert step.executed_flops / step.flops == pytest.approx(484 / 1764)  # 14 = 4 + 4 + 4 + 2
    assert steps["conv0"].executed_flops == steps["conv0"].flops


def test_a_plan_prints_as_a_table(narrow: Graph) -> None:
    head, *lines = str(refnet.fast.compile(narrow).plan).splitlines()
    assert head.split() == ["layer", "kernel", "output", "MFLOP", "executed", "share", "weights", "MB", "together"]
    assert len(lines) > 100
    assert sum(float(line.split("%")[0].split()[-1]) for line in lines) == pytest.approx(100, abs=6)
