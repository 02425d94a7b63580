"""Tiny ONNX models, written with the onnx package and read back with refnet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from refnet.formats.onnx_reader import read_model
from refnet.graph import Graph

FLOAT = onnx.TensorProto.FLOAT


def node(op: str, inputs: Sequence[str], outputs: Sequence[str] = ("y",), **attributes: Any) -> onnx.NodeProto:
    """A node named as its operator, in small letters."""
    return helper.make_node(op, inputs, outputs, name=attributes.pop("name", op.lower()), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, Any] | None = None,
    *,
    x: Sequence[int | str | None] | None = (1, 3, 8, 8),
    y: Sequence[int | str | None] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    ir_version: int = 8,
) -> onnx.ModelProto:
    """A model of one input x and outputs of undeclared extents; a TensorProto among the weights is taken as it is."""
    initializers = [
        w if isinstance(w, onnx.TensorProto) else numpy_helper.from_array(np.asarray(w), name)
        for name, w in (weights or {}).items()
    ]
    inputs = [] if x is None else [helper.make_tensor_value_info("x", FLOAT, x)]
    made = [helper.make_tensor_value_info(name, FLOAT, y if y is not None else [None] * 4) for name in outputs]
    graph = helper.make_graph(nodes, "tiny", inputs, made, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def write(proto: onnx.ModelProto, folder: Path, name: str = "tiny.onnx") -> Path:
    """The model as a file."""
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def read(proto: onnx.ModelProto, folder: Path) -> Graph:
    """What refnet makes of the model."""
    return read_model(write(proto, folder))


def ramp(*shape: int) -> np.ndarray:
    """Small whole numbers, -8 to 8, that repeat with a period prime to every extent: sums of them are exact."""
    return (np.arange(np.prod(shape, dtype=int)) * 5 % 17 - 8).astype(np.float32).reshape(shape)
