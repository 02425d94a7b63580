"""NodeProto to `FileNode`: names made whole, attributes as Python values, subgraphs and foreign operators refused."""

import onnx

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_node import FileNode, Value
from refnet.formats.onnx_tensors import Home, read_tensor

QUANTISED = ("ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QuantizeLinear", "QLinear")

_KINDS = onnx.AttributeProto


def file_node(proto: onnx.NodeProto, home: Home) -> FileNode:
    """Read one node; a node without a name gets that of its output."""
    inputs, outputs = list(proto.input), list(proto.output)
    while inputs and not inputs[-1]:
        inputs.pop()
    while outputs and not outputs[-1]:
        outputs.pop()
    name = proto.name or (outputs[0] if outputs else "")
    label = f"node {name!r} ({proto.op_type})"
    if not outputs or not outputs[0]:
        raise ModelError(f"{label}: it has no output")
    if proto.op_type.startswith(QUANTISED):
        raise UnsupportedModelError(
            f"{label}: this is a quantised model (8-bit integers), and refnet computes floating-point ones; "
            "take the float32 model it was made from"
        )
    if proto.domain not in ("", "ai.onnx"):
        raise UnsupportedModelError(
            f"{label}: the operator is of domain {proto.domain!r}, not ONNX's own, which are all that refnet "
            "implements; take the model as it was before it was optimised for one runtime"
        )
    attributes: dict[str, Value] = {}
    for attribute in proto.attribute:
        if attribute.name in attributes:
            raise ModelError(f"{label}: attribute {attribute.name} is given twice")
        attributes[attribute.name] = _value(attribute, label, home)
    return FileNode(name, proto.op_type, tuple(inputs), tuple(outputs), attributes)


def _value(attribute: onnx.AttributeProto, label: str, home: Home) -> Value:
    """The attribute's value, by the type it says it has."""
    if attribute.ref_attr_name:
        raise UnsupportedModelError(f"{label}: attribute {attribute.name} refers to a function's; refnet reads values")
    match attribute.type:
        case _KINDS.INT:
            return int(attribute.i)
        case _KINDS.FLOAT:
            return float(attribute.f)
        case _KINDS.STRING:
            return attribute.s.decode()
        case _KINDS.INTS:
            return tuple(int(number) for number in attribute.ints)
        case _KINDS.FLOATS:
            return tuple(float(number) for number in attribute.floats)
        case _KINDS.TENSOR:
            return read_tensor(attribute.t, f"{label}: {attribute.name}", home)
        case _KINDS.GRAPH | _KINDS.GRAPHS:
            raise UnsupportedModelError(f"{label}: it holds a graph of its own; refnet implements no control flow")
        case _KINDS.UNDEFINED:
            raise ModelError(f"{label}: attribute {attribute.name} has no type; the file is damaged")
        case other:
            kind = _KINDS.AttributeType.Name(other)
            raise UnsupportedModelError(
                f"{label}: attribute {attribute.name} is of type {kind}; refnet reads numbers, strings and tensors"
            )
