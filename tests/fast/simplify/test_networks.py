import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.fast.simplify import simplify
from refnet.fast.simplify.folding import fold_after_layers, fold_before_layers, scale_after_flattening
from refnet.fast.simplify.layers import name_layers
from refnet.fast.simplify.scaling import collect_scalings
from refnet.reference import run, stream
from tests.comparison import assert_within
from tests.fast.simplify.graphs import CHANNELS, Build, assert_same, known, ops, simplified


@given(seed=st.integers(0, 2**32 - 1))
def test_any_chain_of_layers_is_left_with_what_it_computes(seed):
    random = np.random.default_rng(seed)
    build = Build(seed=seed)
    held, channels = ["x"], CHANNELS
    for _ in range(random.integers(1, 8)):
        x = held[random.integers(max(0, len(held) - 3), len(held))]
        choice = random.integers(7)
        if choice == 0:
            held.append(build.conv(x, size=1, padding=0, bias=bool(random.integers(2))))
        elif choice == 1:
            held.append(build.conv(x, groups=int(random.choice([1, 2, 4])), bias=bool(random.integers(2))))
        elif choice == 2:
            held.append(build.normalise(x, channels))
        elif choice == 3:
            held.append(build.node("Relu", x))
        elif choice == 4:
            held.append(build.node("Add", x, held[random.integers(len(held))]))
        elif choice == 5:
            held.append(build.node("Mul", x, build.weights(CHANNELS, 1, 1)))
        else:
            held.append(build.node("Identity", x))
    graph = build.graph(*{held[-1], held[random.integers(1, len(held))]})
    assert_same(graph, simplified(graph))


def test_the_network_keeps_every_activation_that_is_left(narrow):
    simpler = simplify(narrow, {"data": (2, 3, 112, 112)})
    feeds = {"data": np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float64)}
    before, after = (dict(stream(each, feeds)) for each in (narrow, simpler))
    common = before.keys() & after.keys()
    assert {f"_plus{n}" for n in range(49)} <= common
    for name in common:
        largest = abs(before[name]).max()
        assert_within(after[name], before[name], 1e-12 * largest)  # 2**-53 and a thousand layers' worth of it


def test_the_network_is_left_with_as_little_as_there_can_be(narrow):
    left = ops(simplify(narrow, {"data": (2, 3, 112, 112)}))
    assert {op: left.count(op) for op in left} == {
        "BatchNormalization": 50,  # one for the input, one before each unit's first convolution
        "Conv": 103,
        "PRelu": 50,
        "Add": 49,
        "Flatten": 1,
        "Gemm": 1,
    }


def test_simplifying_twice_is_simplifying_once(narrow):
    once = simplify(narrow, {"data": (2, 3, 112, 112)})
    twice = simplify(once, {"data": (2, 3, 112, 112)})
    assert ops(once) == ["BatchNormalization" if op == "Scaling" else op for op in ops(twice)]
    feeds = {"data": np.zeros((1, 3, 112, 112))}
    assert_within(run(twice, feeds)["fc1"], run(once, feeds)["fc1"])


def test_passes_leave_the_graph_they_are_given_alone(narrow):
    nodes, names = narrow.nodes, set(narrow.constants)
    simplify(narrow, {"data": (2, 3, 112, 112)})
    assert narrow.nodes == nodes
    assert set(narrow.constants) == names


@pytest.mark.parametrize(
    "simpler", [name_layers, collect_scalings, fold_after_layers, fold_before_layers, scale_after_flattening]
)
def test_each_pass_alone_keeps_what_the_network_computes(simpler):
    build = Build()
    x = build.normalise(build.conv(build.normalise("x"), padding=0))
    x = build.node("Flatten", build.normalise(build.node("Relu", x)), axis=1)
    build.normalise(build.gemm(x, CHANNELS * 9), 3)
    graph = build.graph()
    collected = collect_scalings(graph, known(graph))
    assert_same(graph, simpler(collected, known(collected)))
