"""What a plan says its layers cost, beside counts made by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refnet.fast.costs import Cost, expected_shares, table_of, winograd_flops
from refnet.fast.plan import make_plan
from refnet.graph import Graph, Node, Tensor
from refnet.ops.inference import flops, infer
from refnet.zoo.synthetic import synthetic_model
from tests.fast.single import Conv


def costs(graph, **options):
    """By name of the layer."""
    shapes = {tensor.name: tensor.shape[1:] for tensor in graph.inputs}
    return {cost.name: cost for cost in make_plan(graph, shapes, threads=1, **options).costs}


def test_a_winograd_layer_by_hand():
    """14 = 4 + 4 + 4 + 2: 22 frequencies a direction; 22 and 8 operations into a tile of 4 and 2, 18 and 6 out of it."""
    spreading = 22 * (3 * 22 + 8) + (3 * 22 + 8) * 22
    gathering = 22 * (3 * 18 + 6) + 14 * (3 * 18 + 6)
    assert winograd_flops(14, 14) == (spreading, 2 * 22 * 22, gathering)
    cost = costs(Conv(64, 64, 14, 14).graph(0))["conv"]
    assert cost.kernel == "winograd_3x3"
    assert cost.output == (64, 14, 14)
    assert cost.direct_flops == 2 * 9 * 64 * 64 * 14 * 14
    assert cost.executed_flops == 64 * spreading + 64 * 64 * 2 * 22 * 22 + 64 * gathering


@pytest.mark.parametrize(("size", "products"), [(1, 2 * 9), (2, 2 * 16), (3, 2 * 25), (4, 2 * 36), (7, 2 * 11 * 11)])
def test_a_tile_takes_as_many_products_as_it_has_frequencies(size, products):
    assert winograd_flops(size, size)[1] == products


def test_channels_are_counted_filled_up_to_panels_in_the_executed_arithmetic_only():
    case = Conv(16, 40, 9, 9, size=(1, 1), padding=(0, 0, 0, 0))
    cost = costs(case.graph(0))["conv"]
    assert (cost.kernel, cost.direct_flops) == ("direct", 2 * 16 * 40 * 81)
    assert cost.executed_flops == 2 * 16 * 64 * 81


def test_a_depthwise_layer_multiplies_no_channels():
    cost = costs(Conv(32, 32, 8, 8, depthwise=True).graph(0))["conv"]
    assert (cost.kernel, cost.executed_flops) == ("depthwise", 2 * 9 * 32 * 64)


def test_bytes_are_those_of_inputs_outputs_and_packed_weights():
    case = Conv(64, 64, 14, 14)
    usual, low = (costs(case.graph(0), low_memory=low)["conv"] for low in (False, True))
    image = 4 * 64 * 14 * 14
    assert 2 * image <= usual.activation_bytes < 2 * image * (16 / 14) ** 2 + 1  # a border beside the image is read too
    assert usual.weight_bytes - low.weight_bytes == 4 * 64 * 64 * 9  # 18 values a filter beside 9
    assert usual.bytes == usual.weight_bytes + usual.activation_bytes


def test_nodes_without_a_kernel_are_in_their_place():
    nodes = (
        Node("conv", "Conv", ("x", "w"), "a", Conv(16, 16, 4, 4).attributes),
        Node("soft", "Softmax", ("a",), "b", {"axis": 1}),
        Node("again", "Conv", ("b", "w"), "y", Conv(16, 16, 4, 4).attributes),
    )
    image = Tensor("x", "float32", (1, 16, 4, 4))
    weight = np.zeros((16, 16, 3, 3), np.float32)
    graph = Graph("mixed", (image,), (Tensor("y", "float32", image.shape),), nodes, {"w": weight})
    found = costs(graph)
    named = [name for name in found if name in ("conv", "soft", "again")]
    assert named == ["conv", "soft", "again"]
    assert found["soft"].kernel == "definition of Softmax"
    assert found["soft"].activation_bytes == 2 * 4 * 16 * 16
    assert found["soft"].weight_bytes == 0


def test_pooling_looks_at_every_value_of_a_window_and_a_sum_at_every_value():
    pool = {"kernel": (2, 3), "stride": (2, 3), "padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": 0}
    nodes = (Node("pool", "MaxPool", ("x",), "a", pool), Node("sum", "Add", ("a", "r"), "y"))
    inputs = Tensor("x", "float32", (1, 5, 8, 9)), Tensor("r", "float32", (1, 5, 4, 3))
    found = costs(Graph("two", inputs, (Tensor("y", "float32", (1, 5, 4, 3)),), nodes, {}))
    assert [found[name].kernel for name in ("pool", "sum")] == ["max_pool", "add"]
    assert [found[name].direct_flops for name in ("pool", "sum")] == [6 * 5 * 4 * 3, 5 * 4 * 3]
    assert [found[name].executed_flops for name in ("pool", "sum")] == [6 * 16 * 4 * 3, 16 * 4 * 3]


def test_the_network_costs_what_its_definition_counts_where_sums_of_products_are_concerned():
    graph = synthetic_model(0, width=Fraction(1, 16))
    known = infer(graph, {"data": (1, 3, 112, 112)})
    counted = sum(flops(node, known) for node in graph.nodes if node.op in ("Conv", "Gemm"))
    assert sum(cost.direct_flops for cost in costs(graph).values()) == pytest.approx(counted, rel=0.01)


def test_a_row_takes_as_long_as_its_arithmetic_or_its_bytes():
    rows = [Cost("a", "direct", (1,), 0, 3000, 10, 10, 1), Cost("b", "direct", (1,), 0, 10, 100, 100, 1)]
    assert expected_shares(rows) == [3000 / 4000, 5 * 200 / 4000]
    assert expected_shares([]) == []


def test_the_table_has_a_line_a_layer_and_columns_that_line_up():
    rows = [Cost("first", "direct", (64, 7, 7), 2 * 10**9, 10**9, 3 * 10**6, 10**6, 8)]
    head, line = table_of(rows)
    assert head.split() == [
        "layer",
        "kernel",
        "output",
        "GFLOP",
        "executed",
        "weights",
        "activations",
        "expected",
        "together",
    ]
    assert line.split() == ["first", "direct", "64x7x7", "2.0000", "1.0000", "3.00", "MB", "1.00", "MB", "100.0%", "8"]
    assert len(head) == len(line)
    assert math.isclose(sum(expected_shares(rows)), 1)
