"""Layers: the graph's nodes with their wiring, costs and the kernels that run them."""

from typing import Any

from tests.audit.doctor.patients import small


def test_every_node_is_a_layer_in_the_graph_s_order(document: dict[str, Any]) -> None:
    layers = document["layers"]
    assert [(r["name"], r["op"], r["output"]) for r in layers] == [(n.name, n.op, n.output) for n in small().nodes]
    outputs = {"data", *(row["output"] for row in layers)}
    for row in layers:
        assert outputs.issuperset(row["inputs"])
        assert not outputs.intersection(row["parameters"])


def test_cost_and_shape_of_the_first_convolution_by_hand(document: dict[str, Any]) -> None:
    conv = next(row for row in document["layers"] if row["name"] == "conv0")
    assert conv["shape"] == [1, 4, 112, 112]
    assert conv["macs"] == 4 * 112 * 112 * 3 * 3 * 3
    assert conv["attributes"]["stride"] == [1, 1]
    assert conv["parameters"] == ["conv0_weight"]
    assert (conv["group"], conv["unit"], conv["part"]) == ("stem", None, None)
    assert sum(row["macs"] for row in document["layers"]) == document["model"]["macs"]


def test_kernels_are_named_where_a_node_has_one(document: dict[str, Any]) -> None:
    kernels = {row["name"]: row["fast_step"] for row in document["layers"]}
    assert all(kernels[node.name] for node in small().nodes if node.op == "Conv")
    assert kernels["stage4_unit1_conv1"] == "winograd_3x3"
    assert kernels["pre_fc1"] == "dense"
    assert kernels["bn0"] is None  # folded into conv0


def test_a_slope_s_reshape_is_of_constants_alone(document: dict[str, Any]) -> None:
    alone = [row["op"] for row in document["layers"] if row["of_constants"]]
    assert set(alone) == {"Reshape"}
    assert len(alone) == sum(row["op"] == "PRelu" for row in document["layers"])
