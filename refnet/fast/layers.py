"""What kernels can run, of a simplified graph: convolutions, fully connected layers and the scaling of an input.

Weights are functions that compute them, in float64 with all that was folded into them, when they are packed: so no
second copy of all weights ever exists, and each weight is rounded once. A node for which there is no kernel stays a
`Node` and is run by its definition in `refnet.ops`, in float32.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from refnet.fast.simplify import FusedConv, constant_names, epilogue, evaluate, fuse
from refnet.fast.simplify.editing import makers, sole_readers
from refnet.fast.simplify.scaling import scaling_of
from refnet.graph import Array, Graph, Node, Shape
from refnet.ops.operator import Known


@dataclass(frozen=True)
class ConvLayer:
    """A convolution and what follows it.

    sum = x * weight + bias (+ residual);  y = slope * sum where sum < 0, else sum;  second = scale * y + shift.

    Attributes
    ----------
    name : str
        The convolution's node.
    x, y, residual, second : str
        Tensors, by the names they have in the graph; empty where there is none.
    weight : () -> (OC, IC / groups, KH, KW) float64
    weight_shape : (OC, IC / groups, KH, KW)
    bias, slope, scale, shift : (OC,) float64
        A slope of NaN is a ReLU: 0 where sum < 0, whatever the sum.
    stride : (int, int)
    padding : (top, left, bottom, right)
    depthwise : bool
        Every channel has a filter of its own.
    """

    name: str
    x: str
    y: str
    residual: str
    second: str
    weight: Callable[[], Array]
    weight_shape: Shape
    bias: Array
    slope: Array
    scale: Array
    shift: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    depthwise: bool


@dataclass(frozen=True)
class DenseLayer:
    """y = flatten(x) weight^T + bias, for x of shape (N, K) or (N, C, H, W) with K = C*H*W in this order.

    weight : () -> (OC, K) float64; weight_shape : (OC, K); bias : () -> (OC,) float64
    """

    name: str
    x: str
    y: str
    weight: Callable[[], Array]
    weight_shape: Shape
    bias: Callable[[], Array]


@dataclass(frozen=True)
class InputLayer:
    """y = scale * x + shift for a graph input of shape (N, C, H, W); both (C,) float64."""

    name: str
    x: str
    y: str
    scale: Array
    shift: Array


@dataclass(frozen=True)
class PixelLayer:
    """What needs no weights: the largest of a window, pixels repeated, or the sum of two tensors; all (N, C, H, W).

    Attributes
    ----------
    name : str
    op : "MaxPool", "Resize" or "Add"
    x, y, residual : str
        The residual is the other summand; empty elsewhere.
    window : (int, int)
        Of a pool, down and across.
    stride : (int, int)
        Of a pool; of a Resize, how often a pixel is repeated.
    """

    name: str
    op: str
    x: str
    y: str
    residual: str = ""
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)


Layer = ConvLayer | DenseLayer | InputLayer | PixelLayer | Node


def layers_of(graph: Graph, known: Mapping[str, Known], rows: frozenset[str]) -> tuple[Layer, ...]:
    """Tell what is to be run, in order.

    Parameters
    ----------
    graph : Graph
        As `simplify` leaves it.
    known : {tensor: Known}
        What `infer` says of it.
    rows : names
        Of the tensors that hold floats, one row an image: kernels read and write no others.
    """
    return tuple(_layers(graph, known, rows))


def _layers(graph: Graph, known: Mapping[str, Known], rows: frozenset[str]) -> Iterator[Layer]:
    inputs, constant = {tensor.name for tensor in graph.inputs}, constant_names(graph)
    made_by, read_by = makers(graph), sole_readers(graph)

    def dense_input(node: Node) -> str:
        """What a fully connected layer reads, past a Flatten that only it reads; empty where a node is none."""
        x = node.inputs[0]
        if node.op != "Gemm" or not _is_dense(node, known, constant) or not rows >= {x, node.output}:
            return ""
        flatten = made_by.get(x)
        if flatten is not None and flatten.op == "Flatten" and x in read_by:
            whole = flatten.attributes["axis"] == 1 and len(known[flatten.inputs[0]].shape) == 4
            return flatten.inputs[0] if whole and flatten.inputs[0] in rows else x
        return x

    absorbed = {node.inputs[0] for node in graph.nodes if dense_input(node) not in ("", node.inputs[0])}
    for item in fuse(graph, known):
        if isinstance(item, FusedConv):
            yield from _conv(graph, item, known, rows)
        elif item.output in absorbed:
            continue
        elif x := dense_input(item):
            yield _dense(graph, item, x, known)
        elif _reads_image(item, rows & inputs, known) and (scaling := scaling_of(graph, item)):
            yield InputLayer(item.name, item.inputs[0], item.output, scaling.scale, scaling.shift)
        elif _rows_only(item, rows, constant) and (layer := _pixels(graph, item, known, constant)):
            yield layer
        else:
            yield item


def _rows_only(node: Node, rows: frozenset[str], constant: Collection[str]) -> bool:
    """Whether a node makes rows of rows and of constants."""
    return node.output in rows and all(name in rows or name in constant for name in node.inputs if name)


def _reads_image(node: Node, images: Collection[str], known: Mapping[str, Known]) -> bool:
    """Whether a node's first input is a graph input of images."""
    return bool(node.inputs) and node.inputs[0] in images and len(known[node.output].shape) == 4


def _conv(graph: Graph, fused: FusedConv, known: Mapping[str, Known], rows: frozenset[str]) -> Iterator[Layer]:
    """The fused convolution, or the nodes it was made of if there is no kernel for it."""
    tensors = {fused.conv.inputs[0], fused.output, fused.residual, fused.second} - {""}
    node, attributes = fused.conv, cast(Mapping[str, Any], fused.conv.attributes)
    x, weight, *_ = node.inputs
    shape, groups = known[weight].shape, attributes["groups"]
    depthwise = groups == shape[0] == known[x].shape[1] > 1
    across = (1, 2) if groups == 1 else (attributes["stride"][1],)
    plain = (groups == 1 or depthwise) and attributes["dilation"] == (1, 1) and attributes["stride"][1] in across
    if plain and rows >= tensors:
        after = epilogue(graph, fused, known)
        yield ConvLayer(
            name=node.name,
            x=x,
            y=fused.output,
            residual=fused.residual,
            second=fused.second,
            weight=lambda: evaluate(graph, weight),
            weight_shape=shape,
            bias=after.bias,
            slope=after.slope,
            scale=after.scale,
            shift=after.shift,
            stride=attributes["stride"],
            padding=attributes["padding"],
            depthwise=depthwise,
        )
        return
    yield node
    at = node.output
    if fused.residual:
        after_add = fused.activation.inputs[0] if fused.activation else fused.output
        yield Node(f"{node.name}:residual", "Add", (at, fused.residual), after_add)
    if fused.activation:
        yield fused.activation
    if fused.scaling:
        yield fused.scaling


def _pixels(graph: Graph, node: Node, known: Mapping[str, Known], constant: frozenset[str]) -> PixelLayer | None:
    """The layer without weights that a node is, if there is a kernel for it."""
    x, y, attributes = known[node.inputs[0]].shape, known[node.output].shape, cast(Mapping[str, Any], node.attributes)
    if len(y) != 4 or len(x) != 4 or x[:2] != y[:2] or node.inputs[0] in constant:
        return None
    if node.op == "MaxPool":
        window, stride = attributes["kernel"], attributes["stride"]
        inside = all((n - 1) * s + k <= m for n, s, k, m in zip(y[2:], stride, window, x[2:], strict=True))
        if inside and attributes["padding"] == (0, 0, 0, 0) and attributes["dilation"] == (1, 1):
            return PixelLayer(node.name, node.op, node.inputs[0], node.output, window=window, stride=stride)
    elif node.op == "Resize" and constant.issuperset(filter(None, node.inputs[1:])):
        repeated = (y[2] // x[2], y[3] // x[3])
        scales = evaluate(graph, node.inputs[1]).tolist() if node.inputs[1] else [1, 1, *repeated]
        whole = [1, 1, *repeated] == scales and (x[2] * repeated[0], x[3] * repeated[1]) == y[2:]
        how = (attributes["mode"], attributes["coordinate_transformation"], attributes.get("nearest_mode"))
        if whole and how == ("nearest", "asymmetric", "floor"):
            return PixelLayer(node.name, node.op, node.inputs[0], node.output, stride=repeated)
    elif node.op == "Add" and node.inputs[1] not in constant and known[node.inputs[1]].shape == x:
        return PixelLayer(node.name, node.op, node.inputs[0], node.output, node.inputs[1])
    return None


def _is_dense(node: Node, known: Mapping[str, Known], constant: frozenset[str]) -> bool:
    """Whether a Gemm is rows by constant weights, plus one number an output or one for all."""
    plain = node.attributes["alpha"] == node.attributes["beta"] == 1.0 and not node.attributes["trans_a"]
    bias = known[node.inputs[2]].shape if len(node.inputs) > 2 and node.inputs[2] else ()
    return plain and math.prod(bias[:-1]) == 1 and constant.issuperset(filter(None, node.inputs[1:]))


def _dense(graph: Graph, node: Node, x: str, known: Mapping[str, Known]) -> DenseLayer:
    """The layer that a Gemm is; its bias may be one number or one an output."""
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else ""
    transposed = bool(node.attributes["trans_b"])
    shape = known[weight].shape if transposed else known[weight].shape[::-1]

    def evaluated() -> Array:
        value = evaluate(graph, weight)
        return value if transposed else value.T

    def added() -> Array:
        value = evaluate(graph, bias).reshape(-1) if bias else np.zeros(1)
        return np.broadcast_to(value, shape[:1])

    return DenseLayer(node.name, x, node.output, evaluated, shape, added)
