"""Numbers that are sums of many products: of a convolution, and of a fully connected layer."""

import math
from dataclasses import replace
from typing import cast

import numpy as np

from refnet.graph import Array, Node, Shape
from refnet.ops.window import Pair, Quad
from refnet.web.element import TERMS, Element, Term, Window


def of_conv(node: Node, place: tuple[int, int, int], x: Array, weight: Array, bias: Array | None) -> Element:
    """Write out one number of a convolution.

    Parameters
    ----------
    node : Conv
    place : (channel, row, column) of its output
    x : (IC, H, W) float64
    weight : (OC, IC / groups, KH, KW)
    bias : (OC,) or None
    """
    o, i, j = place
    kh, kw = weight.shape[2:]
    stride, dilation = cast(Pair, node.attributes["stride"]), cast(Pair, node.attributes["dilation"])
    padding, groups = cast(Quad, node.attributes["padding"]), cast(int, node.attributes["groups"])
    each = len(x) // groups
    first = o // (len(weight) // groups) * each
    rows = i * stride[0] - padding[0] + dilation[0] * np.arange(kh)
    columns = j * stride[1] - padding[1] + dilation[1] * np.arange(kw)
    seen = _zeros_outside(x[first : first + each], rows, columns)
    written = _sum_of_products(seen, weight[o].astype(np.float64), first, None if bias is None else float(bias[o]))
    most = written.terms[0].channel or 0
    window = Window(node.inputs[0], most, int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return replace(written, windows=(window,))


def of_gemm(
    node: Node, column: int, x: Array, weight: Array, bias: Array | None, picture: str, shape: Shape
) -> Element:
    """Write out one number of a fully connected layer, by the channels of the picture that was flattened.

    Parameters
    ----------
    node : Gemm, not transposed on the left
    column : of its output
    x : (K,) float64
    weight : (OC, K), or (K, OC) if trans_b = 0
    bias : what broadcasts to (OC,), or None
    picture, shape : the tensor that was flattened, (C, H, W) with K = C * H * W, or the vector itself, (K,)
    """
    alpha, beta = float(cast(float, node.attributes["alpha"])), float(cast(float, node.attributes["beta"]))
    row = (weight[column] if node.attributes["trans_b"] else weight[:, column]).astype(np.float64) * alpha
    c, h, w = shape if len(shape) == 3 else (len(x), 1, 1)
    added = None if bias is None else beta * float(np.broadcast_to(bias, (1, _outputs(node, weight)))[0, column])
    written = _sum_of_products(x.reshape(c, h, w), row.reshape(c, h, w), 0, added)
    most = written.terms[0].channel or 0
    window = Window(picture, most, 0, 0, h, w) if len(shape) == 3 else Window(picture, 0, 0, 0, 1, len(x))
    return replace(written, windows=(window,))


def _outputs(node: Node, weight: Array) -> int:
    return int(weight.shape[0 if node.attributes["trans_b"] else 1])


def _zeros_outside(x: Array, rows: Array, columns: Array) -> Array:
    """(C, KH, KW): what lies at rows and columns, 0 outside."""
    _, height, width = x.shape
    inside = ((rows >= 0) & (rows < height))[:, np.newaxis] & ((columns >= 0) & (columns < width))
    seen: Array = x[:, np.clip(rows, 0, height - 1)][:, :, np.clip(columns, 0, width - 1)]
    return np.where(inside, seen, 0.0)


def _sum_of_products(seen: Array, weight: Array, first: int, bias: float | None) -> Element:
    """The sum over channels, numbered from `first`; the largest are told one by one, the largest of all first."""
    products = (seen * weight).reshape(len(seen), -1)
    channels = np.array([math.fsum(row) for row in products.tolist()])
    order = np.argsort(-np.abs(channels), kind="stable")
    told, others = order[:TERMS].tolist(), order[TERMS:]
    terms = [Term(f"channel {first + c}", float(channels[c]), first + c, seen[c], weight[c]) for c in told]
    if bias is not None:
        terms.append(Term("bias b", bias))
    return Element(
        kind="sum",
        formula="y = Σ w · x" + ("" if bias is None else " + b"),
        terms=tuple(terms),
        rest=len(others),
        rest_value=math.fsum(products[others].ravel().tolist()),
        total=math.fsum([*products.ravel().tolist(), 0.0 if bias is None else bias]),
        contributions=channels,
    )
