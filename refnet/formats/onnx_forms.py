"""The forms in which refnet writes ONNX: how a canonical node is said in an older or a newer opset.

`mxnet` is the form of `arcfaceresnet100-8.onnx`, down to the byte: IR 3, opset 8, weights as lists of numbers that
are also listed as inputs, no producer. `modern` is what current exporters write: IR 8, opset 17, weights as bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from refnet.errors import UsageError
from refnet.graph import Array, Attribute, Constants, Node

# The oldest IR version that an opset can stand in (onnx/onnx, `helper.OP_SET_ID_VERSION_MAP`).
MODERN = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
_AXES_ARE_INPUTS = {"Squeeze": 13, "Unsqueeze": 13, "ReduceL2": 18, "ReduceMean": 18}  # since this opset

Attributes = dict[str, Attribute]

# TensorProto.DataType of the ONNX specification.
DATA_TYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


@dataclass(frozen=True)
class Said:
    """A node as a file says it; `constants` are inputs of the file's node that are attributes in the graph."""

    inputs: tuple[str, ...]
    attributes: Attributes
    constants: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """One way of writing a graph down.

    Attributes
    ----------
    ir_version, opset : int
    producer : str
        Empty: the file names none.
    raw : bool
        Weights as raw bytes; otherwise in the typed lists float_data and int64_data.
    weights_are_inputs : bool
        Every initializer is also a graph input, as IR 3 demands.
    say : (Node, constants) -> Said
        Raises UsageError where the form has no words for the node.
    """

    ir_version: int
    opset: int
    producer: str
    raw: bool
    weights_are_inputs: bool
    say: Callable[[Node, Constants], Said]


def mxnet(spatial: int = 1) -> Form:
    """The form of MXNet's exporter of 2019; `spatial` is 0 in the real file of 2020 and 1 in that of 2022."""
    if spatial not in (0, 1):
        raise UsageError(f"spatial is {spatial}; expected 0 or 1")

    def say(node: Node, constants: Constants) -> Said:
        given = dict(node.attributes)
        if node.op not in _MXNET_OPS or given.pop("allow_zero", 0):
            raise UsageError(
                f"node {node.name!r} ({node.op}) does not occur in the mxnet form; write the model like='modern'"
            )
        attributes = _said(node, given, constants)
        if node.op == "BatchNormalization":
            attributes |= {"momentum": 0.9, "spatial": spatial}  # of training: any value does
        elif node.op == "Dropout":
            attributes["ratio"] = 0.4
        elif attributes.get("axis") == 1:
            del attributes["axis"]  # Flatten's default, which the exporter left out
        return Said(node.inputs, attributes)

    return Form(ir_version=3, opset=8, producer="", raw=False, weights_are_inputs=True, say=say)


def modern(opset: int = 17) -> Form:
    """The form of current exporters."""
    if opset not in MODERN:
        raise UsageError(f"opset is {opset}; expected {min(MODERN)} to {max(MODERN)}")

    def say(node: Node, constants: Constants) -> Said:
        given = dict(node.attributes)
        inputs, added = node.inputs, {}
        if opset >= _AXES_ARE_INPUTS.get(node.op, opset + 1) and given["axes"]:
            name = f"{node.output}:axes"
            inputs, added = (*inputs, name), {name: np.array(given["axes"], dtype=np.int64)}
        elif node.op == "Resize":
            inputs = (node.inputs[0], "", *node.inputs[1:])  # the second input is a region, for cropping only
        if added or given.get("axes") == ():
            del given["axes"]  # no axes at all: the default, which is all of them
        return Said(inputs, _said(node, given, constants), added)

    return Form(ir_version=MODERN[opset], opset=opset, producer="refnet", raw=True, weights_are_inputs=False, say=say)


def _said(node: Node, given: Attributes, constants: Constants) -> Attributes:
    """The attributes under their ONNX names."""
    if node.op == "Cast":
        return {"to": DATA_TYPES[str(given["to"])]}
    attributes = {_ONNX_NAMES.get(name, name): value for name, value in given.items()}
    if node.op == "Conv" and node.inputs[1] in constants:
        attributes["kernel_shape"] = constants.entries[node.inputs[1]].shape[2:]
    return attributes


_ONNX_NAMES = {
    "allow_zero": "allowzero",
    "coordinate_transformation": "coordinate_transformation_mode",
    "dilation": "dilations",
    "groups": "group",
    "kernel": "kernel_shape",
    "padding": "pads",
    "stride": "strides",
    "trans_a": "transA",
    "trans_b": "transB",
}

_MXNET_OPS = frozenset(
    ("Add", "BatchNormalization", "Conv", "Dropout", "Flatten", "Gemm", "Identity", "Mul", "PRelu", "Reshape", "Sub")
)
