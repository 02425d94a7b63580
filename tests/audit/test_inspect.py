"""The counts of a model, published and plain."""

import json

import pytest

from refnet.audit.inspect import inspect_network, published_counts
from refnet.graph import Graph
from refnet.network import Network
from refnet.ops.inference import infer
from tests.audit.blank import blank_graph


@pytest.fixture(scope="module")
def blank() -> Graph:
    return blank_graph()


def test_the_published_figures_of_the_real_graph_come_out_to_the_last_digit(blank: Graph) -> None:
    flops, parameters = published_counts(blank, infer(blank, {"data": (1, 3, 112, 112)}))
    assert flops == 24_211_475_968
    assert parameters == 65_131_970


def test_the_plain_figures_of_the_real_graph(blank: Graph) -> None:
    inspection = inspect_network(Network(blank))
    assert inspection.macs == 12_089_606_144
    assert inspection.stored_floats == 65_225_794
    assert len(inspection.layers) == 412
    assert inspection.conformance.conforms
    assert inspection.operators["BatchNormalization"] == 154


def test_a_layer_is_its_shape_its_cost_and_its_own_numbers(blank: Graph) -> None:
    layers = {layer.name: layer for layer in inspect_network(Network(blank)).layers}
    conv = layers["stage1_unit1_conv2"]
    assert (conv.op, conv.output_shape, conv.flops, conv.parameters) == (
        "Conv",
        (1, 64, 56, 56),
        2 * 115_605_504,
        36_864,
    )
    assert conv.macs == 115_605_504
    head = layers["pre_fc1"]
    assert (head.macs, layers["bn1"].macs) == (512 * 25_088, 0)
    assert (head.output_shape, head.parameters) == ((1, 512), 12_845_056 + 512)


def test_a_narrow_model_is_told_apart_and_says_it_is_synthetic(narrow: Graph) -> None:
    inspection = inspect_network(Network(narrow))
    assert inspection.conformance.departure == "conv0: conv0_weight has shape (4, 3, 3, 3); expected (64, 3, 3, 3)"
    assert inspection.synthetic is not None
    assert inspection.synthetic.startswith("synthetic weights")


def test_json_has_a_schema_version_and_survives_a_round_trip(narrow: Graph) -> None:
    table = inspect_network(Network(narrow)).to_json()
    again = json.loads(json.dumps(table))
    assert again["schema_version"] == 1
    assert again["layers"][3]["name"] == "conv0"
    assert again["layers"][3]["output_shape"] == [1, 4, 112, 112]
