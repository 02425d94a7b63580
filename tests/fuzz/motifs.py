"""Patterns of several nodes that networks are made of, and those that make images of a batch meet."""

import math

import numpy as np

from tests.fuzz import recipes
from tests.fuzz.growth import ONNX_TYPES, UnfitError


def _float(g, shape):
    return g.constant(g.numbers(shape))


def _activated(g, x):
    """x behind one of the activations, or none."""
    kind = g.between(0, 3)
    if kind == 0:
        return g.node("Relu", [x], x.shape, low=0, high=max(0, x.high))
    if kind == 1:
        slope = g.shared((x.shape[1], 1, 1), lambda: g.numbers((x.shape[1], 1, 1), 0, 1))
        return g.node("PRelu", [x, slope], x.shape, low=-x.largest, high=x.largest)
    return x


def residual_unit(g):
    """BatchNormalization, convolutions and activations, and the sum with what they began with."""
    x = g.image(lambda v: v.shape[1] <= 70 and min(v.shape) > 0 and v.largest < 20)
    y = recipes.normalised(g, x) if g.chance(50) else x
    y = recipes.convolved(g, y, out=g.choice((x.shape[1], 16, 32)), plain=True)
    if g.chance(50):
        y = recipes.normalised(g, y)
    y = _activated(g, y)
    y = recipes.convolved(g, y, out=x.shape[1], plain=True)
    if g.chance(50):
        y = recipes.normalised(g, y)
    y = g.node("Add", [x, y] if g.chance(50) else [y, x], x.shape, low=x.low + y.low, high=x.high + y.high)
    return _activated(g, y)


def scaled_input(g):
    """(x - mean) * scale of a graph input, then a convolution; of pixels 0..255, with constants of pixels."""
    x = g.image(lambda v: v.name.startswith("x") and min(v.shape) > 0)
    shape = g.choice(((), (1,), (x.shape[1], 1, 1), (1, x.shape[1], 1, 1)))
    if x.high == 255:
        mean, scale = (g.constant(np.full(shape, number, np.float32)) for number in (127.5, 0.0078125))
        y = g.node("Sub", [x, mean], x.shape, low=-127.5, high=127.5)
        y = g.node("Mul", [y, scale], x.shape, low=-1, high=1)
    else:
        mean, scale = (g.constant(g.numbers(shape, 0.25, 1)) for _ in "ms")
        op, of = g.choice((("Sub", -1), ("Add", 1)))
        y = g.node(op, [x, mean], x.shape, low=x.low + min(0, of), high=x.high + max(0, of))
        y = g.node(g.choice(("Mul", "Mul", "Div")), [y, scale], x.shape, low=-4 * y.largest, high=4 * y.largest)
    return recipes.convolved(g, y, plain=True) if y.shape[1] <= 70 else y


def attention(g):
    """Queries and keys of an image or a sequence, their products, Softmax, and the values weighed by it."""
    x = g.pick(("float32",), where=lambda v: v.rank in (3, 4) and 1 < v.size <= 3000 and v.largest < 30)
    if x.rank == 4:
        k = recipes.convolved(g, x, out=x.shape[1], size=1) if x.shape[1] <= 70 else x
        n, c, h, w = x.shape
        x, k = (g.reshaped(v, (n, c, h * w), (0, c, -1)) for v in (x, k))
    else:
        k = x
    n, c, t = x.shape
    q = g.node("Transpose", [x], (n, t, c), perm=[0, 2, 1])
    largest = c * x.largest * k.largest
    scores = g.node("MatMul", [q, k], (n, t, t), low=-largest, high=largest)
    scores = g.node(
        "Mul", [scores, g.constant(np.array(1 / 8, np.float32))], scores.shape, low=-largest / 8, high=largest / 8
    )
    axis = -1 if g.opset >= 11 else 2
    share = g.node("Softmax", [scores], scores.shape, low=0, high=1, axis=axis)
    y = g.node("MatMul", [share, q], (n, t, c), low=-x.largest * 1.01, high=x.largest * 1.01)
    return g.node("Transpose", [y], (n, c, t), perm=[0, 2, 1]) if g.chance(50) else y


def squeeze_excite(g):
    """Channels weighed by what the whole image says."""
    x = g.image(lambda v: v.shape[1] <= 70 and min(v.shape) > 0)
    y = recipes.global_average_pool(g) if g.chance(10) else g.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
    if y.shape[:2] != x.shape[:2]:
        raise UnfitError
    y = recipes.convolved(g, y, out=g.choice((1, 4, 16)), size=1)
    y = g.node("Relu", [y], y.shape, low=0, high=max(y.high, 0))
    y = recipes.convolved(g, y, out=x.shape[1], size=1)
    y = g.node("Sigmoid", [y], y.shape, low=0, high=1)
    return g.node("Mul", [x, y], x.shape, low=min(x.low, 0), high=max(x.high, 0))


def head(g):
    """Flatten, the fully connected layer and its normalisation."""
    x = g.image(lambda v: math.prod(v.shape[1:]) <= 2000 and min(v.shape) > 0)
    if g.chance(50):
        x = recipes.normalised(g, x)
    if g.chance(30):
        x = g.node("Dropout", [x], x.shape)
    terms, out = math.prod(x.shape[1:]), g.choice((1, 5, 16, 33, 64))
    flat = g.node("Flatten", [x], (x.shape[0], terms)) if g.chance(60) else g.reshaped(x, (x.shape[0], terms), (0, -1))
    transposed = g.chance(60)
    weight = g.constant(g.weights((out, terms) if transposed else (terms, out), terms))
    largest = x.largest * weight.largest * terms + 1
    y = g.node(
        "Gemm", [flat, weight, _float(g, (out,))], (x.shape[0], out), low=-largest, high=largest, transB=int(transposed)
    )
    return recipes.normalised(g, y) if g.chance(60) and y.largest < 100 else y


def unit_length(g):
    """x over its length along an axis, the length kept away from zero."""
    x = g.pick(("float32",), where=lambda v: v.rank >= 2 and v.size)
    axis = g.between(1, x.rank - 1)
    length = recipes.reduced(g, "ReduceL2", x, recipes._length, axes=[axis], keepdims=1)
    least = g.constant(np.array(0.25, np.float32))
    length = g.node("Add", [length, least], length.shape, low=0.25, high=length.high + 0.25)
    return g.node("Div", [x, length], x.shape, low=-4 * x.largest, high=4 * x.largest)


def dynamic_flatten(g):
    """Shape, Gather, Unsqueeze, Concat, Reshape: how exporters flatten for any batch."""
    x = g.pick(("float32",), where=lambda v: v.rank >= 2 and v.size)
    shape = g.node("Shape", [x], (x.rank,), dtype="int64", low=1, high=max(x.shape), keep=False)
    batch = g.node(
        "Gather", [shape, g.constant(np.array(0, np.int64))], (), low=1, high=max(x.shape), axis=0, keep=g.chance(20)
    )
    if g.opset >= 13:
        one = g.node("Unsqueeze", [batch, g.constant(np.array([0], np.int64))], (1,), keep=False)
    else:
        one = g.node("Unsqueeze", [batch], (1,), keep=False, axes=[0])
    target = g.node("Concat", [one, g.constant(np.array([-1], np.int64))], (2,), low=-1, keep=False, axis=0)
    return g.node("Reshape", [x, target], (x.shape[0], math.prod(x.shape[1:])))


# Images of a batch meet


def centred(g):
    """x less its mean over the batch."""
    x = g.pick(("float32",), where=lambda v: v.rank and v.size)
    mean = recipes.reduced(g, "ReduceMean", x, axes=[0], keepdims=1)
    return g.node("Sub", [x, mean], x.shape, low=x.low - mean.high, high=x.high - mean.low)


def share_of_batch(g):
    """x over the number of images."""
    x = g.pick(("float32",), where=lambda v: v.rank and v.size)
    shape = g.node("Shape", [x], (x.rank,), dtype="int64", low=1, high=max(x.shape), keep=False)
    count = g.node(
        "Gather", [shape, g.constant(np.array(0, np.int64))], (), low=1, high=max(x.shape), axis=0, keep=False
    )
    count = g.node("Cast", [count], (), dtype="float32", keep=False, to=ONNX_TYPES["float32"])
    return g.node("Div", [x, count], x.shape, low=-x.largest, high=x.largest)


def across_batch(g):
    """Softmax, or a product of all rows with all rows, along axis 0."""
    x = g.pick(("float32",), where=lambda v: v.rank == 2 and v.size and v.largest < 10)
    turned = g.node("Transpose", [x], x.shape[::-1], perm=[1, 0])
    largest = x.shape[1] * x.largest**2
    kind = g.between(0, 2)
    if kind == 0:
        return g.node("MatMul", [x, turned], (x.shape[0],) * 2, low=-largest, high=largest)
    if kind == 1:
        largest = x.shape[0] * x.largest**2
        return g.node("MatMul", [turned, x], (x.shape[1],) * 2, low=-largest, high=largest)
    y = g.node("Softmax", [turned], turned.shape, low=0, high=1, axis=-1 if g.opset >= 11 else 1)
    return g.node("Transpose", [y], x.shape, perm=[1, 0])


def reversed_batch(g):
    """The images in the other order."""
    x = g.pick(recipes.ANY, where=lambda v: v.rank and v.size)
    if g.opset < 10:
        raise UnfitError
    bounds = [g.constant(np.array([number], np.int64)) for number in (-1, recipes.FIRST, 0, -1)]
    return g.node("Slice", [x, *bounds], x.shape)


MOTIFS = (
    residual_unit, residual_unit, scaled_input, attention, attention, squeeze_excite, head, unit_length, dynamic_flatten,
    centred, share_of_batch, across_batch, reversed_batch,
)  # fmt: skip
PLAIN_MOTIFS = (residual_unit, scaled_input, head)
