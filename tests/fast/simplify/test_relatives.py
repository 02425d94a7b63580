"""Simplifying published networks that are not ResNet100."""

import numpy as np
import pytest

from refnet.fast.simplify import FusedConv, fuse, simplify
from refnet.formats.onnx_reader import read_model
from refnet.ops.inference import infer
from refnet.reference import stream
from tests import localdata
from tests.comparison import assert_within

NETWORKS = {
    "mobilefacenet-arcface-mxnet.onnx": {"BatchNormalization": 1, "Flatten": 1, "Gemm": 1},
    "mobilefacenet-arcface-opset19.onnx": {"Flatten": 1, "ReduceL2": 1, "Clip": 1, "Shape": 1, "Expand": 1, "Div": 1},
    "face_detection_yunet_2023mar.onnx": {
        "MaxPool": 4, "Resize": 2, "Add": 2, "Transpose": 12, "Reshape": 12, "Sigmoid": 6,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_relative_keeps_what_it_computes(name):
    graph = read_model(localdata.path(f"models/{name}"))
    shapes = {tensor.name: (1, *tensor.shape[1:]) for tensor in graph.inputs}
    (image,) = shapes
    simpler = simplify(graph, {name: (2, *shape[1:]) for name, shape in shapes.items()})
    steps = fuse(simpler, infer(simpler, shapes))
    rest = [step.op for step in steps if not isinstance(step, FusedConv)]
    assert {op: rest.count(op) for op in rest} == NETWORKS[name]

    feeds = {image: np.random.default_rng(0).integers(0, 256, shapes[image]).astype(np.float64)}
    after = {name: np.array(value) for name, value in stream(simpler, feeds)}
    common = set()
    for tensor, before in stream(graph, feeds):
        if tensor in after:
            common.add(tensor)
            assert_within(after[tensor], before, 1e-12 * abs(before).max())
    assert common >= {tensor.name for tensor in graph.outputs}
