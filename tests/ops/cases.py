"""Every operator, applied a few times: what refnet is told, and how ONNX says the same.

`test_every_operator.py` holds all of them to what any operator must do, and `test_against_onnxruntime.py` beside
ONNX Runtime.
"""

from dataclasses import dataclass, field

import numpy as np

from refnet.ops import OPERATORS
from tests.ops.bounds import float32_bound

OPSET = 11  # the last in which axes are attributes, and the first in which the bounds of Clip are inputs


@dataclass(frozen=True)
class Case:
    """One application of an operator; `batched` says that axis 0 of the first input counts images."""

    op: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, object] = field(default_factory=dict)
    onnx: dict[str, object] = field(default_factory=dict)
    opset: int = OPSET
    batched: bool = True

    def __str__(self):
        shapes = "-".join("x".join(map(str, array.shape)) if array is not None else "absent" for array in self.inputs)
        said = "-".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.op}-{shapes}-{said}".replace(" ", "")

    def inputs_in(self, dtype):
        """The inputs, floating ones in another dtype."""
        return [x.astype(dtype) if x is not None and x.dtype.kind == "f" else x for x in self.inputs]

    def compute(self, *inputs):
        return OPERATORS[self.op].compute(*inputs, **self.attributes)

    def bound(self):
        """What float32 arithmetic may differ by, element by element."""
        return float32_bound(self.op, self.inputs_in(np.float64), self.attributes)


def normal(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def positive(*shape):
    return abs(normal(*shape)) + np.float32(0.5)


def number(value):
    return np.array(value, dtype=np.float32)


def integers(*values):
    return np.array(values, dtype=np.int64)


def _conv(x, weight, bias=None, *, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1):
    said = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    onnx = {
        "strides": stride,
        "pads": padding,
        "dilations": dilation,
        "group": groups,
        "kernel_shape": weight.shape[2:],
    }
    inputs = (x, weight) if bias is None else (x, weight, bias)
    return Case("Conv", inputs, said, onnx)


def _pool(op, x, kernel, *, stride=(1, 1), padding=(0, 0, 0, 0), opset=OPSET, **more):
    said = {"kernel": kernel, "stride": stride, "padding": padding, **more}
    names = {"dilation": "dilations"}
    onnx = {"kernel_shape": kernel, "strides": stride, "pads": padding}
    onnx |= {names.get(name, name): value for name, value in more.items()}
    return Case(op, (x,), said, onnx, opset)


def _gemm(a, b, c=None, *, alpha=1.0, beta=1.0, trans_a=0, trans_b=0):
    said = {"alpha": alpha, "beta": beta, "trans_a": trans_a, "trans_b": trans_b}
    onnx = {"alpha": alpha, "beta": beta, "transA": trans_a, "transB": trans_b}
    inputs = (a, b) if c is None else (a, b, c)
    return Case("Gemm", inputs, said, onnx, batched=not trans_a)


def _resize(x, scales=None, sizes=None, *, mode, coordinates, nearest_mode="round_prefer_floor"):
    said = {"mode": mode, "coordinate_transformation": coordinates, "nearest_mode": nearest_mode}
    onnx = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": nearest_mode}
    return Case(
        "Resize",
        (x, None if scales is None else np.float32(scales), None if sizes is None else integers(*sizes)),
        said,
        onnx,
        opset=13,
    )


IMAGE = normal(2, 4, 5, 6)
CASES = (
    Case("Add", (IMAGE, normal(2, 4, 5, 6, seed=1))),
    Case("Add", (IMAGE, normal(4, 1, 1))),
    Case("Add", (integers(1, 2), integers(3, 4)), batched=False),
    Case("Sub", (IMAGE, number([127.5]))),
    Case("Mul", (IMAGE, number([0.0078125]))),
    Case("Mul", (normal(2, 1, 3), normal(5, 1))),
    Case("Div", (IMAGE, positive(4, 5, 6))),
    Case("Div", (integers(7, -7, 6), integers(2, 2, -3)), batched=False),
    Case("Pow", (positive(2, 5), number(2.0))),
    Case("Pow", (positive(2, 5), number(0.5))),
    Case("Sqrt", (positive(2, 5),)),
    _conv(IMAGE, normal(3, 4, 3, 3), padding=(1, 1, 1, 1)),
    _conv(IMAGE, normal(3, 4, 3, 3), normal(3), stride=(2, 2), padding=(1, 1, 1, 1)),
    _conv(IMAGE, normal(3, 4, 1, 1), stride=(2, 2)),
    _conv(IMAGE, normal(4, 1, 3, 3), groups=4, padding=(1, 1, 1, 1)),
    _conv(IMAGE, normal(6, 2, 2, 3), normal(6), groups=2, stride=(1, 2), padding=(0, 1, 2, 3), dilation=(2, 1)),
    _conv(normal(3, 8, 7, 7), normal(8, 1, 7, 7), groups=8),
    Case(
        "BatchNormalization",
        (IMAGE, normal(4, seed=1), normal(4, seed=2), normal(4, seed=3), positive(4)),
        {"epsilon": 2e-5},
        {"epsilon": 2e-5},
    ),
    Case(
        "BatchNormalization",
        (normal(3, 5), normal(5, seed=1), normal(5, seed=2), normal(5, seed=3), positive(5)),
        {"epsilon": 1e-3},
        {"epsilon": 1e-3},
    ),
    Case("PRelu", (IMAGE, normal(4, 1, 1))),
    Case("PRelu", (IMAGE, normal(1, 4, 1, 1))),
    Case("PRelu", (IMAGE, normal(6))),
    Case("PRelu", (IMAGE, number([0.25]))),
    Case("Relu", (IMAGE,)),
    Case("Sigmoid", (20 * IMAGE,)),
    Case("Softmax", (IMAGE,), {"axis": -1}, {"axis": -1}, 13),
    Case("Softmax", (IMAGE,), {"axis": 1}, {"axis": 1}, 13),
    Case("Clip", (IMAGE, number(-0.5), number(1.0))),
    Case("Clip", (IMAGE, number(0.0))),
    Case("Clip", (IMAGE, None, number(0.5))),
    _pool("MaxPool", IMAGE, (2, 2), stride=(2, 2)),
    _pool("MaxPool", IMAGE, (3, 2), stride=(2, 2), padding=(1, 0, 1, 1)),
    _pool("MaxPool", IMAGE, (2, 3), dilation=(2, 1), padding=(1, 0, 0, 1)),
    _pool("MaxPool", IMAGE, (2, 2), stride=(2, 4), ceil_mode=1),
    _pool("MaxPool", IMAGE, (2, 2), stride=(3, 3), padding=(1, 1, 1, 1), ceil_mode=1),
    _pool("AveragePool", IMAGE, (2, 3), stride=(2, 1)),
    _pool("AveragePool", IMAGE, (3, 3), padding=(1, 1, 1, 1), count_include_pad=0),
    _pool("AveragePool", IMAGE, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1), count_include_pad=1),
    _pool("AveragePool", IMAGE, (2, 2), stride=(2, 2), ceil_mode=1, count_include_pad=0, opset=19),
    _pool(
        "AveragePool", IMAGE, (3, 3), stride=(3, 2), padding=(1, 1, 1, 1), ceil_mode=1, count_include_pad=1, opset=19
    ),
    Case("GlobalAveragePool", (IMAGE,)),
    _gemm(normal(3, 7), normal(5, 7), normal(5), trans_b=1),
    _gemm(normal(3, 7), normal(7, 5)),
    _gemm(normal(7, 3), normal(7, 5), normal(3, 1), alpha=0.5, beta=-2.0, trans_a=1),
    Case("MatMul", (normal(3, 7), normal(7, 5))),
    Case("MatMul", (normal(2, 4, 3, 7), normal(4, 7, 5))),
    Case("Identity", (IMAGE,)),
    Case("Dropout", (IMAGE,), {}, {"ratio": 0.4}),
    Case("Flatten", (IMAGE,), {"axis": 1}, {"axis": 1}),
    Case("Flatten", (IMAGE,), {"axis": -2}, {"axis": -2}, batched=False),
    Case("Flatten", (IMAGE,), {"axis": 0}, {"axis": 0}, batched=False),
    Case("Reshape", (IMAGE, integers(0, -1)), {"allow_zero": 0}),
    Case("Reshape", (normal(4), integers(1, -1, 1, 1)), {"allow_zero": 0}, batched=False),
    Case("Transpose", (IMAGE,), {"perm": (0, 2, 3, 1)}, {"perm": (0, 2, 3, 1)}),
    Case("Concat", (IMAGE, normal(2, 1, 5, 6), normal(2, 2, 5, 6)), {"axis": 1}, {"axis": 1}, batched=False),
    Case("Concat", (integers(1), integers(512)), {"axis": -1}, {"axis": -1}, batched=False),
    Case("Shape", (IMAGE,), batched=False),
    Case("Gather", (integers(1, 512, 7, 7), np.array(-2)), {"axis": 0}, {"axis": 0}, batched=False),
    Case("Gather", (IMAGE, np.array([[3, 0], [-1, 1]])), {"axis": 1}, {"axis": 1}),
    Case("Unsqueeze", (normal(4),), {"axes": (1, 2)}, {"axes": (1, 2)}),
    Case("Unsqueeze", (normal(2, 4),), {"axes": (0, -1)}, {"axes": (0, -1)}, batched=False),
    Case("Squeeze", (normal(2, 4, 1, 1),), {"axes": (2, -1)}, {"axes": (2, -1)}),
    Case("Squeeze", (normal(2, 4, 1, 1),), {"axes": ()}, {}, batched=False),
    Case("Expand", (normal(2, 1), integers(2, 5)), batched=False),
    Case("Expand", (normal(3, 1), integers(2, 1, 4)), batched=False),
    Case("ReduceL2", (normal(3, 65),), {"axes": (1,), "keepdims": 1}, {"axes": (1,), "keepdims": 1}),
    Case("ReduceL2", (IMAGE,), {"axes": (-1, 1), "keepdims": 0}, {"axes": (-1, 1), "keepdims": 0}),
    Case("ReduceL2", (IMAGE,), {"axes": (), "keepdims": 1}, {"keepdims": 1}, batched=False),
    Case(
        "ReduceMean",
        (IMAGE,),
        {"axes": (2, 3), "keepdims": 1},
        {"axes": (2, 3), "keepdims": 1},
    ),
    Case("Slice", (IMAGE, integers(1), integers(-1), integers(2))),
    Case("Slice", (IMAGE, integers(0, 100), integers(3, -100), integers(1, 3), integers(2, -2))),
    Case("Slice", (IMAGE, integers(1, -3), integers(2, 2**62)), batched=False),
    Case("Cast", (np.float32([-1.5, 0.0, 2.5]),), {"to": "int64"}, {"to": 7}),
    Case("Cast", (integers(-1, 0, 3),), {"to": "float32"}, {"to": 1}),
    Case("Cast", (np.float32([-1.5, 0.0, 2.5]),), {"to": "bool"}, {"to": 9}),
    _resize(IMAGE, (1, 1, 2, 2), mode="nearest", coordinates="asymmetric", nearest_mode="floor"),
    _resize(IMAGE, (1, 1, 0.5, 2.5), mode="nearest", coordinates="asymmetric", nearest_mode="ceil"),
    _resize(IMAGE, (1, 1, 2, 0.5), mode="nearest", coordinates="half_pixel", nearest_mode="round_prefer_ceil"),
    _resize(IMAGE, None, (2, 4, 7, 3), mode="nearest", coordinates="half_pixel"),
    _resize(IMAGE, (1, 1, 2, 2), mode="linear", coordinates="asymmetric"),
    _resize(IMAGE, (1, 1, 1.5, 0.75), mode="linear", coordinates="half_pixel"),
    _resize(IMAGE, None, (2, 4, 10, 9), mode="linear", coordinates="half_pixel"),
    _resize(IMAGE, None, (2, 4, 1, 11), mode="linear", coordinates="pytorch_half_pixel"),
    _resize(IMAGE, None, (2, 4, 9, 1), mode="linear", coordinates="align_corners"),
)
