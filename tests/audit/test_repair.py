"""What is changed for onnxruntime, and that it is said."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from refnet.audit.repair import repaired
from refnet.errors import ModelError
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph


def model(nodes, *, batch=1, weights=(), opset=13):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", 1, [batch, 3, 2, 2])],
        [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in dict(weights).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(tmp_path, *arguments, **options):
    onnx.save(model(*arguments, **options), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_the_shipped_form_of_batch_normalization_is_repaired_and_said(tmp_path: Path, narrow: Graph) -> None:
    write_model(narrow, tmp_path / "m.onnx", like="mxnet", spatial=0)
    result = repaired(tmp_path / "m.onnx")
    assert result.repairs == (
        "spatial = 0 became 1 in 154 BatchNormalization nodes, which onnxruntime refuses as shipped",
        "the declared batch of 1 was freed, so that any number of images can be given",
    )
    assert result.locked_by == ""
    spatial = [a.i for node in result.model.graph.node for a in node.attribute if a.name == "spatial"]
    assert spatial == [1] * 154


def test_statistics_of_every_pixel_are_left_as_they_are(tmp_path: Path) -> None:
    vectors = {name: np.ones((3, 2, 2), np.float32) for name in "gbmv"}
    node = helper.make_node("BatchNormalization", ["x", *"gbmv"], ["y"], spatial=0)
    result = repaired(save(tmp_path, [node], weights=vectors, opset=8))
    assert result.model.graph.node[0].attribute[0].i == 0
    assert not any("spatial" in sentence for sentence in result.repairs)


def test_a_free_batch_needs_no_repair(tmp_path: Path) -> None:
    assert repaired(save(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], batch="N")).repairs == ()


@pytest.mark.parametrize("as_node", [False, True], ids=["initializer", "Constant"])
def test_a_reshape_to_a_fixed_batch_is_found(tmp_path: Path, as_node: bool) -> None:
    target = np.array([1, 12])
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Reshape", ["r", "t"], ["y"], name="flat")]
    if as_node:
        nodes.insert(0, helper.make_node("Constant", [], ["t"], value=onnx.numpy_helper.from_array(target)))
    result = repaired(save(tmp_path, nodes, weights={} if as_node else {"t": target}))
    assert result.locked_by == "flat"
    assert result.repairs == ()
    assert result.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


@pytest.mark.parametrize("target", [[0, 12], [-1, 12]])
def test_a_reshape_that_keeps_the_batch_locks_nothing(tmp_path: Path, target: list[int]) -> None:
    node = helper.make_node("Reshape", ["x", "t"], ["y"])
    assert repaired(save(tmp_path, [node], weights={"t": np.array(target)})).locked_by == ""


def test_a_reshape_of_weights_locks_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["s", "t"], ["slope"]), helper.make_node("PRelu", ["x", "slope"], ["y"])]
    weights = {"s": np.ones(3, np.float32), "t": np.array([1, -1, 1, 1])}
    assert repaired(save(tmp_path, nodes, weights=weights)).locked_by == ""


def test_what_onnx_cannot_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"the onnx package cannot read .*m.onnx: "):
        repaired(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"the onnx package cannot read .*absent\.onnx"):
        repaired(tmp_path / "absent.onnx")
