"""The architecture as code, beside the graph it writes and the engine that runs it."""

import numpy as np
import pytest

from refnet import reference, resnet100
from refnet.graph import Graph
from refnet.zoo.samples import sample_images
from tests import localdata
from tests.comparison import assert_within


@pytest.fixture(scope="module")
def blueprint() -> resnet100.Blueprint:
    blueprint = resnet100.Blueprint()
    assert resnet100.network(blueprint, ("data", resnet100.IMAGE)) == ("fc1", (512,))
    return blueprint


def test_blueprint_has_the_nodes_of_the_real_file(blueprint: resnet100.Blueprint) -> None:
    counts: dict[str, int] = {}
    for node in blueprint.nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    assert counts == {
        "Identity": 1, "Sub": 1, "Mul": 1, "Conv": 103, "BatchNormalization": 154, "Reshape": 50, "PRelu": 50,
        "Add": 49, "Dropout": 1, "Flatten": 1, "Gemm": 1,
    }  # fmt: skip


def test_blueprint_has_the_parameters_of_the_real_file(blueprint: resnet100.Blueprint) -> None:
    floats = sum(int(np.prod(shape)) for name, shape in blueprint.parameters.items() if not name.startswith("reshape"))
    assert len(blueprint.parameters) == 823
    assert floats == 65_225_794


def test_blueprint_numbers_names_as_the_exporter_did(blueprint: resnet100.Blueprint) -> None:
    names = {node.name for node in blueprint.nodes}
    assert {"slope12", "slope26", "slope55", "slope1110", "flatten_1127", "_plus48", "stage3_unit30_bn3"} <= names


def test_every_name_and_wire_is_that_of_the_real_file(blueprint: resnet100.Blueprint) -> None:
    """Against the full lists, one line a node and an initializer, where they are at hand."""
    nodes = _numbered_lines("../facts/nodes.txt")
    initializers = _numbered_lines("../facts/initializers.txt")
    assert len(nodes) == len(blueprint.nodes)
    for node, line in zip(blueprint.nodes, nodes, strict=True):
        assert f"{node.op:<18} {node.name:<26} in={list(node.inputs)} out={[node.output]}" in line
    for (name, shape), line in zip(blueprint.parameters.items(), initializers, strict=True):
        assert line.split(maxsplit=3)[1] == name
        assert line.split(maxsplit=3)[3].replace(" ", "") == str(list(shape)).replace(" ", "")


def test_arithmetic_and_the_graph_run_by_the_reference_are_the_same_network(narrow: Graph) -> None:
    images = sample_images()[:2]
    as_code = resnet100.network(
        resnet100.Arithmetic(narrow.constants), images, widths=[width // 16 for width in resnet100.WIDTHS]
    )
    as_graph = reference.run(narrow, {"data": images})["fc1"]
    assert_within(as_code, as_graph, 1e-12 * np.abs(as_graph).max())


def test_arithmetic_of_a_network_worked_by_hand() -> None:
    """One channel, one unit a stage, all weights zero but the head's bias: the embedding is what the head makes of it."""
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE), (1, 1, 1, 1), (1, 1, 1, 1), 2)
    parameters = {name: np.zeros(shape) for name, shape in blueprint.parameters.items()}
    for name in parameters:
        if name.endswith("_moving_var"):
            parameters[name] += 4.0 - resnet100.EPSILON
    parameters |= {"scalar_op2": np.array([127.5]), "scalar_op3": np.array([1 / 128])}
    parameters |= {
        "pre_fc1_bias": np.array([3.0, -1.0]),
        "fc1_gamma": np.array([2.0, 2.0]),
        "fc1_beta": np.array([0.5, 0.0]),
    }
    embedding = resnet100.network(
        resnet100.Arithmetic(parameters), np.full((1, 3, 112, 112), 9.0), (1, 1, 1, 1), (1, 1, 1, 1), 2
    )
    assert_within(embedding, np.array([[3.5, -1.0]]), 1e-15 * 4)  # bias / sqrt(4) * 2 + beta


def _numbered_lines(name: str) -> list[str]:
    text = localdata.path(name).read_text()
    return [line for line in text.splitlines() if line.split() and line.split()[0].isdigit() and len(line.split()) > 2]
