"""PRelu slopes of one axis: ONNX reads them by columns, exporters mean channels.

Where the two extents differ, runtimes refuse the file or guess. Where they are equal, they compute by columns without
a word, and every activation is wrong.
"""

from collections.abc import Iterator
from typing import Any

import onnx

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.patient import Patient


def slopes(patient: Patient) -> list[Finding] | Skipped:
    """Slopes of one axis that can be told apart, and those that cannot."""
    ambiguous = ambiguous_slopes(patient)
    if isinstance(ambiguous, Skipped) or ambiguous:
        return ambiguous
    found = list(_one_axis(patient))
    if not found:
        return []
    name, extent, shape = found[0]
    evidence = Evidence(f"slope {name!r}", f"shape ({extent},) for x {_said(shape)}", f"shape ({extent}, 1, 1)")
    return [Finding("warning", f"{len(found)} PRelu slopes have one axis, which ONNX reads by columns", (evidence,))]


def ambiguous_slopes(patient: Patient) -> list[Finding] | Skipped:
    """Slopes of one axis where channels and columns are as many."""
    if patient.skeleton is None:
        return Skipped("it is no ONNX file that can be parsed")
    found = [
        (name, extent, shape) for name, extent, shape in _one_axis(patient) if shape and shape[1] == shape[-1] == extent
    ]
    if not found:
        return []
    evidence = tuple(
        Evidence(f"slope {name!r}", f"shape ({extent},) for x {_said(shape)}", f"shape ({extent}, 1, 1)")
        for name, extent, shape in found
    )
    sentence = f"{len(found)} PRelu slopes have one axis where there are as many channels as columns: which is meant?"
    return [Finding("problem", sentence, evidence)]


def _one_axis(patient: Patient) -> Iterator[tuple[str, int, tuple[Any, ...] | None]]:
    """(slope, extent, shape of x or None) of every PRelu on images whose slope is a weight of one axis."""
    assert patient.skeleton is not None
    graph = patient.skeleton.graph
    dims = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "PRelu" and len(node.input) > 1]
    flat = [node for node in nodes if len(dims.get(node.input[1], ())) == 1 and dims[node.input[1]] != (1,)]
    shapes = _shapes(patient.skeleton) if flat else {}
    for node in flat:
        shape = shapes.get(node.input[0])
        if shape is None or len(shape) > 2:
            yield node.input[1], dims[node.input[1]][0], shape


def _shapes(skeleton: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    """Shapes as the onnx package infers them; empty where it cannot."""
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton)
    except Exception:  # whatever onnx raises for a model it cannot infer
        return {}
    return {
        info.name: tuple(
            axis.dim_value if axis.HasField("dim_value") else axis.dim_param for axis in info.type.tensor_type.shape.dim
        )
        for info in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
        if info.type.tensor_type.HasField("shape")
    }


def _said(shape: tuple[Any, ...] | None) -> str:
    return "of unknown shape" if shape is None else f"({', '.join(map(str, shape))})"


CHECKS = (
    Check(
        "slope-rank", "model file", "Is a PRelu slope of one axis?",
        "A slope of shape (C,) belongs to columns by ONNX's rule. Runtimes refuse it, or, where columns are as many as channels, are silently wrong.",
        "Export the slopes with shape (C, 1, 1).",
        slopes,
        (
            "https://github.com/microsoft/onnxruntime/issues/3205",
            "https://github.com/onnx/models/issues/279",
            "https://github.com/NVIDIA/TensorRT/issues/1677",
        ),
    ),
)  # fmt: skip
