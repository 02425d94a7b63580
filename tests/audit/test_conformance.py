"""Whether a graph is an LResNet100E-IR, and where it first is not."""

from dataclasses import replace

import numpy as np
import pytest

from refnet.audit.conformance import conformance
from refnet.graph import Graph, Node
from tests.audit.blank import blank_graph


@pytest.fixture(scope="module")
def blank() -> Graph:
    return blank_graph()


def _edit(graph: Graph, name: str, **changes: object) -> Graph:
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in graph.nodes)  # type: ignore[arg-type]
    assert nodes != graph.nodes
    return replace(graph, nodes=nodes)


def _without_idle_operators(graph: Graph) -> Graph:
    """As other exporters write it: no Identity, no Dropout, slopes (C, 1, 1) with no Reshape."""
    alias: dict[str, str] = {}
    constants = dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if node.op in ("Identity", "Dropout"):
            alias[node.output] = inputs[0]
        elif node.op == "Reshape":
            constants[inputs[0]] = constants[inputs[0]].reshape(-1, 1, 1)
            alias[node.output] = inputs[0]
        else:
            nodes.append(replace(node, inputs=inputs))
    return replace(graph, nodes=tuple(nodes), constants=constants)


def test_the_real_graph_conforms(blank: Graph) -> None:
    assert conformance(blank).conforms


def test_idle_operators_may_be_missing(blank: Graph) -> None:
    assert conformance(_without_idle_operators(blank)).conforms


def test_names_and_the_order_of_the_shortcut_may_differ(blank: Graph) -> None:
    rename = {node.output: f"node_{i}" for i, node in enumerate(blank.nodes) if node.output != "fc1"}
    nodes = [
        replace(
            node,
            name="",
            output=rename.get(node.output, "fc1"),
            inputs=tuple(rename.get(name, name) for name in node.inputs),
        )
        for node in blank.nodes
    ]
    shortcut = next(i for i, node in enumerate(blank.nodes) if node.name == "stage2_unit1_conv1sc")
    start = next(i for i, node in enumerate(blank.nodes) if node.name == "stage2_unit1_bn1")
    moved = nodes[:start] + nodes[shortcut : shortcut + 2] + nodes[start:shortcut] + nodes[shortcut + 2 :]
    assert conformance(replace(blank, nodes=tuple(moved))).conforms


def test_the_sum_may_be_written_either_way_round(blank: Graph) -> None:
    node = next(node for node in blank.nodes if node.name == "_plus7")
    assert conformance(_edit(blank, "_plus7", inputs=node.inputs[::-1])).conforms


@pytest.mark.parametrize(
    ("name", "changes", "departure"),
    [
        ("stage3_unit9_bn2", {"epsilon": 1e-5}, "stage3_unit9_bn2: epsilon is 1e-05; expected 1.99999"),
        ("stage2_unit1_conv1", {"stride": (2, 2)}, r"stage2_unit1_conv1: stride is \(2, 2\); expected \(1, 1\)"),
        ("stage4_unit1_conv1sc", {"padding": (1, 1, 1, 1)}, "stage4_unit1_conv1sc: padding"),
        ("pre_fc1", {"trans_b": 0}, "pre_fc1: trans_b is 0; expected 1"),
    ],
)
def test_a_changed_attribute_is_named(blank: Graph, name: str, changes: dict[str, object], departure: str) -> None:
    node = next(node for node in blank.nodes if node.name == name)
    result = conformance(_edit(blank, name, attributes={**node.attributes, **changes}))
    assert not result.conforms
    assert result.departure.startswith(name)
    with pytest.raises(AssertionError, match=departure):
        raise AssertionError(result.departure)


def test_a_weight_of_another_shape_is_named(blank: Graph) -> None:
    constants = {**blank.constants, "conv0_weight": np.zeros((4, 3, 3, 3), np.float32)}
    departure = conformance(replace(blank, constants=constants)).departure
    assert departure == "conv0: conv0_weight has shape (4, 3, 3, 3); expected (64, 3, 3, 3)"


def test_another_scaling_is_named(blank: Graph) -> None:
    constants = {**blank.constants, "scalar_op3": np.array([1 / 127.5], np.float32)}
    assert "scalar_op3 is 0.00784314; expected 0.0078125" in conformance(replace(blank, constants=constants)).departure


def test_a_missing_unit_shows_where_the_next_stage_should_begin() -> None:
    departure = conformance(blank_graph((3, 13, 29, 3))).departure
    assert departure.startswith("stage3_unit30_conv1: ")


def test_an_activation_of_another_kind_is_named(blank: Graph) -> None:
    node = next(node for node in blank.nodes if node.name == "stage1_unit2_relu1")
    departure = conformance(_edit(blank, node.name, op="Relu", inputs=node.inputs[:1])).departure
    assert departure == ("stage1_unit2_relu1: expected PRelu on stage1_unit2_bn2; the file has Relu stage1_unit2_relu1")


def test_what_comes_after_the_embedding_is_named(blank: Graph) -> None:
    extra = Node("norm", "ReduceL2", ("fc1",), "length", {"axes": (1,), "keepdims": 1})
    graph = replace(blank, nodes=(*blank.nodes, extra), outputs=(replace(blank.outputs[0], name="length"),))
    assert conformance(graph).departure == "the graph goes on after fc1, to length"
