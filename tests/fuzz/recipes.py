"""How each operator is drawn: one recipe an operator, in the table RECIPES; and motifs of several nodes.

A recipe takes the growth, picks tensors that the operator can read, draws its attributes in the form that the opset
has for them, and adds the node. It raises UnfitError where the pool holds nothing for it. What it adds is defined by ONNX
without doubt: no division by zero, no root of a negative number, no place of a nearest Resize so close to a tie that
float32 would decide it.
"""

import math
from fractions import Fraction

import numpy as np

from tests.fuzz.growth import ANY, NUMBERS, ONNX_TYPES, REAL, WHOLE, UnfitError

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 70)
LAST, FIRST = 2**63 - 1, -(2**63)


# Two operands


def _second(g, x, where=None):
    """Another operand that broadcasts with x: a tensor, or a constant of one of many shapes."""
    others = [v for v in g.pool if v.dtype == x.dtype and _joint(x.shape, v.shape) and (where is None or where(v))]
    if others and g.chance(50):
        return g.choice(others)
    low, high = (1, 3) if x.dtype in WHOLE else (-1, 1)
    if where is not None:
        low, high = (1, 3) if x.dtype in WHOLE else (0.5, 2)
    shape = _stretched(g, x.shape)
    values = g.random.integers(low, high + 1, shape) if x.dtype in WHOLE else g.numbers(shape, low, high)
    if where is not None and x.dtype in REAL and g.chance(30):
        values = -values
    return g.constant(np.asarray(values, x.dtype))


def _stretched(g, shape):
    """A shape that broadcasts with another one."""
    kind = g.between(0, 6)
    if kind == 0:
        return ()
    if kind == 1:
        return (1,) * g.between(1, max(len(shape), 1))
    if kind == 2 and len(shape) > 1:  # one number a channel
        return (*([1] if g.chance(50) else []), shape[1], *[1] * (len(shape) - 2))
    if kind == 3:
        return shape[len(shape) - g.between(0, len(shape)) :]
    if kind == 4 and len(shape) < 5 and g.chance(30):
        return (g.between(1, 2), *shape)
    return tuple(extent if g.chance(50) else 1 for extent in shape)


def _joint(a, b):
    """The shape that two broadcast to, or None."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _ends(a, b, of):
    """The interval of a monotone function of two intervals."""
    ends = [of(p, q) for p in (a.low, a.high) for q in (b.low, b.high)]
    return min(ends), max(ends)


def _binary(op, of):
    def recipe(g):
        a = g.pick(NUMBERS)
        b = _second(g, a)
        if g.chance(30):
            a, b = b, a
        low, high = _ends(a, b, of)
        return g.node(op, [a, b], _joint(a.shape, b.shape), low=low, high=high)

    return recipe


def div(g):
    a = g.pick(NUMBERS)
    b = _second(g, a, where=lambda v: v.low >= 0.125 or v.high <= -0.125)
    if a.dtype in WHOLE and not (b.low >= 1 or b.high <= -1):
        raise UnfitError
    low, high = _ends(a, b, lambda p, q: p / q)
    return g.node("Div", [a, b], _joint(a.shape, b.shape), low=math.floor(low), high=math.ceil(high))


def power(g):
    if g.chance(20):
        x = g.pick(WHOLE, where=lambda v: v.largest < 10)
        p = g.between(0, 2)
        exponent = g.constant(np.array(p, x.dtype if g.opset < 12 or g.chance(50) else g.choice(WHOLE)))
        if g.opset < 12:
            raise UnfitError  # whole numbers came with opset 12
        return g.node("Pow", [x, exponent], x.shape, low=min(0, x.low**p, x.low), high=max(x.largest**p, 1))
    if g.chance(50):
        x, p = g.pick(REAL, where=lambda v: v.largest < 30), g.choice((2, 2, 3, 1, 0))
        low, high = -(max(x.largest, 1) ** p), max(x.largest, 1) ** p
    else:
        x, p = g.positive(("float32",), where=lambda v: v.largest < 100), g.choice((0.5, 1.5, -1, -0.5, 2, -2))
        low, high = 0, max(x.low**p, x.high**p)
        if x.low >= 0.125:
            low = min(x.low**p, x.high**p)
    shape = _stretched(g, x.shape) if g.chance(20) else g.choice(((), (1,)))
    dtype = (
        g.choice(("float32", "int64", "int32")) if g.opset >= 12 and p == int(p) and x.dtype == "float32" else x.dtype
    )
    exponent = g.constant(np.full(shape, p, dtype))
    return g.node("Pow", [x, exponent], _joint(x.shape, shape), low=low, high=high)


def prelu(g):
    x = g.pick(("float32",), where=lambda v: v.rank > 0)
    shapes = [(), (1,), x.shape, (1,) * x.rank]
    if x.rank > 1:
        channels = (x.shape[1], *[1] * (x.rank - 2))
        shapes += [channels, (1, *channels)] * 3
    shape = g.choice(shape for shape in shapes if not (len(shape) == 1 and x.rank > 1 and shape[0] == x.shape[1] != 1))
    slope = g.shared(shape, lambda: g.numbers(shape, -0.5, 1.25))
    gain = max(1, slope.largest)
    return g.node("PRelu", [x, slope], x.shape, low=-gain * x.largest, high=gain * x.largest)


# One operand, element by element


def relu(g):
    dtypes = REAL if g.opset < 14 else (*REAL, "int32")
    x = g.pick(dtypes)
    return g.node("Relu", [x], x.shape, low=max(0, x.low), high=max(0, x.high))


def sigmoid(g):
    x = g.pick(REAL)
    return g.node("Sigmoid", [x], x.shape, low=0, high=1)


def sqrt(g):
    x = g.positive(REAL)
    return g.node("Sqrt", [x], x.shape, low=math.sqrt(x.low) * 0.99, high=math.sqrt(x.high) * 1.01)


def clip(g):
    x = g.pick(REAL if g.opset < 12 else NUMBERS)
    if g.opset < 11 and x.dtype != "float32":
        raise UnfitError
    low = g.choice((None, -1, 0, -0.5))
    high = g.choice((None, 1, 6, 0.5))
    bounds = (x.low if low is None else max(x.low, low), x.high if high is None else min(x.high, high))
    bounds = {
        "low": min(bounds[0], x.high if high is None else high),
        "high": max(bounds[1], x.low if low is None else low),
    }
    if g.opset < 11:
        said = {"min": None if low is None else float(low), "max": None if high is None else float(high)}
        return g.node("Clip", [x], x.shape, **bounds, **said)
    inputs = [
        None if b is None else g.constant(np.array(int(b) if x.dtype in WHOLE else b, x.dtype)) for b in (low, high)
    ]
    return g.node("Clip", [x, *inputs], x.shape, **bounds)


def dropout(g):
    x = g.pick(REAL if g.opset >= 12 else ("float32",))
    more = [g.fresh("mask")] if g.chance(20) else []
    if g.opset < 12:
        return g.node("Dropout", [x], x.shape, ratio=g.choice((None, 0.0, 0.4)), more=more)
    ratio = g.constant(np.array(0.25, np.float32)) if g.chance(50) else None
    training = g.constant(np.array(False)) if g.chance(30) else None
    return g.node("Dropout", [x, ratio, training], x.shape, more=more)


def identity(g):
    x = g.pick(ANY)
    return g.node("Identity", [x], x.shape)


def cast(g):
    x = g.pick(ANY)
    to = g.choice(("float32", "float32", "float64", "int32", "int64", "bool", "float16"))
    if to == "bool":
        return g.node("Cast", [x], x.shape, dtype=to, low=0, high=1, to=ONNX_TYPES[to])
    if to == "float16":  # there and back: little else takes it
        half = g.node("Cast", [x], x.shape, dtype=to, keep=False, to=ONNX_TYPES[to])
        return g.node("Cast", [half], x.shape, dtype="float32", low=x.low, high=x.high, to=ONNX_TYPES["float32"])
    low, high = (math.floor(x.low), math.ceil(x.high)) if to in WHOLE else (x.low, x.high)
    return g.node("Cast", [x], x.shape, dtype=to, low=low, high=high, to=ONNX_TYPES[to])


# Images


def conv(g):
    x = g.image(lambda v: v.shape[1] <= 70 and min(v.shape) > 0)
    return convolved(g, x)


def convolved(g, x, out=None, size=None, plain=False):
    """A convolution of x; `plain` is 3 x 3, stride 1, and keeps the size, as does another `size`."""
    if g.special:  # by Winograd's algorithm an infinity spoils the whole tile
        size = 1
    channels = x.shape[1]
    groups = 1
    if out is None and not plain and g.chance(40):
        groups = g.choice(d for d in range(1, channels + 1) if channels % d == 0)
        if g.chance(50):
            groups = channels
    out = out or (groups * g.choice((1, 1, 2, 3)) if groups > 1 else g.choice(CHANNELS))
    if size is not None:
        kernel, stride, dilation, pads, auto = (size, size), (1, 1), (1, 1), (size // 2,) * 4, None
    elif plain or g.chance(40):
        kernel, stride, dilation, pads, auto = (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), None
    else:
        kernel, stride, dilation, pads, auto = _window(g, x.shape[2:], pads_below=99)
    shape = (x.shape[0], out, *_extents(x.shape[2:], kernel, stride, dilation, pads, auto))
    terms = channels // groups * math.prod(kernel)
    filters = (out, channels // groups, *kernel)
    weight = g.shared(filters, lambda: g.weights(filters, terms))
    if g.chance(5):
        weight = g.node("Identity", [weight], weight.shape, keep=False)
    bias = g.shared((out,), lambda: g.numbers((out,))) if g.chance(60) else None
    largest = x.largest * weight.largest * terms + (0 if bias is None else bias.largest)
    return g.node(
        "Conv", [x, weight, bias], shape, low=-largest, high=largest,
        kernel_shape=kernel if g.chance(80) else None, group=groups if groups > 1 or g.chance(50) else None,
        **_said_window(g, stride, dilation, pads, auto),
    )  # fmt: skip


def _window(g, image, pads_below=None):
    """(kernel, stride, dilation, pads, auto_pad) that fit an image; pads less than the kernel's reach if asked."""
    for _ in range(20):
        kernel = (g.between(1, 5), g.between(1, 5))
        if g.chance(50):
            kernel = (kernel[0],) * 2
        stride = (g.between(1, 3), g.between(1, 3))
        if g.chance(60):
            stride = (stride[0],) * 2
        dilation = (g.between(1, 3), g.between(1, 3)) if g.chance(20) else (1, 1)
        pads = (
            tuple(g.between(0, min(3, (pads_below or kernel[i % 2]) - 1)) for i in range(4))
            if g.chance(60)
            else (0,) * 4
        )
        auto = g.choice(("SAME_UPPER", "SAME_LOWER", "VALID")) if g.chance(15) else None
        if auto:
            # onnxruntime has no dilation beside auto_pad, and pads less than nothing where a stride passes the window.
            pads, dilation, stride = (0,) * 4, (1, 1), (min(stride[0], kernel[0]), min(stride[1], kernel[1]))
        if min(_extents(image, kernel, stride, dilation, pads, auto)) > 0:
            return kernel, stride, dilation, pads, auto
    raise UnfitError


def _extents(image, kernel, stride, dilation, pads, auto=None, ceil=False):
    """Output height and width."""
    extents = []
    for i in (0, 1):
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            extents.append(-(-image[i] // stride[i]))
            continue
        room = image[i] + pads[i] + pads[i + 2] - dilation[i] * (kernel[i] - 1) - 1
        count = room // stride[i] + 1
        if ceil and room % stride[i]:
            if count * stride[i] >= image[i] + pads[i]:
                raise UnfitError  # a window that begins behind the image: specifications differ about it
            count += 1
        extents.append(count if room >= 0 else 0)
    return extents


def _said_window(g, stride, dilation, pads, auto):
    """The attributes of a window, some defaults left out."""
    said = {"strides": stride, "dilations": dilation, "pads": None if auto else pads, "auto_pad": auto}
    defaults = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}
    return {key: None if value == defaults.get(key) and g.chance(50) else value for key, value in said.items()}


def max_pool(g):
    x = g.image(lambda v: min(v.shape) > 0)
    if g.chance(40):
        kernel, stride, dilation, pads, auto = (*g.choice((((2, 2), (2, 2)), ((3, 3), (2, 2)))), (1, 1), (0,) * 4, None)
        if min(_extents(x.shape[2:], kernel, stride, dilation, pads)) < 1:
            raise UnfitError
    else:
        kernel, stride, dilation, pads, auto = _window(g, x.shape[2:])
    if g.opset < 10:
        dilation = (1, 1)
    ceil = g.opset >= 10 and auto is None and g.chance(30)
    shape = (*x.shape[:2], *_extents(x.shape[2:], kernel, stride, dilation, pads, auto, ceil))
    said = _said_window(g, stride, dilation, pads, auto)
    if g.opset < 10:
        del said["dilations"]
    return g.node("MaxPool", [x], shape, kernel_shape=kernel, ceil_mode=1 if ceil else None, **said)


def average_pool(g):
    x = g.image(lambda v: min(v.shape) > 0)
    kernel, stride, _, pads, auto = _window(g, x.shape[2:])
    dilation = (1, 1)
    ceil = g.opset >= 19 and auto is None and g.chance(30)
    extents = _extents(x.shape[2:], kernel, stride, dilation, pads, auto, ceil)
    if min(extents) < 1:
        raise UnfitError
    said = _said_window(g, stride, dilation, pads, auto)
    del said["dilations"]
    inclusive = g.choice((None, 0, 1)) if auto is None else None
    low, high = (min(x.low, 0), max(x.high, 0)) if inclusive else (x.low, x.high)
    return g.node(
        "AveragePool", [x], (*x.shape[:2], *extents), low=low, high=high, kernel_shape=kernel,
        ceil_mode=1 if ceil else None, count_include_pad=inclusive, **said,
    )  # fmt: skip


def global_average_pool(g):
    x = g.image(lambda v: min(v.shape) > 0)
    return g.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))


def batch_normalization(g):
    x = g.pick(("float32",), where=lambda v: v.rank in (2, 4))
    return normalised(g, x)


def normalised(g, x):
    """Batch normalisation of x by stored statistics."""
    channels = (x.shape[1],)
    gamma, beta, mean = (g.shared(channels, lambda: g.numbers(channels, -1.5, 1.5)) for _ in range(3))
    var = g.constant(g.numbers(channels, 0.125, 2))
    largest = gamma.largest * (x.largest + mean.largest) / math.sqrt(0.125) + beta.largest
    return g.node(
        "BatchNormalization", [x, gamma, beta, mean, var], x.shape, low=-largest, high=largest,
        epsilon=g.choice((None, 1e-3, 2e-5, 0.1)), momentum=g.choice((None, 0.9)),
        spatial=g.choice((None, 1)) if g.opset < 9 else None,
    )  # fmt: skip


def resize(g):
    x = g.image(lambda v: min(v.shape) > 0)
    mode = g.choice(("nearest", "linear"))
    if g.opset < 11:
        coordinates, nearest = "asymmetric", "floor"
    else:
        coordinates = g.choice(("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"))
        nearest = g.choice(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"))
        if g.chance(40):
            mode, coordinates, nearest = "nearest", "asymmetric", "floor"
    choices = [Fraction(n, 4) for n in (4, 5, 6, 8, 10, 12, 16)] + (
        [] if g.opset < 11 else [Fraction(n, 4) for n in (1, 2, 3)]
    )
    scales = [Fraction(1), Fraction(1), g.choice(choices), g.choice(choices)]
    if mode == "nearest" and g.chance(6):
        scales[g.between(0, 1)] = Fraction(2)
    by_sizes = g.opset >= 11 and g.chance(40)
    if by_sizes:
        shape = [*x.shape[:2], g.between(1, 2 * x.shape[2] + 1), g.between(1, 2 * x.shape[3] + 1)]
        scales = [Fraction(m, n) for m, n in zip(shape, x.shape, strict=True)]
    else:
        shape = [math.floor(n * scale) for n, scale in zip(x.shape, scales, strict=True)]
    if min(shape) < 1:
        raise UnfitError
    if any(n == m and scale != 1 for n, m, scale in zip(x.shape, shape, scales, strict=True)):
        raise UnfitError  # onnxruntime copies an axis whose extent stays
    if mode == "nearest" and not all(map(_decided, x.shape, shape, scales, [coordinates] * 4, [nearest] * 4)):
        raise UnfitError
    factors = np.array([float(scale) for scale in scales], np.float32)
    if g.opset < 9:
        return g.node("Upsample", [x], shape, mode=mode, scales=factors.tolist())
    if g.opset < 11:
        return g.node("Upsample" if g.opset < 10 else "Resize", [x, g.constant(factors)], shape, mode=mode)
    region = g.constant(np.zeros(0, np.float32)) if g.opset < 13 else None
    extents = [region, g.constant(factors)]
    if by_sizes:
        nothing = g.constant(np.zeros(0, np.float32)) if g.opset < 13 else None
        extents = [region, nothing, g.constant(np.array(shape, np.int64))]
    return g.node(
        "Resize", [x, *extents], shape, mode=mode, nearest_mode=nearest if mode == "nearest" else None,
        coordinate_transformation_mode=coordinates,
    )  # fmt: skip


def _decided(n, m, scale, coordinates, nearest):
    """Whether float32 takes the same element as exact arithmetic at every place along an axis.

    A place is i / scale, (i + 1/2) / scale - 1/2 or i (n - 1) / (m - 1); it is rounded next to a whole number, or next to
    a half. Where scale is a power of two, the first two are exact; else no place inside may be near to where the rounding
    turns. The ends of an axis are whole quotients, which float32 has exactly.
    """
    if scale == 1 and n == m:
        return True
    exact = scale.numerator & (scale.numerator - 1) == 0 == scale.denominator & (scale.denominator - 1)
    turn = Fraction(0) if nearest in ("floor", "ceil") else Fraction(1, 2)
    for i in range(m):
        if coordinates == "asymmetric":
            place = i / scale
        elif coordinates == "align_corners":
            place, exact = Fraction(i * (n - 1), max(m - 1, 1)), False
        else:
            place = (i + Fraction(1, 2)) / scale - Fraction(1, 2)
            if coordinates == "pytorch_half_pixel" and m == 1:
                place = Fraction(0)
        away = (place - turn) % 1
        if not exact and min(away, 1 - away) < Fraction(1, 10_000) and 0 < place < n - 1:
            return False
    return True


# Matrices


def gemm(g):
    x = g.pick(REAL, 2, lambda v: v.size)
    trans_a, trans_b = int(g.chance(15)), int(g.chance(50))
    rows, inner = x.shape[::-1] if trans_a else x.shape
    partners = [v for v in g.pool if v.dtype == x.dtype and v.rank == 2 and v.shape[1 if trans_b else 0] == inner]
    if partners and g.chance(25):
        b = g.choice(partners)
        columns = b.shape[0 if trans_b else 1]
    else:
        columns = g.choice((*CHANNELS, 100))
        b = g.constant(g.weights((columns, inner) if trans_b else (inner, columns), inner).astype(x.dtype))
    alpha, beta = (g.choice((None, None, 1.0, 0.5, -2.0)) for _ in "ab")
    c = None
    if g.opset < 11 or g.chance(70):
        c = g.constant(
            g.numbers(g.choice(((columns,), (columns,), (1, columns), (1,), (), (rows, 1), (rows, columns)))).astype(
                x.dtype
            )
        )
    largest = abs(alpha or 1) * inner * x.largest * b.largest + abs(beta or 1) * (c.largest if c else 0)
    return g.node(
        "Gemm", [x, b, c], (rows, columns), low=-largest, high=largest, alpha=alpha, beta=beta,
        transA=trans_a or g.choice((None, 0)), transB=trans_b or g.choice((None, 0)),
    )  # fmt: skip


def matmul(g):
    a = g.pick(NUMBERS if g.opset >= 9 else REAL, where=lambda v: v.rank >= 2 and v.size)
    inner = a.shape[-1]
    partners = [
        v
        for v in g.pool
        if v.dtype == a.dtype
        and v.rank >= 2
        and v.shape[-2] == inner
        and _joint(a.shape[:-2], v.shape[:-2]) is not None
    ]
    if partners and g.chance(50):
        b = g.choice(partners)
    else:
        stack = a.shape[:-2] if g.chance(20) else ()
        shape = (*stack, inner, g.choice(CHANNELS))
        b = g.constant(
            g.random.integers(-2, 3, shape).astype(a.dtype)
            if a.dtype in WHOLE
            else g.weights(shape, inner).astype(a.dtype)
        )
    if g.chance(15) and b.shape[-1] == a.shape[-2]:
        a, b = b, a
        inner = a.shape[-1]
    largest = inner * a.largest * b.largest
    shape = (*_joint(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return g.node("MatMul", [a, b], shape, low=-largest, high=largest)


def softmax(g):
    x = g.pick(REAL, where=lambda v: v.rank and v.size)
    if g.opset < 13:
        axis = x.rank - 1
        said = g.choice((axis, -1 if g.opset >= 11 else axis))
    else:
        axis = g.between(0, x.rank - 1)
        said = g.choice((axis, axis - x.rank)) if axis < x.rank - 1 or g.chance(50) else None
    return g.node("Softmax", [x], x.shape, low=0, high=1, axis=said)


# Reductions


def _reduction(op, bound):
    def recipe(g):
        dtypes = REAL if g.chance(90) else ("int32",)
        x = g.pick(dtypes, where=lambda v: v.size)
        return reduced(g, op, x, bound)

    return recipe


def reduced(g, op, x, bound=None, axes=None, keepdims=None):
    """A reduction of x along axes, drawn where they are not given."""
    if axes is None:
        axes = sorted(g.shuffled(range(x.rank))[: g.between(0, x.rank)])
        if axes and axes[0] == 0 and g.chance(50):
            axes = axes[1:]
    keepdims = g.between(0, 1) if keepdims is None else keepdims
    gone = axes or range(x.rank)
    shape = [1 if axis in gone else extent for axis, extent in enumerate(x.shape) if keepdims or axis not in gone]
    terms = math.prod(x.shape[axis] for axis in gone)
    low, high = (x.low, x.high) if bound is None else bound(x, terms)
    named = [axis - x.rank if g.opset >= 11 and g.chance(30) else axis for axis in axes]
    said = {"keepdims": None if keepdims and g.chance(50) else keepdims}
    if not axes:
        return g.node(op, [x], shape, low=low, high=high, **said)
    if g.opset >= 18:
        return g.node(op, [x, g.constant(np.array(named, np.int64))], shape, low=low, high=high, **said)
    return g.node(op, [x], shape, low=low, high=high, axes=named, **said)


def _length(x, terms):
    return (max(x.low, 0), x.largest * math.sqrt(terms) + 1)


# Shapes and views


def shape_of(g):
    x = g.pick(ANY)
    return g.node("Shape", [x], (x.rank,), dtype="int64", low=min(x.shape, default=0), high=max(x.shape, default=0))


def flatten(g):
    x = g.pick(("float32",) if g.opset < 9 else ANY)
    axis = g.between(0, x.rank)
    if g.chance(50):
        axis = min(1, x.rank)
    said = axis - x.rank if g.opset >= 11 and axis < x.rank and g.chance(30) else axis
    shape = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    return g.node("Flatten", [x], shape, axis=None if said == 1 and g.chance(50) else said)


def reshape(g):
    x = g.pick(ANY, where=lambda v: v.size)
    factors = _factors(g, x)
    target = list(factors)
    if g.chance(50):
        target[g.between(0, len(target) - 1)] = -1
    for i, extent in enumerate(target):
        if i < x.rank and extent == x.shape[i] and g.chance(60):
            target[i] = 0
    if g.opset >= 14 and 0 not in target and g.chance(20):
        shape = g.constant(np.array(target, np.int64))
        return g.node("Reshape", [x, shape], factors, allowzero=1)
    return g.reshaped(x, factors, target)


def _factors(g, x):
    """Extents whose product is the size of x: often those of x with some merged or split, axis 0 mostly kept."""
    extents = list(x.shape) or [1]
    kept = 1 if g.chance(75) and len(extents) > 1 else 0
    for _ in range(g.between(1, 3)):
        where = g.between(kept, len(extents) - 1)
        if len(extents) - kept > 1 and g.chance(50):
            where = g.between(kept, len(extents) - 2)
            extents[where : where + 2] = [extents[where] * extents[where + 1]]
        elif len(extents) < 6:
            divisors = [d for d in range(1, extents[where] + 1) if extents[where] % d == 0]
            d = g.choice(divisors)
            extents[where : where + 1] = [d, extents[where] // d]
    if g.chance(5):
        extents = [x.size]
    return extents


def transpose(g):
    x = g.pick(ANY, where=lambda v: v.rank)
    perm = g.shuffled(range(x.rank))
    if x.rank > 1 and g.chance(60):
        perm = [0, *g.shuffled(range(1, x.rank))]
    shape = [x.shape[axis] for axis in perm]
    if perm == list(range(x.rank))[::-1] and g.chance(50):
        return g.node("Transpose", [x], shape)
    return g.node("Transpose", [x], shape, perm=perm)


def squeeze(g):
    x = g.pick(ANY, where=lambda v: 1 in v.shape)
    ones = [axis for axis, extent in enumerate(x.shape) if extent == 1]
    axes = sorted(g.shuffled(ones)[: g.between(1, len(ones))])
    shape = [extent for axis, extent in enumerate(x.shape) if axis not in axes]
    return _with_axes(g, "Squeeze", x, axes, x.rank, shape)


def unsqueeze(g):
    x = g.pick(ANY, where=lambda v: v.rank < 5)
    rank = x.rank + g.between(1, 2)
    axes = sorted(g.shuffled(range(rank))[: rank - x.rank])
    if axes[0] == 0 and g.chance(50):
        axes = list(range(rank - len(axes), rank))
    extents = iter(x.shape)
    shape = [1 if axis in axes else next(extents) for axis in range(rank)]
    return _with_axes(g, "Unsqueeze", x, axes, rank, shape)


def _with_axes(g, op, x, axes, rank, shape):
    """Axes as an attribute, or since opset 13 as an input."""
    named = [axis - rank if g.opset >= 11 and g.chance(30) else axis for axis in axes]
    if g.opset >= 13:
        return g.node(op, [x, g.constant(np.array(named, np.int64))], shape)
    return g.node(op, [x], shape, axes=named)


def slice_(g):
    x = g.pick(ANY, where=lambda v: v.rank and v.size)
    axes = sorted(g.shuffled(range(x.rank))[: g.between(1, min(x.rank, 2))])
    if axes[0] == 0 and x.rank > 1 and g.chance(60):
        axes = [x.rank - 1]
    if g.chance(2):  # nothing at all
        start = g.between(0, x.shape[axes[0]])
        bounds = [g.constant(np.array([number], np.int64)) for number in (start, start, axes[0])]
        if g.opset >= 10:
            return g.node("Slice", [x, *bounds], [0 if axis == axes[0] else n for axis, n in enumerate(x.shape)])
    cuts = [_cut(g, x.shape[axis]) for axis in axes]
    shape = list(x.shape)
    for axis, (_, _, _, count) in zip(axes, cuts, strict=True):
        shape[axis] = count
    starts, ends, steps, _ = zip(*cuts, strict=True)
    named = axes if axes != list(range(len(axes))) or g.chance(50) else None
    if g.opset < 10:
        return g.node("Slice", [x], shape, starts=starts, ends=ends, axes=named)
    small = all(abs(number) < 2**31 for number in (*starts, *ends))
    dtype = g.choice(WHOLE) if small else "int64"
    if named and g.opset >= 10 and g.chance(30):
        named = [axis - x.rank if g.opset >= 11 else axis for axis in named]
    strides = steps if set(steps) != {1} or g.chance(30) else None
    bounds = [
        None if numbers is None else g.constant(np.array(numbers, dtype)) for numbers in (starts, ends, named, strides)
    ]
    return g.node("Slice", [x, *bounds], shape)


def _cut(g, extent):
    """(start, end, step, count), as ONNX counts, of at least one element."""
    for _ in range(50):
        step = 1 if g.opset < 10 or g.chance(60) else g.choice((2, 3, -1, -1, -2, LAST, FIRST))
        start = g.choice((0, g.between(-extent - 2, extent + 1), g.between(0, extent - 1), -1))
        end = g.choice((LAST, extent, g.between(-extent - 2, extent + 2), FIRST))
        first, last = (bound + extent if bound < 0 else bound for bound in (start, end))
        if step > 0:
            first, last = min(max(first, 0), extent), min(max(last, 0), extent)
            count = -(-(last - first) // step)
        else:
            first, last = min(max(first, 0), extent - 1), min(max(last, -1), extent - 1)
            count = -(-(first - last) // -step)
        if count > 0 and abs(step) < 2**31:
            return start, end, step, count
    raise UnfitError


def concat(g):
    first = g.pick(ANY, where=lambda v: v.rank)
    axis = g.between(0, first.rank - 1)
    if axis == 0 and first.rank > 1 and g.chance(60):
        axis = 1
    rest = (*first.shape[:axis], *first.shape[axis + 1 :])
    fitting = [
        v
        for v in g.pool
        if v.dtype == first.dtype and v.rank == first.rank and (*v.shape[:axis], *v.shape[axis + 1 :]) == rest
    ]
    parts = [first, *(g.choice(fitting) for _ in range(g.between(0, 2)))]
    if first.dtype == "float32" and g.chance(15):
        shape = [*first.shape]
        shape[axis] = g.between(1, 3)
        parts.append(g.constant(g.numbers(shape)))
    parts = g.shuffled(parts)
    shape = [*first.shape]
    shape[axis] = sum(part.shape[axis] for part in parts)
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    said = axis - first.rank if g.opset >= 11 and g.chance(30) else axis
    return g.node("Concat", parts, shape, low=low, high=high, axis=said)


def gather(g):
    x = g.pick(ANY, where=lambda v: v.rank and v.size)
    axis = g.between(0, x.rank - 1)
    if axis == 0 and x.rank > 1 and g.chance(60):
        axis = g.between(1, x.rank - 1)
    extent = x.shape[axis]
    tensors = [v for v in g.pool if v.dtype in WHOLE and v.low >= 0 and v.high < extent and v.rank < 3]
    if tensors and g.chance(30):
        indices = g.choice(tensors)
    else:
        least = -extent if g.opset >= 11 else 0
        shape = g.choice(((), (1,), (g.between(1, 4),), (g.between(1, 3), g.between(1, 3))))
        indices = g.constant(g.random.integers(least, extent, shape).astype(g.choice(WHOLE)))
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    said = axis - x.rank if g.opset >= 11 and g.chance(30) else axis
    return g.node("Gather", [x, indices], shape, axis=None if said == 0 and g.chance(50) else said)


def expand(g):
    if g.opset < 8:
        raise UnfitError
    x = g.pick(ANY, where=lambda v: v.size)
    shape = [extent if extent > 1 or g.chance(50) else g.between(1, 3) for extent in x.shape]
    if x.rank and x.shape[0] == 1 and g.chance(70):
        shape[0] = 1
    target = [extent if there == 1 or g.chance(50) else 1 for extent, there in zip(shape, x.shape, strict=True)]
    if x.rank < 5 and g.chance(15):
        target = [g.between(1, 2), *target]
    while len(target) > 1 and target[0] == 1 and g.chance(30):
        target = target[1:]
    return g.node("Expand", [x, g.constant(np.array(target, np.int64))], _joint(x.shape, target))


RECIPES = {
    "Add": _binary("Add", lambda p, q: p + q),
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "Div": div,
    "Dropout": dropout,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "Identity": identity,
    "MatMul": matmul,
    "MaxPool": max_pool,
    "Mul": _binary("Mul", lambda p, q: p * q),
    "PRelu": prelu,
    "Pow": power,
    "ReduceL2": _reduction("ReduceL2", _length),
    "ReduceMean": _reduction("ReduceMean", None),
    "Relu": relu,
    "Reshape": reshape,
    "Resize": resize,
    "Shape": shape_of,
    "Sigmoid": sigmoid,
    "Slice": slice_,
    "Softmax": softmax,
    "Sqrt": sqrt,
    "Squeeze": squeeze,
    "Sub": _binary("Sub", lambda p, q: p - q),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""{operator: its recipe}."""
