"""Whole files beside ONNX Runtime: every node by itself, then from end to end."""

import numpy as np
import pytest

from refnet import reference
from refnet.formats.onnx_reader import read_model
from refnet.ops import OPERATORS
from tests import localdata
from tests.comparison import assert_within
from tests.ops.bounds import float32_bound

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
import onnxruntime

FILES = {
    "models/mobilefacenet-arcface-mxnet.onnx": (112, 255),
    "models/mobilefacenet-arcface-opset19.onnx": (112, 1),
    "models/face_detection_yunet_2023mar.onnx": (160, 255),
    "openvino-ir/narrow.onnx": (112, 255),
}
each_file = pytest.mark.parametrize("file", FILES)
# Float32 rounds each of some hundred layers by 2**-24, and the network mixes what they do. Measured: 0.4e-6 to 4e-6.
END_TO_END = 1e-5


def network_and_feeds(file):
    """The file as refnet reads it, and seeded noise of the values it takes."""
    network = read_model(localdata.path(file))
    size, largest = FILES[file]
    noise = np.random.default_rng(0).random((1, 3, size, size)) * largest
    return network, {network.inputs[0].name: noise.astype(np.float32)}


def run_onnxruntime(file, names, feeds):
    """{name: value} of any tensors of the file, every node run as it stands there."""
    model = onnx.load(localdata.path(file))
    for node in model.graph.node:
        # Statistics for every pixel, which the file does not hold and no one means; the runtime refuses them.
        kept = [attribute for attribute in node.attribute if attribute.name != "spatial"]
        del node.attribute[:]
        node.attribute.extend(kept)
    for extent in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        extent.dim_param = f"free{extent.dim_value}"
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, feeds), strict=True))


@each_file
def test_every_node_is_within_its_float32_bound_of_onnxruntime(file):
    """From the runtime's own inputs to each node, so that no node answers for another's rounding."""
    network, feeds = network_and_feeds(file)
    names = [node.output for node in network.nodes]
    given = {**network.constants, **feeds, **run_onnxruntime(file, names, feeds)}
    for node in network.nodes:
        inputs = [None if not name else given[name] for name in node.inputs]
        inputs = [x.astype(np.float64) if x is not None and x.dtype.kind == "f" else x for x in inputs]
        expected = OPERATORS[node.op].compute(*inputs, **node.attributes)
        try:
            assert_within(given[node.output], expected, float32_bound(node.op, inputs, node.attributes))
        except AssertionError as error:
            raise AssertionError(f"node {node.name!r} ({node.op}): {error}") from None


@each_file
def test_the_outputs_agree_with_onnxruntime_end_to_end(file):
    network, feeds = network_and_feeds(file)
    expected = reference.run(network, feeds)
    actual = run_onnxruntime(file, list(expected), feeds)
    error = sum(float(np.sum((actual[name] - y) ** 2)) for name, y in expected.items())
    size = sum(float(np.sum(y**2)) for y in expected.values())
    assert np.sqrt(error / size) < END_TO_END
