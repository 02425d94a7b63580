"""Every layer type of OpenVINO that refnet knows, brought to the one form that `ops/` defines.

Source: OpenVINO's operation sets, opset1 to opset8. A rule takes the attributes it understands (the rest is refused)
and returns the canonical operator, its inputs and its attributes.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_reading import Canonical, Reading
from refnet.formats.openvino_constants import DTYPES
from refnet.formats.openvino_xml import whole_numbers
from refnet.graph import Attribute
from refnet.ops.dtypes import FLOAT, INDICES

VERSION = "version"  # the operation set, passed to the rules beside what <data> says
PRECISION = "precision of the output"  # likewise


def canonical(node: FileNode, reading: Reading) -> Canonical:
    """Bring a layer to the form of `ops/`; refuses types, operation sets and attributes that refnet does not know."""
    if node.op not in RULES:
        raise UnsupportedModelError(f"refnet does not implement this type of layer; it implements {', '.join(RULES)}")
    rules, version = RULES[node.op], node.text(VERSION, "")
    if version not in rules:
        raise UnsupportedModelError(f"its version is {version!r}; refnet implements {' and '.join(rules)}")
    op, inputs, attributes = rules[version](node, reading)
    node.text(PRECISION, "")
    node.finish()
    return op, inputs, attributes


def _elementwise(op: str) -> Callable[[FileNode, Reading], Canonical]:
    """Arithmetic of two tensors; numpy's broadcasting also covers shapes that are the same."""

    def rule(node: FileNode, reading: Reading) -> Canonical:
        _one_of(node, "auto_broadcast", "numpy", "none")
        if op == "Div" and _one_of(node, "m_pythondiv", "true", "false") == "true":
            _refuse_floor_division(node, reading)
        return op, node.inputs, {}

    return rule


def _refuse_floor_division(node: FileNode, reading: Reading) -> None:
    """Refuse to divide integers towards minus infinity, unless none is negative: ONNX's Div goes towards zero."""
    operands = [reading.known(name) for name in node.inputs]
    integers = node.text(PRECISION, "") in ("I32", "I64") or any(known and known.dtype in INDICES for known in operands)
    if integers and any(known is None or known.value is None or (known.value < 0).any() for known in operands):
        raise UnsupportedModelError(
            "m_pythondiv is 'true', which rounds quotients of integers towards minus infinity; refnet implements 'false'"
        )


def _plain(op: str) -> Callable[[FileNode, Reading], Canonical]:
    """A layer without attributes."""
    return lambda node, reading: (op, node.inputs, {})  # noqa: ARG005


def _batch_norm(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """BatchNormInference of opset5."""
    return "BatchNormalization", _inputs(node, 5), {"epsilon": _real(node, "epsilon")}


def _old_batch_norm(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """BatchNormInference of opset1, which has the data after gamma and beta."""
    gamma, beta, x, mean, var = _inputs(node, 5)
    return "BatchNormalization", (x, gamma, beta, mean, var), {"epsilon": _real(node, "epsilon")}


def _clamp(node: FileNode, reading: Reading) -> Canonical:
    """Clamp; the bounds become constants."""
    bounds = [
        reading.add_constant(f"{node.outputs[0]}:{word}", np.array(_real(node, word), dtype=np.float32))
        for word in ("min", "max")
    ]
    return "Clip", (*_inputs(node, 1), *bounds), {}


def _concat(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Concat, of any number of tensors."""
    return "Concat", node.inputs, {"axis": _integer(node, "axis")}


def _convert(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Convert; that of a constant has been resolved before."""
    said = node.text("destination_type", "")
    if said not in DTYPES:
        raise UnsupportedModelError(f"destination_type is {said!r}; refnet implements {', '.join(DTYPES)}")
    return "Cast", node.inputs, {"to": str(DTYPES[said])}


def _convolution(node: FileNode, reading: Reading) -> Canonical:
    """Convolution in two dimensions."""
    x, weight = _inputs(node, 2)
    _rank(reading, weight, 4)
    return "Conv", (x, weight), {**_window(node), "groups": 1}


def _gather(node: FileNode, reading: Reading) -> Canonical:
    """Gather; the axis is an input."""
    x, indices, axis = _inputs(node, 3)
    _one_of(node, "batch_dims", "0")
    axes = _constant_integers(reading, axis)
    if len(axes) != 1:
        raise ModelError(f"its axis is {axes}; expected one number")
    return "Gather", (x, indices), {"axis": axes[0]}


def _group_convolution(node: FileNode, reading: Reading) -> Canonical:
    """GroupConvolution; its weight (groups, OC / groups, IC / groups, KH, KW) becomes (OC, IC / groups, KH, KW)."""
    x, weight = _inputs(node, 2)
    groups, outputs, *rest = _rank(reading, weight, 5)
    whole = reading.change_constant(weight, reading.constants[weight].reshape(groups * outputs, *rest))
    return "Conv", (x, whole), {**_window(node), "groups": groups}


def _matmul(node: FileNode, reading: Reading) -> Canonical:
    """MatMul; of two matrices of floats it is a Gemm, which knows transposed ones."""
    a, b = _inputs(node, 2)
    flags = [_one_of(node, name, "false", "true") == "true" for name in ("transpose_a", "transpose_b")]
    matrices = [(known := reading.shapes.known(name)) and (len(known.shape), known.dtype) for name in (a, b)]
    if matrices == [(2, FLOAT), (2, FLOAT)]:
        return "Gemm", (a, b), {"alpha": 1.0, "beta": 1.0, "trans_a": int(flags[0]), "trans_b": int(flags[1])}
    if any(flags):
        raise UnsupportedModelError(
            "it transposes one of its inputs, which refnet implements for matrices of floats only"
        )
    return "MatMul", (a, b), {}


def _prelu(node: FileNode, reading: Reading) -> Canonical:
    """PReLU; a slope of one axis is one value a channel (operation set 1), which is axis 1."""
    x, slope = _inputs(node, 2)
    rank = reading.rank(x)
    if slope not in reading.constants or rank is None:
        raise UnsupportedModelError("its slope is not constant, or its input's shape is not known")
    if len(reading.constants.entries[slope].shape) == 1 and rank > 2:
        slope = reading.change_constant(slope, reading.constants[slope].reshape(-1, *[1] * (rank - 2)))
    return "PRelu", (x, slope), {}


def _reduced(op: str) -> Callable[[FileNode, Reading], Canonical]:
    """A reduction; its axes are an input, and none of them means that nothing is reduced, which refnet refuses."""

    def rule(node: FileNode, reading: Reading) -> Canonical:
        x, axes = _inputs(node, 2)
        named = _constant_integers(reading, axes)
        if not named:
            raise UnsupportedModelError("it reduces no axis; refnet implements reductions of one or more")
        return op, (x,), {"axes": named, "keepdims": int(_one_of(node, "keep_dims", "false", "true") == "true")}

    return rule


def _reshape(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Reshape; special_zero says that 0 keeps an extent."""
    zero_keeps = _one_of(node, "special_zero", "true", "false") == "true"
    return "Reshape", _inputs(node, 2), {"allow_zero": int(not zero_keeps)}


def _shape_of(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """ShapeOf, in whole numbers of 64 bits."""
    _one_of(node, "output_type", "i64")
    return "Shape", _inputs(node, 1), {}


def _window(node: FileNode) -> dict[str, Attribute]:
    """Stride, padding and dilation of a convolution."""
    stride, dilation, begin, end = (_pair(node, name) for name in ("strides", "dilations", "pads_begin", "pads_end"))
    if _one_of(node, "auto_pad", "explicit", "notset", "valid") == "valid":
        begin = end = (0, 0)
    return {"stride": stride, "padding": (*begin, *end), "dilation": dilation}


def _inputs(node: FileNode, count: int) -> tuple[str, ...]:
    """The inputs, which must be so many."""
    if len(node.inputs) != count:
        raise ModelError(f"it has {len(node.inputs)} inputs; expected {count}")
    return node.inputs


def _rank(reading: Reading, name: str, rank: int) -> tuple[int, ...]:
    """The shape of a constant weight, which must have so many axes."""
    if name not in reading.constants:
        raise UnsupportedModelError(f"its weight {name!r} is not constant")
    shape = reading.constants.entries[name].shape
    if len(shape) != rank:
        raise UnsupportedModelError(f"its weight has shape {shape}; refnet implements convolution in two dimensions")
    return shape


def _pair(node: FileNode, name: str) -> tuple[int, int]:
    """An attribute of two whole numbers."""
    values = whole_numbers(node.text(name, ""), name)
    if len(values) != 2:
        raise UnsupportedModelError(f"{name} is {values}; refnet implements convolution in two dimensions")
    return values[0], values[1]


def _constant_integers(reading: Reading, name: str) -> tuple[int, ...]:
    """The whole numbers of a constant input."""
    value = reading.value(name)
    if value is None or value.dtype.kind != "i":
        raise UnsupportedModelError(f"its input {name!r} is not constant whole numbers")
    return tuple(int(number) for number in value.reshape(-1))


def _integer(node: FileNode, name: str) -> int:
    """An attribute of one whole number."""
    values = whole_numbers(node.text(name, ""), name)
    if len(values) != 1:
        raise ModelError(f"{name} is {values}; expected one whole number")
    return values[0]


def _real(node: FileNode, name: str) -> float:
    """An attribute that is a number."""
    text = node.text(name, "")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ModelError(f"{name} is {text!r}; expected a number")
    return value


def _one_of(node: FileNode, name: str, *accepted: str) -> str:
    """An attribute that must be one of these words; the first is what it is where it is not said."""
    said = node.text(name, accepted[0]).lower()
    if said not in accepted:
        raise UnsupportedModelError(f"{name} is {said!r}; refnet implements {' and '.join(accepted)}")
    return said


Rule = Callable[[FileNode, Reading], Canonical]

# {type: {operation set: rule}}
RULES: Mapping[str, Mapping[str, Rule]] = {
    "Add": {"opset1": _elementwise("Add")},
    "BatchNormInference": {"opset1": _old_batch_norm, "opset5": _batch_norm},
    "Clamp": {"opset1": _clamp},
    "Concat": {"opset1": _concat},
    "Convert": {"opset1": _convert},
    "Convolution": {"opset1": _convolution},
    "Divide": {"opset1": _elementwise("Div")},
    "Gather": {"opset1": _gather, "opset7": _gather, "opset8": _gather},
    "GroupConvolution": {"opset1": _group_convolution},
    "MatMul": {"opset1": _matmul},
    "Multiply": {"opset1": _elementwise("Mul")},
    "PReLU": {"opset1": _prelu},
    "ReduceL2": {"opset4": _reduced("ReduceL2")},
    "ReduceMean": {"opset1": _reduced("ReduceMean")},
    "ReLU": {"opset1": _plain("Relu")},
    "Reshape": {"opset1": _reshape},
    "ShapeOf": {"opset1": _shape_of, "opset3": _shape_of},
    "Sigmoid": {"opset1": _plain("Sigmoid")},
    "Subtract": {"opset1": _elementwise("Sub")},
}
