"""One small model for every way in which an opset or an exporter says something; `DIALECTS` lists them by name.

All numbers are small and whole, so that every sum of products is exact in float32.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from tests.formats.models import model, node, ramp

INT = np.int64


def conv(
    opset: int, weight: tuple[int, ...] = (4, 3, 3, 3), *, bias: bool = False, **attributes: Any
) -> onnx.ModelProto:
    """One convolution of (1, 3, 8, 7)."""
    weights = {"w": ramp(*weight)} | ({"b": ramp(weight[0])} if bias else {})
    return model([node("Conv", ["x", *weights], **attributes)], weights, x=(1, 3, 8, 7), opset=opset)


def one(
    op: str, opset: int, *inputs: str, weights: Mapping[str, Any] | None = None, **attributes: Any
) -> onnx.ModelProto:
    """One node that reads x (1, 3, 8, 7), and weights in their order unless inputs are named."""
    extents = attributes.pop("x", (1, 3, 8, 7))
    names = inputs or ("x", *(weights or {}))
    return model([node(op, names, **attributes)], weights, x=extents, opset=opset)


BN = {"gamma": ramp(3), "beta": ramp(3), "mean": ramp(3), "var": np.array([4, 1, 9], np.float32)}
BN2D = {name: np.resize(vector, 6) for name, vector in BN.items()}
HALF = np.array(0.5, np.float32)
THREE = np.array(3, np.float32)
SCALES = np.array([1, 1, 2, 3], np.float32)
FLAT = {"w": ramp(168, 5), "b": ramp(5)}


def flat_then(last: onnx.NodeProto, weights: Mapping[str, Any], opset: int) -> onnx.ModelProto:
    """A node that reads f, x (1, 3, 8, 7) as one row."""
    return model([node("Flatten", ["x"], ["f"]), last], weights, x=(1, 3, 8, 7), opset=opset)


def reshaped(opset: int) -> onnx.ModelProto:
    """The way in which PyTorch says flatten: a target computed from the shape."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n"], ["v"], axes=[0]) if opset < 13 else node("Unsqueeze", ["n", "axis"], ["v"]),
        node("Concat", ["v", "rest"], ["t"], axis=0),
        node("Reshape", ["x", "t"]),
    ]
    weights = {"zero": np.array(0, INT), "axis": np.array([0], INT), "rest": np.array([-1], INT)}
    return model(nodes, weights, x=(1, 3, 8, 7), opset=opset)


def constant(opset: int, **value: Any) -> onnx.ModelProto:
    """x plus the value of a Constant node, cast to float32."""
    nodes = [node("Constant", [], ["c"], **value), node("Cast", ["c"], ["f"], to=1), node("Add", ["x", "f"])]
    return model(nodes, opset=opset)


DIALECTS: dict[str, onnx.ModelProto] = {
    **{f"conv, opset {opset}": conv(opset, bias=True, pads=[1, 1, 1, 1]) for opset in (7, 8, 11, 17, 22)},
    "conv without attributes": conv(11),
    "conv, every attribute": conv(
        11, kernel_shape=[3, 3], pads=[0, 1, 2, 3], strides=[2, 1], dilations=[1, 2], group=1, auto_pad="NOTSET"
    ),
    "depthwise conv": conv(11, (6, 1, 3, 3), group=3),
    "conv, VALID": conv(7, auto_pad="VALID", strides=[2, 2]),
    "conv, SAME_UPPER": conv(7, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, SAME_LOWER": conv(7, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv, SAME_UPPER, stride 3": conv(11, auto_pad="SAME_UPPER", strides=[3, 3]),
    "conv, SAME_LOWER, even kernel": conv(11, (2, 3, 2, 4), auto_pad="SAME_LOWER"),
    "conv, SAME_UPPER, stride beyond kernel": conv(11, (2, 3, 1, 1), auto_pad="SAME_UPPER", strides=[3, 2]),
    "batch normalisation, opset 7": one("BatchNormalization", 7, weights=BN, epsilon=0.25, momentum=0.5, spatial=1),
    **{f"batch normalisation, opset {opset}": one("BatchNormalization", opset, weights=BN) for opset in (8, 9, 15)},
    "batch normalisation, opset 14": one("BatchNormalization", 14, weights=BN, training_mode=0),
    "batch normalisation of rows": one("BatchNormalization", 9, weights=BN2D, x=(1, 6)),
    **{f"prelu by channels, opset {n}": one("PRelu", n, weights={"s": ramp(3, 1, 1)}) for n in (7, 9, 16)},
    "prelu by channels, rank 4": one("PRelu", 9, weights={"s": ramp(1, 3, 1, 1)}),
    "prelu, one slope": one("PRelu", 9, weights={"s": ramp(1)}),
    "prelu by columns": one("PRelu", 9, weights={"s": ramp(7)}),
    "prelu of rows": one("PRelu", 9, weights={"s": ramp(6)}, x=(1, 6)),
    "prelu, slope through reshape": model(
        [node("Reshape", ["s", "t"], ["r"]), node("PRelu", ["x", "r"])],
        {"s": ramp(3), "t": np.array([1, -1, 1, 1], INT)},
        opset=8,
    ),
    "clip, opset 7": one("Clip", 7, min=-2.0, max=3.0),
    "clip, opset 7, below only": one("Clip", 7, min=-2.0),
    "clip, opset 10, above only": one("Clip", 10, max=3.0),
    "clip, opset 7, no bounds": one("Clip", 7),
    "clip, opset 11": one("Clip", 11, weights={"a": -HALF, "b": HALF}),
    "clip, opset 13, above only": one("Clip", 13, "x", "", "b", weights={"b": THREE}),
    "clip, opset 13, below only": one("Clip", 13, "x", "a", "", weights={"a": THREE}),
    "max pool, opset 8": one("MaxPool", 8, kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 0, 1], storage_order=0),
    "max pool, opset 10": one("MaxPool", 10, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, dilations=[2, 2]),
    "max pool, opset 12": one("MaxPool", 12, kernel_shape=[3, 3], auto_pad="SAME_LOWER", strides=[2, 2]),
    "max pool, opset 22": one("MaxPool", 22, kernel_shape=[3, 3]),
    "average pool, opset 7": one("AveragePool", 7, kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
    "average pool, opset 10": one("AveragePool", 10, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "average pool, opset 11": one("AveragePool", 11, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    "average pool, opset 19": one("AveragePool", 19, kernel_shape=[4, 2], dilations=[1, 1]),
    "global average pool": one("GlobalAveragePool", 7),
    "gemm, opset 7": flat_then(node("Gemm", ["f", "w", "b"]), FLAT, 7),
    "gemm, opset 9": flat_then(node("Gemm", ["f", "w", "b"], transB=1), {"w": ramp(5, 168), "b": ramp(5)}, 9),
    "gemm, opset 11, no addend": flat_then(node("Gemm", ["f", "w"], alpha=2.0), {"w": ramp(168, 5)}, 11),
    "gemm, opset 13": flat_then(node("Gemm", ["f", "w", "b"], beta=0.5), FLAT, 13),
    "matmul and add": model(
        [node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "w"], ["m"]), node("Add", ["m", "b"])], FLAT, x=(1, 3, 8, 7)
    ),
    "flatten, axis 0": one("Flatten", 9, axis=0),
    "flatten, axis -2": one("Flatten", 13, axis=-2),
    "reshape, opset 7": one("Reshape", 7, weights={"t": np.array([0, -1, 4], INT)}),
    "reshape, opset 14": one("Reshape", 14, weights={"t": np.array([1, 0, 2, -1], INT)}, allowzero=0),
    "transpose": one("Transpose", 13, perm=[0, 2, 3, 1]),
    "transpose, reversed": one("Transpose", 7),
    "concat": model([node("Concat", ["x", "x"], axis=-3)], opset=11),
    "dropout, opset 7": one("Dropout", 7, ratio=0.5),
    "dropout, opset 10, with a mask": one("Dropout", 10, outputs=["y", "mask"]),
    "dropout, opset 12": one("Dropout", 12, weights={"r": HALF}, seed=1),
    "dropout, opset 13": one("Dropout", 13, weights={"r": HALF, "training": np.array(False)}),
    "dropout, opset 13, no ratio": one("Dropout", 13, "x", "", "training", weights={"training": np.array(False)}),
    "identity": one("Identity", 16),
    "resize, opset 10": one("Resize", 10, weights={"s": SCALES}, mode="nearest"),
    "resize, opset 10, linear": one("Resize", 10, weights={"s": np.array([1, 1, 2, 2], np.float32)}, mode="linear"),
    "resize, opset 11": one(
        "Resize", 11, weights={"roi": np.zeros(0, np.float32), "s": SCALES}, mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor", cubic_coeff_a=-0.75,
    ),
    "resize, opset 11, sizes": one(
        "Resize", 11, mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil",
        weights={"roi": np.zeros(0, np.float32), "s": np.zeros(0, np.float32), "n": np.array([1, 3, 4, 14], INT)},
    ),
    "resize, opset 13": one(
        "Resize", 13, "x", "", "s", weights={"s": np.array([1, 1, 2, 0.5], np.float32)}, mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel", exclude_outside=0, extrapolation_value=0.0,
    ),
    "resize, opset 19": one(
        "Resize", 19, "x", "", "", "n", weights={"n": np.array([1, 3, 15, 13], INT)}, mode="linear",
        coordinate_transformation_mode="align_corners", antialias=0, keep_aspect_ratio_policy="stretch",
    ),
    "upsample, opset 7": one("Upsample", 7, scales=[1.0, 1.0, 2.0, 3.0], mode="nearest"),
    "upsample, opset 9": one("Upsample", 9, weights={"s": SCALES}),
    "upsample, opset 9, linear": one("Upsample", 9, weights={"s": np.array([1, 1, 2, 2], np.float32)}, mode="linear"),
    **{f"target from the shape, opset {opset}": reshaped(opset) for opset in (11, 13, 15, 19)},
    "shape, start 0": model(
        [node("Shape", ["x"], ["s"], start=0), node("Reshape", ["x", "s"])], opset=15
    ),
    "squeeze, opset 11": one("Squeeze", 11, axes=[1], x=(1, 1, 8, 7)),
    "squeeze, opset 13": one("Squeeze", 13, weights={"a": np.array([-3], INT)}, x=(1, 1, 8, 7)),
    "unsqueeze, opset 7": one("Unsqueeze", 7, axes=[1, 3]),
    "unsqueeze, opset 13": one("Unsqueeze", 13, weights={"a": np.array([-1], INT)}),
    "expand": one("Expand", 8, weights={"t": np.array([3, 1, 1], INT)}, x=(1, 1, 8, 7)),
    "reduce, opset 11": one("ReduceL2", 11, axes=[1], keepdims=0),
    "reduce, opset 17, all": one("ReduceMean", 17),
    "reduce, opset 18": one("ReduceL2", 18, weights={"a": np.array([-1, 1], INT)}),
    "reduce, opset 18, all": one("ReduceMean", 18, keepdims=0, noop_with_empty_axes=0),
    "slice, opset 9": one("Slice", 9, starts=[1, -3], ends=[3, 99], axes=[1, 3]),
    "slice, opset 9, first axes": one("Slice", 9, starts=[0, 1], ends=[1, 2]),
    "slice, opset 10": one("Slice", 10, weights={"a": np.array([0], INT), "b": np.array([2], INT)}),
    "slice, opset 13": one(
        "Slice", 13,
        weights={f"s{i}": np.array([number], INT) for i, number in enumerate((-1, -9, 3, -2))},
    ),
    "cast to integers": model([node("Cast", ["x"], ["i"], to=7), node("Cast", ["i"], to=1, name="back")], opset=13),
    "cast, opset 19": model([node("Cast", ["x"], ["i"], to=6, saturate=1), node("Cast", ["i"], to=1, name="back")], opset=19),
    "softmax, opset 11": one("Softmax", 11, axis=3),
    "softmax, opset 7, rows": one("Softmax", 7, x=(1, 6)),
    "softmax, opset 13": one("Softmax", 13, axis=1),
    "softmax, opset 13, last": one("Softmax", 13),
    "normalisation": model(
        [
            node("ReduceL2", ["x"], ["l"], axes=[1]),
            node("Clip", ["l", "c"], ["m"]),
            node("Shape", ["x"], ["s"]),
            node("Expand", ["m", "s"], ["e"]),
            node("Div", ["x", "e"]),
        ],
        {"c": HALF},
    ),
    "arithmetic": model(
        [
            node("Sub", ["x", "half"], ["a"]),
            node("Mul", ["a", "half"], ["b"]),
            node("Relu", ["b"], ["c"]),
            node("Sqrt", ["c"], ["d"]),
            node("Sigmoid", ["d"], ["e"]),
            node("Pow", ["e", "half"], ["f"]),
            node("Div", ["f", "half"]),
        ],
        {"half": HALF},
        opset=7,
    ),
    "constant, tensor": constant(7, value=onnx.numpy_helper.from_array(ramp(8))),
    "constant, float": constant(12, value_float=0.1),
    "constant, floats": constant(12, value_floats=[0.5] * 8),
    "constant, int": constant(12, value_int=3),
    "constant, ints": constant(12, value_ints=list(range(8))),
    "domain ai.onnx": model([node("Relu", ["x"], domain="ai.onnx")], opset=13),
}  # fmt: skip
