import numpy as np
import pytest

from refnet.fast.simplify.scaling import collect_scalings, merge_scalings, scaling_of
from tests.comparison import assert_within
from tests.fast.simplify.graphs import CHANNELS, SIZE, Build, assert_same, known, ops


@pytest.mark.parametrize(
    ("op", "constant_first"),
    [("Add", False), ("Add", True), ("Sub", False), ("Sub", True), ("Mul", False), ("Mul", True), ("Div", False)],
)
@pytest.mark.parametrize("shape", [(), (1,), (CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1, 1, 1)])
def test_arithmetic_with_a_number_a_channel_is_a_scaling(op, constant_first, shape):
    build = Build()
    values = build.constant(np.resize([2.0, 0.5, -4.0, 1.0], shape).astype(np.float32))
    build.node(op, *((values, "x") if constant_first else ("x", values)))
    graph = build.graph()
    simpler = collect_scalings(graph, known(graph))
    assert scaling_of(simpler, simpler.nodes[0])
    assert_same(graph, simpler)


@pytest.mark.parametrize(
    "values",
    [
        np.ones((SIZE,), np.float32),  # columns
        np.ones((SIZE, SIZE), np.float32),
        np.ones((CHANNELS, SIZE, 1), np.float32),
        np.ones((1, 1, CHANNELS, 1, 1), np.float32),  # stretches x
        np.ones((3, CHANNELS, 1, 1), np.float32),
    ],
)
def test_arithmetic_with_anything_else_is_none(values):
    build = Build()
    build.node("Add", "x", build.constant(values))
    graph = build.graph()
    simpler = collect_scalings(graph, known(graph, 1))
    assert simpler.nodes == graph.nodes


def test_dividing_by_zero_or_a_constant_by_the_image_is_left_alone():
    build = Build()
    build.node("Div", "x", build.constant(np.float32(0)))
    build.node("Div", build.constant(np.float32(1)), "x")
    build.node("Add", "x", "x")
    graph = build.graph()
    assert collect_scalings(graph, known(graph)).nodes == graph.nodes


def test_normalisation_becomes_a_scaling_and_keeps_its_name():
    build = Build()
    build.normalise("x")
    graph = build.graph()
    simpler = collect_scalings(graph, known(graph))
    scaling = scaling_of(simpler, simpler.nodes[0])
    gamma, beta, mean, var = (graph.constants[name] for name in graph.nodes[0].inputs[1:])
    assert_within(scaling.scale, gamma / np.sqrt(var + 0.125))
    assert_within(scaling.shift, beta - mean * gamma / np.sqrt(var + 0.125))
    assert_same(graph, simpler)


def test_scalings_in_a_row_become_one():
    build = Build()
    y = build.normalise(build.node("Mul", "x", build.constant(np.float32(0.5))))
    build.node("Sub", y, build.constant(np.float32(3)))
    graph = build.graph()
    simpler = merge_scalings(collect_scalings(graph, known(graph)))
    assert len(simpler.nodes) == 1
    assert_same(graph, simpler)


def test_a_scaling_that_something_else_reads_is_not_merged_away():
    build = Build()
    first = build.normalise("x")
    second = build.normalise(first)
    build.node("Add", build.node("Relu", first), second)
    graph = build.graph()
    simpler = merge_scalings(collect_scalings(graph, known(graph)))
    assert ops(simpler).count("BatchNormalization") == 2
    assert_same(graph, simpler)
