"""Every operator beside ONNX Runtime, one node at a time, from the same float32 inputs."""

import numpy as np
import pytest

from tests.comparison import assert_within
from tests.ops.cases import CASES

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(3)


def run_onnxruntime(case):
    """The case as a model of one node, every input a graph input."""
    inputs = {f"input{i}": x for i, x in enumerate(case.inputs)}
    names = ["" if x is None else name for name, x in inputs.items()]
    if case.op == "Resize":
        names.insert(1, "")  # regions of interest, which only tf_crop_and_resize reads
    node = onnx.helper.make_node(case.op, names, ["y"], **case.onnx)
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in inputs.items()
        if x is not None
    ]
    graph = onnx.helper.make_graph([node], case.op, values, [onnx.ValueInfoProto(name="y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", case.opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {name: x for name, x in inputs.items() if x is not None})[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_node_is_within_its_bound_of_onnxruntime(case):
    actual = run_onnxruntime(case)
    expected = case.compute(*case.inputs_in(np.float64))
    assert actual.dtype.kind == expected.dtype.kind
    assert_within(actual, expected, case.bound())
