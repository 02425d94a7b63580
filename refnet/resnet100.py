"""LResNet100E-IR, the network of the ArcFace paper, as code.

Deng et al., *ArcFace: Additive Angular Margin Loss for Deep Face Recognition*, arXiv:1801.07698, section 3.1: an
"improved residual" network (IR: batch normalisation, convolution, batch normalisation, PReLU, convolution, batch
normalisation) with an "E" head (batch normalisation, dropout, fully connected, batch normalisation). Names are those
of the MXNet export `arcfaceresnet100-8.onnx`.

The architecture is the five functions below. They are written against an `Interpreter`, so that one description
serves every use: `Arithmetic` computes with it, `Blueprint` writes down its graph.

Does not cover the other heads and units of the original `fresnet.py` (squeeze-and-excitation, bottlenecks).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from refnet.graph import Array, Attribute, Node, Shape
from refnet.ops.batch_normalization import batch_normalization
from refnet.ops.conv import conv
from refnet.ops.gemm import gemm
from refnet.ops.prelu import prelu

UNITS = (3, 13, 30, 3)
WIDTHS = (64, 128, 256, 512)
EMBEDDING = 512
IMAGE = (3, 112, 112)
EPSILON = float(np.float32(2e-5))

T = TypeVar("T")


class Interpreter(Protocol[T]):
    """What the architecture is written against: operators applied to named tensors, parameters found by name."""

    def scale(self, data: T) -> T: ...
    def conv(self, name: str, x: T, channels: int, size: int, stride: int = 1) -> T: ...
    def batch_normalization(self, name: str, x: T) -> T: ...
    def prelu(self, name: str, x: T) -> T: ...
    def add(self, name: str, a: T, b: T) -> T: ...
    def flatten(self, x: T) -> T: ...
    def fully_connected(self, name: str, x: T, channels: int) -> T: ...


def network(
    o: Interpreter[T], data: T, units: Sequence[int] = UNITS, widths: Sequence[int] = WIDTHS, embedding: int = EMBEDDING
) -> T:
    """Compute embeddings (N, 512) of images (N, 3, 112, 112), RGB, 0..255."""
    x = stem(o, data, widths[0])  # (N, 64, 112, 112)
    done = 0
    for number, (count, channels) in enumerate(zip(units, widths, strict=True), start=1):
        x = stage(o, x, number, count, channels, done)  # (N, channels, 112 / 2**number, 112 / 2**number)
        done += count
    return head(o, x, embedding)


def stem(o: Interpreter[T], data: T, channels: int) -> T:
    """Bring pixels to [-1, 1) and then to 64 feature maps of the same size."""
    x = o.scale(data)  # (data - 127.5) / 128
    x = o.conv("conv0", x, channels, 3)
    x = o.batch_normalization("bn0", x)
    return o.prelu("relu0", x)


def stage(o: Interpreter[T], x: T, number: int, count: int, channels: int, done: int) -> T:
    """Apply `count` units; the first halves the image. `done` units came before: the sums are numbered through."""
    for i in range(count):
        x = unit(o, x, f"stage{number}_unit{i + 1}", f"_plus{done + i}", channels, halve=i == 0)
    return x


def unit(o: Interpreter[T], x: T, name: str, total: str, channels: int, *, halve: bool) -> T:
    """Add to x what two convolutions make of it; nothing is applied after the sum."""
    stride = 2 if halve else 1
    y = o.batch_normalization(f"{name}_bn1", x)
    y = o.conv(f"{name}_conv1", y, channels, 3)
    y = o.batch_normalization(f"{name}_bn2", y)
    y = o.prelu(f"{name}_relu1", y)
    y = o.conv(f"{name}_conv2", y, channels, 3, stride)
    y = o.batch_normalization(f"{name}_bn3", y)
    if halve:
        x = o.conv(f"{name}_conv1sc", x, channels, 1, stride)
        x = o.batch_normalization(f"{name}_sc", x)
    return o.add(total, y, x)


def head(o: Interpreter[T], x: T, embedding: int) -> T:
    """25,088 numbers become 512. The dropout of training does nothing here."""
    x = o.batch_normalization("bn1", x)
    x = o.flatten(x)
    x = o.fully_connected("pre_fc1", x, embedding)
    return o.batch_normalization("fc1", x)


class Arithmetic:
    """Computes the network in float64 from parameters by name (float32 or float64)."""

    def __init__(self, parameters: Mapping[str, Array]):
        self.parameters = parameters

    def parameter(self, name: str) -> Array:
        return self.parameters[name].astype(np.float64)

    def scale(self, data: Array) -> Array:
        return (data.astype(np.float64) - self.parameter("scalar_op2")) * self.parameter("scalar_op3")

    def conv(self, name: str, x: Array, channels: int, size: int, stride: int = 1) -> Array:
        weight = self.parameter(f"{name}_weight")
        return conv(x, weight, stride=(stride, stride), padding=(size // 2,) * 4)

    def batch_normalization(self, name: str, x: Array) -> Array:
        vectors = [self.parameter(f"{name}_{part}") for part in ("gamma", "beta", "moving_mean", "moving_var")]
        return batch_normalization(x, *vectors, epsilon=EPSILON)

    def prelu(self, name: str, x: Array) -> Array:
        return prelu(x, self.parameter(f"{name}_gamma").reshape(1, -1, 1, 1))

    def add(self, name: str, a: Array, b: Array) -> Array:
        return a + b

    def flatten(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

    def fully_connected(self, name: str, x: Array, channels: int) -> Array:
        return gemm(x, self.parameter(f"{name}_weight"), self.parameter(f"{name}_bias"), trans_b=1)


class Blueprint:
    """Writes the network down as the nodes of `arcfaceresnet100-8.onnx`, with the shape of every parameter.

    Tensors are (name, shape without the batch). The exporter numbered some names by a count over operators and
    parameters alike; `_serial` is that count.

    Attributes
    ----------
    nodes : the operators in the file's order.
    parameters : {name: shape} of every initializer in the file's order.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.parameters: dict[str, Shape] = {}
        self._serial = 1  # `data` is number 0

    def _parameter(self, name: str, shape: Shape) -> str:
        self.parameters[name] = shape
        self._serial += 1
        return name

    def _node(self, op: str, name: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        self.nodes.append(Node(name, op, tuple(inputs), name, attributes))
        self._serial += 1
        return name

    def _uncounted(self, op: str, name: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        self._serial -= 1  # patched into the export, after the numbers were given
        return self._node(op, name, inputs, **attributes)

    def scale(self, data: tuple[str, Shape]) -> tuple[str, Shape]:
        name, shape = data
        x = self._node("Identity", "id", [name])
        for op, result, scalar in (("Sub", "_minusscalar0", "scalar_op2"), ("Mul", "_mulscalar0", "scalar_op3")):
            self.parameters[scalar] = (1,)
            x = self._node(op, result, [x, scalar])
        return x, shape

    def conv(self, name: str, x: tuple[str, Shape], channels: int, size: int, stride: int = 1) -> tuple[str, Shape]:
        source, (ic, h, w) = x
        weight = self._parameter(f"{name}_weight", (channels, ic, size, size))
        padding = (size // 2,) * 4
        y = self._node(
            "Conv", name, [source, weight], stride=(stride, stride), padding=padding, dilation=(1, 1), groups=1
        )
        return y, (channels, h // stride, w // stride)

    def batch_normalization(self, name: str, x: tuple[str, Shape]) -> tuple[str, Shape]:
        source, shape = x
        vectors = [
            self._parameter(f"{name}_{part}", shape[:1]) for part in ("gamma", "beta", "moving_mean", "moving_var")
        ]
        return self._node("BatchNormalization", name, [source, *vectors], epsilon=EPSILON), shape

    def prelu(self, name: str, x: tuple[str, Shape]) -> tuple[str, Shape]:
        source, shape = x
        slope = self._parameter(f"{name}_gamma", shape[:1])
        target, reshaped = f"reshape{self._serial}", f"slope{self._serial}"
        self.parameters[target] = (4,)
        self._uncounted("Reshape", reshaped, [slope, target], allow_zero=0)
        return self._node("PRelu", name, [source, reshaped]), shape

    def add(self, name: str, a: tuple[str, Shape], b: tuple[str, Shape]) -> tuple[str, Shape]:
        return self._node("Add", name, [a[0], b[0]]), a[1]

    def flatten(self, x: tuple[str, Shape]) -> tuple[str, Shape]:
        source, shape = x
        dropped = self._node("Dropout", "dropout0", [source])
        self._serial += 2  # the fully connected layer's weight and bias come first
        flat = self._uncounted("Flatten", f"flatten_{self._serial}", [dropped], axis=1)
        self._serial -= 2
        return flat, (int(np.prod(shape)),)

    def fully_connected(self, name: str, x: tuple[str, Shape], channels: int) -> tuple[str, Shape]:
        source, (features,) = x
        weight = self._parameter(f"{name}_weight", (channels, features))
        bias = self._parameter(f"{name}_bias", (channels,))
        y = self._node("Gemm", name, [source, weight, bias], alpha=1.0, beta=1.0, trans_a=0, trans_b=1)
        return y, (channels,)
