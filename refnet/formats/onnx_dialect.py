"""Every operator as ONNX says it, opset by opset, brought to the one form that `ops/` defines.

Source: the ONNX operator specification, opsets 7 to 28. A rule takes the attributes it understands from the file's
node (the rest is refused), and returns the inputs and attributes of the canonical one. Rules stand in the order of
the alphabet in `RULES`.

Does not cover what depends on the shape of an image; those rules are in `onnx_shape_rules`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats import onnx_shape_rules
from refnet.formats.onnx_node import FileNode, Value
from refnet.formats.onnx_reading import Canonical, Reading
from refnet.formats.onnx_tensors import DTYPES
from refnet.graph import Array

_LARGEST = float(np.finfo(np.float32).max)


def canonical(node: FileNode, reading: Reading) -> Canonical:
    """Bring a node to the form of `ops/`; refuses operators and attributes that refnet does not know."""
    rule = RULES.get(node.op)
    if rule is None:
        raise UnsupportedModelError(f"refnet does not implement this operator; it implements {', '.join(RULES)}")
    op, inputs, attributes = rule(node, reading)
    node.finish()
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    return op, inputs, attributes


def constant_value(node: FileNode) -> Array:
    """The value of a Constant node, opset 1 to 25; numbers of attributes become float32 and int64."""
    forms: Mapping[str, Callable[[str], Value]] = {
        "value": node.tensor,
        "value_float": node.real,
        "value_floats": node.reals,
        "value_int": node.integer,
        "value_ints": node.integers,
    }
    form = next((name for name in forms if node.has(name)), None)
    value = None if form is None else forms[form](form)
    node.finish()
    if form is None:
        raise ModelError("it has no value")
    if isinstance(value, np.ndarray):
        return value
    array = np.array(value, dtype=np.int64 if form.startswith("value_int") else np.float32)
    if not np.isfinite(array).all():
        raise ModelError(f"{form} is {value}; expected finite numbers")
    return array


def _plain(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """An operator without attributes, the same in every opset."""
    return node.op, node.inputs, {}


def _batch_normalization(node: FileNode, reading: Reading) -> Canonical:
    """Opset 7 to 15; before 9 there was `spatial`, and before 7 `is_test`, which some exporters kept."""
    if len(node.outputs) > 1:
        raise UnsupportedModelError(
            f"outputs are {node.outputs}, which asks for training; refnet computes inference: "
            "export the model in evaluation mode"
        )
    node.only("training_mode", 0, "it computes inference; export the model in evaluation mode")
    node.only("is_test", 1, "it computes inference; export the model in evaluation mode")
    node.real("momentum", 0.9)  # of training only
    epsilon = node.real("epsilon", float(np.float32(1e-5)))
    spatial = node.integer("spatial", 1)
    if spatial not in (0, 1):
        raise UnsupportedModelError(f"spatial = {spatial}; refnet implements 0 and 1")
    if spatial == 0:
        for name in node.inputs[1:]:
            vector = reading.known(name)
            if vector is not None and len(vector.shape) != 1:
                raise UnsupportedModelError(
                    f"spatial = 0, and {name!r} has shape {vector.shape}; refnet implements one value a channel"
                )
        reading.note("spatial = 0 with one value a channel is read as spatial = 1, which is what exporters mean", node)
    return node.op, node.inputs, {"epsilon": epsilon}


def _cast(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 6 to 28; `saturate` and `round_mode` are about 8-bit floats only."""
    number = node.integer("to")
    node.only("saturate", 1, "other values are for 8-bit floats")
    if node.text("round_mode", "up") != "up":
        raise UnsupportedModelError("round_mode is for 8-bit floats, which refnet does not implement")
    if number not in DTYPES:
        known = ", ".join(f"{number} ({dtype})" for number, dtype in DTYPES.items())
        raise UnsupportedModelError(f"to = {number}; refnet implements {known}")
    return node.op, node.inputs, {"to": str(DTYPES[number])}


def _clip(node: FileNode, reading: Reading) -> Canonical:
    """Opset 6 to 13; bounds are inputs since 11."""
    if reading.opset >= 11:
        return node.op, node.inputs, {}
    low, high = node.real("min", -_LARGEST), node.real("max", _LARGEST)
    bounds = [
        reading.add_constant(f"{node.outputs[0]}:{word}", np.array(value, dtype=np.float32)) if limits else ""
        for word, value, limits in (("min", low, low > -_LARGEST), ("max", high, high < _LARGEST))
    ]
    return node.op, (*node.inputs, *bounds), {}


def _concat(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 4 to 13."""
    return node.op, node.inputs, {"axis": node.integer("axis")}


def _dropout(node: FileNode, reading: Reading) -> Canonical:
    """Opset 7 to 22; the ratio is an input since 12, and so is a switch to training."""
    node.real("ratio", 0.5)
    node.integer("seed", 0)
    if len(node.inputs) > 2 and node.inputs[2]:
        training = reading.value(node.inputs[2])
        if training is None or training.any():
            raise UnsupportedModelError(
                f"training_mode is {node.inputs[2]!r}, which is not a constant False; refnet computes inference: "
                "export the model in evaluation mode"
            )
    return node.op, node.inputs[:1], {}


def _flatten(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 1 to 25."""
    return node.op, node.inputs, {"axis": node.integer("axis", 1)}


def _gather(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 1 to 13."""
    return node.op, node.inputs, {"axis": node.integer("axis", 0)}


def _gemm(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 7 to 13."""
    return (
        node.op,
        node.inputs,
        {
            "alpha": node.real("alpha", 1.0),
            "beta": node.real("beta", 1.0),
            "trans_a": node.integer("transA", 0),
            "trans_b": node.integer("transB", 0),
        },
    )


def _reduce(node: FileNode, reading: Reading) -> Canonical:
    """Opset 1 to 18; axes are an input since 18. None means all of them."""
    axes = _axes(node, reading, input_since=18)
    node.only("noop_with_empty_axes", 0, "no axes mean all axes")
    return node.op, node.inputs[:1], {"axes": axes, "keepdims": node.integer("keepdims", 1)}


def _resize(node: FileNode, reading: Reading) -> Canonical:
    """Opset 10 to 19; opset 10 knew one way of laying out coordinates, that of Upsample."""
    if reading.opset < 11:
        return _upsample(node, reading)
    transformation = node.text("coordinate_transformation_mode", "half_pixel")
    mode = node.text("mode", "nearest")
    nearest_mode = node.text("nearest_mode", "round_prefer_floor")
    node.real("cubic_coeff_a", -0.75)  # of cubic interpolation only, which `ops/` refuses
    node.real("extrapolation_value", 0.0)  # of cropping only, which `ops/` refuses
    node.only("exclude_outside", 0, "other values are for cubic interpolation")
    node.only("antialias", 0, "it does not smooth before it shrinks")
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise UnsupportedModelError(f"keep_aspect_ratio_policy = {policy!r}; refnet implements 'stretch'")
    if node.has("axes"):
        raise UnsupportedModelError(f"axes = {node.integers('axes')}; refnet implements sizes or scales of all axes")
    x, _, *extents = (*node.inputs, "", "")[: max(len(node.inputs), 3)]
    extents = ["" if _is_empty(name, reading) else name for name in extents]  # opset 11 leaves scales empty for sizes
    attributes = {"mode": mode, "coordinate_transformation": transformation, "nearest_mode": nearest_mode}
    return node.op, (x, *extents), attributes


def _shape(node: FileNode, reading: Reading) -> Canonical:  # noqa: ARG001
    """Opset 1 to 25; a part of the shape can be asked for since 15."""
    node.only("start", 0, "it gives the whole shape")
    if node.has("end"):
        raise UnsupportedModelError(f"end = {node.integer('end')}; refnet gives the whole shape")
    return node.op, node.inputs, {}


def _slice(node: FileNode, reading: Reading) -> Canonical:
    """Opset 1 to 13; the bounds are inputs since 10."""
    if reading.opset >= 10:
        return node.op, node.inputs, {}
    bounds = {"starts": node.integers("starts"), "ends": node.integers("ends")}
    if node.has("axes"):
        bounds["axes"] = node.integers("axes")
    names = [
        reading.add_constant(f"{node.outputs[0]}:{word}", np.array(numbers, dtype=np.int64))
        for word, numbers in bounds.items()
    ]
    return node.op, (*node.inputs, *names), {}


def _squeeze(node: FileNode, reading: Reading) -> Canonical:
    """Opset 1 to 25; axes are an input since 13. Without axes it would remove the batch of a single image."""
    axes = _axes(node, reading, input_since=13)
    if not axes:
        raise UnsupportedModelError("no axes are named, so that it depends on the batch which go; refnet needs axes")
    return node.op, node.inputs[:1], {"axes": axes}


def _unsqueeze(node: FileNode, reading: Reading) -> Canonical:
    """Opset 1 to 25; axes are an input since 13."""
    return node.op, node.inputs[:1], {"axes": _axes(node, reading, input_since=13)}


def _upsample(node: FileNode, reading: Reading) -> Canonical:
    """Upsample, opset 7 to 9, and Resize, opset 10: larger only, since runtimes disagree about smaller ones."""
    mode = node.text("mode", "nearest")
    if reading.opset < 9:
        factors = np.array(node.reals("scales"), dtype=np.float32)
        names = (*node.inputs[:1], reading.add_constant(f"{node.outputs[0]}:scales", factors))
    else:
        names = node.inputs
        known = reading.value(names[1]) if len(names) > 1 else None
        if known is None:
            raise UnsupportedModelError("scales are computed from the image; refnet implements constant ones")
        factors = known
    if (factors < 1).any():
        raise UnsupportedModelError(
            f"scales are {factors.tolist()} in opset {reading.opset}; refnet implements factors of at least 1 there. "
            "Export with opset 11 or later"
        )
    attributes = {"mode": mode, "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}
    return "Resize", names, attributes


def _axes(node: FileNode, reading: Reading, input_since: int) -> tuple[int, ...]:
    """Axes from the attribute, or since some opset from the second input; empty where none are named."""
    if reading.opset < input_since:
        return node.integers("axes", ())
    if len(node.inputs) < 2 or not node.inputs[1]:
        return ()
    value = reading.value(node.inputs[1])
    if value is None:
        raise UnsupportedModelError(f"axes {node.inputs[1]!r} are computed from the image; refnet needs constant ones")
    if value.dtype.kind != "i":
        raise ModelError(f"axes {node.inputs[1]!r} are {value.dtype}; expected integers")
    return tuple(int(axis) for axis in value.reshape(-1))


def _is_empty(name: str, reading: Reading) -> bool:
    """Whether an input is absent, or a constant of no elements."""
    value = reading.value(name) if name else None
    return not name or (value is not None and value.size == 0)


RULES: Mapping[str, Callable[[FileNode, Reading], Canonical]] = {
    "Add": _plain,
    "AveragePool": onnx_shape_rules.average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": onnx_shape_rules.conv,
    "Div": _plain,
    "Dropout": _dropout,
    "Expand": _plain,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain,
    "Identity": _plain,
    "MatMul": _plain,
    "MaxPool": onnx_shape_rules.max_pool,
    "Mul": _plain,
    "PRelu": onnx_shape_rules.prelu,
    "Pow": _plain,
    "ReduceL2": _reduce,
    "ReduceMean": _reduce,
    "Relu": _plain,
    "Reshape": onnx_shape_rules.reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": _plain,
    "Slice": _slice,
    "Softmax": onnx_shape_rules.softmax,
    "Sqrt": _plain,
    "Squeeze": _squeeze,
    "Sub": _plain,
    "Transpose": onnx_shape_rules.transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _upsample,
}
