"""Checks of what a model wants: scaling, names, batch, spatial, slopes."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from refnet.audit.doctor.patient import Patient
from refnet.graph import Graph, Node
from tests.audit.doctor.patients import ask, found, rewritten, small, written


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return written(small(), tmp_path_factory.mktemp("healthy") / "small.onnx")


def _scaled_again(graph: Graph) -> Graph:
    """As a converter writes it that was told mean and scale of a graph that knows them already."""
    again = (
        Node("mean_again", "Sub", ("data", "scalar_op2"), "mean_again"),
        Node("scale_again", "Mul", ("mean_again", "scalar_op3"), "scale_again"),
    )
    first, *rest = graph.nodes
    return replace(graph, nodes=(*again, replace(first, inputs=("scale_again",)), *rest))


def test_scaling_in_the_graph_is_said(healthy: Patient) -> None:
    severity, said, _ = found("scaling", healthy)
    assert severity == "note"
    assert said.startswith("feed pixels 0..255 as they are: the graph scales pixels itself, (x - 127.5) * 0.0078125")


def test_scaling_twice_in_the_graph_is_a_problem(tmp_path: Path) -> None:
    severity, said, evidence = found("scaling", written(_scaled_again(small()), tmp_path / "m.onnx"))
    assert severity == "problem"
    assert said.startswith("pixels are scaled twice in the graph")
    assert "expected about -1..1" in evidence


def test_scaling_outside_is_said(tmp_path: Path) -> None:
    severity, said, _ = found("scaling", written(_unscaled(small()), tmp_path / "m.onnx"))
    assert severity == "note"
    assert said.startswith("scale pixels outside: ")


def test_names_that_mislead_insightface_are_a_warning(healthy: Patient, tmp_path: Path) -> None:
    assert ask("scaling-by-name", healthy).status == "passed"
    assert ask("scaling-by-name", written(_unscaled(small()), tmp_path / "outside.onnx")).status == "passed"

    def rename(model: onnx.ModelProto) -> None:
        for i, node in enumerate(model.graph.node):
            node.name = f"node_{i}"

    severity, said, _ = found("scaling-by-name", rewritten(small(), tmp_path / "renamed.onnx", rename))
    assert severity == "warning"
    assert said.endswith("would scale pixels a second time")

    def pretend(model: onnx.ModelProto) -> None:
        model.graph.node[0].name, model.graph.node[1].name = "Sub_0", "Mul_1"

    _, said, _ = found("scaling-by-name", rewritten(_unscaled(small()), tmp_path / "pretended.onnx", pretend))
    assert said.endswith("would not scale pixels, which the graph needs")


def test_a_fixed_batch_is_said(healthy: Patient, tmp_path: Path) -> None:
    severity, said, _ = found("batch", healthy)
    assert (severity, said) == ("note", "it declares a batch of 1; refnet computes any number of images")

    def free(model: onnx.ModelProto) -> None:
        for info in (model.graph.input[0], model.graph.output[0]):
            info.type.tensor_type.shape.dim[0].dim_param = "N"

    assert ask("batch", rewritten(small(), tmp_path / "m.onnx", free)).status == "passed"


def test_spatial_0_is_said(healthy: Patient, tmp_path: Path) -> None:
    severity, _, evidence = found("spatial", written(small(), tmp_path / "m.onnx", spatial=0))
    assert severity == "note"
    count = sum(node.op == "BatchNormalization" for node in small().nodes)
    assert f"and {count - 1} more: spatial = 0" in evidence
    assert ask("spatial", healthy).status == "passed"


def _flat_slopes(model: onnx.ModelProto) -> None:
    """Slopes as they are stored, without the Reshape between."""
    reshapes = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Reshape"}
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.input[1] = reshapes[node.input[1]]
    kept = [node for node in model.graph.node if node.op_type != "Reshape"]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def test_slopes_of_one_axis_are_a_warning(healthy: Patient, tmp_path: Path) -> None:
    severity, said, evidence = found("slope-rank", rewritten(small(), tmp_path / "m.onnx", _flat_slopes))
    assert severity == "warning"
    assert said == "5 PRelu slopes have one axis, which ONNX reads by columns"
    assert "slope 'relu0_gamma': shape (4,) for x (1, 4, 112, 112), expected shape (4, 1, 1)" in evidence
    assert ask("slope-rank", healthy).status == "passed"


def test_slopes_that_could_be_columns_are_a_problem(tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        """Images of 4 columns before the first two PRelus, of 4 channels."""
        _flat_slopes(model)
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 4
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")

    patient = rewritten(small(), tmp_path / "m.onnx", edit)
    severity, said, evidence = found("slope-rank", patient)
    assert severity == "problem"
    assert said.startswith("2 PRelu slopes have one axis where there are as many channels as columns")
    assert "slope 'relu0_gamma': shape (4,) for x (1, 4, 112, 4)" in evidence
    assert patient.graph is None


def _unscaled(graph: Graph) -> Graph:
    """Without Identity and scaling before the first convolution."""
    nodes = [node for node in graph.nodes if node.name not in ("id", "_minusscalar0", "_mulscalar0")]
    nodes[0] = replace(nodes[0], inputs=("data", *nodes[0].inputs[1:]))
    return replace(graph, nodes=tuple(nodes))
