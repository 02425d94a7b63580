"""The growing of graphs: every operator has a recipe, a seed is a graph, and what is grown is valid and understood."""

from collections import Counter

import numpy as np
import onnx
import pytest

from refnet.ops import OPERATORS
from tests.fuzz.bounds import RULES
from tests.fuzz.graphs import OPSETS, grown
from tests.fuzz.growth import topological
from tests.fuzz.judging import operators, reordered
from tests.fuzz.recipes import RECIPES

COUNT = 400


@pytest.fixture(scope="module")
def graphs():
    return [grown((5, i)) for i in range(COUNT)]


def test_every_operator_has_a_recipe_and_a_bound():
    assert set(RECIPES) == set(OPERATORS)
    assert set(RULES) == set(OPERATORS)


def test_every_operator_is_grown_often(graphs):
    counts = Counter(op for graph in graphs for op in set(operators(graph.model)))
    assert {op: counts[op] for op in OPERATORS if counts[op] < COUNT // 50} == {}


def test_the_same_seed_is_the_same_graph_and_the_same_feeds(graphs):
    for i in (0, 17):
        again = grown((5, i))
        assert again.model == graphs[i].model
        for name, array in again.feeds(3).items():
            assert np.array_equal(array, graphs[i].feeds(3)[name])
    assert graphs[0].model != graphs[1].model


def test_graphs_differ_in_all_that_is_drawn(graphs):
    models = [graph.model for graph in graphs]
    assert {model.opset_import[0].version for model in models} == set(OPSETS)
    assert {graph.batch for graph in graphs} == {1, 2, 3, 4, 5, 9, 17}
    assert {graph.free for graph in graphs} == {False, True}
    assert {len(model.graph.input) > 1 for model in models} == {False, True}
    outputs = [{output.name for output in model.graph.output} for model in models]
    assert any(len(names) > 1 for names in outputs)
    for kind in ("input", "initializer"):
        assert any({it.name for it in getattr(m.graph, kind)} & names for m, names in zip(models, outputs, strict=True))
    read = [{name for node in model.graph.node for name in node.input} for model in models]
    assert any(names & reading for names, reading in zip(outputs, read, strict=True))


def test_an_order_is_topological_and_orders_differ(graphs):
    random = np.random.default_rng(0)
    differing = 0
    for graph in graphs[:50]:
        nodes = list(reordered(graph.model, random).graph.node)
        there = {entry.name for entry in (*graph.model.graph.input, *graph.model.graph.initializer)} | {""}
        for node in nodes:
            assert there.issuperset(node.input)
            there.update(node.output)
        assert sorted(node.output[0] for node in nodes) == sorted(node.output[0] for node in graph.model.graph.node)
        differing += nodes != list(graph.model.graph.node)
    assert differing > 25


def test_a_diamond_is_ordered_in_both_ways():
    make = onnx.helper.make_node
    nodes = [make("Relu", ["x"], ["a"]), make("Sqrt", ["x"], ["b"]), make("Add", ["a", "b"], ["y"])]
    random = np.random.default_rng(0)
    orders = {tuple(node.output[0] for node in topological(nodes, random)) for _ in range(50)}
    assert orders == {("a", "b", "y"), ("b", "a", "y")}


def test_special_feeds_hold_what_is_special():
    fed = np.concatenate(
        [x.ravel() for i in range(20) for x in grown((6, i), special=True).feeds(2).values() if x.dtype == np.float32]
    )
    assert np.isnan(fed).any()
    assert np.isinf(fed).any()
    assert np.signbit(fed[fed == 0]).any()
    assert np.isfinite(fed).mean() > 0.8
