"""Numbers that are sums of many products: of a convolution, and of a fully connected layer."""

import math
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
    window = Window(node.inputs[0], int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    added = None if bias is None else float(bias[o])
    return _sum_of_products(
        "y = \N{GREEK CAPITAL LETTER SIGMA} w \N{MIDDLE DOT} x" + ("" if added is None else " + b"),
        seen, weight[o].astype(np.float64), first, window, added,
    )  # fmt: skip


def of_gemm(node: Node, column: int, x: Array, weight: Array, bias: Array | None, picture: Shape) -> Element:
    """Write out one number of a fully connected layer, by the channels of the picture that was flattened.

    Parameters
    ----------
    node : Gemm, not transposed on the left
    column : of its output
    x : (K,) float64
    weight : (OC, K), or (K, OC) if trans_b = 0
    bias : what broadcasts to (OC,), or None
    picture : (C, H, W) with K = C * H * W, or (K,)
    """
    alpha, beta = float(cast(float, node.attributes["alpha"])), float(cast(float, node.attributes["beta"]))
    row = (weight[column] if node.attributes["trans_b"] else weight[:, column]).astype(np.float64) * alpha
    c, h, w = picture if len(picture) == 3 else (len(x), 1, 1)
    added = None if bias is None else beta * float(np.broadcast_to(bias, (1, _outputs(node, weight)))[0, column])
    return _sum_of_products(
        "y = \N{GREEK CAPITAL LETTER SIGMA} w \N{MIDDLE DOT} x" + ("" if added is None else " + b"),
        x.reshape(c, h, w), row.reshape(c, h, w), 0, Window(node.inputs[0], 0, 0, h, w), added,
    )  # fmt: skip


def _outputs(node: Node, weight: Array) -> int:
    return int(weight.shape[0 if node.attributes["trans_b"] else 1])


def _zeros_outside(x: Array, rows: Array, columns: Array) -> Array:
    """(C, KH, KW): what lies at rows and columns, 0 outside."""
    _, height, width = x.shape
    inside = ((rows >= 0) & (rows < height))[:, np.newaxis] & ((columns >= 0) & (columns < width))
    seen: Array = x[:, np.clip(rows, 0, height - 1)][:, :, np.clip(columns, 0, width - 1)]
    return np.where(inside, seen, 0.0)


def _sum_of_products(
    formula: str, seen: Array, weight: Array, first: int, window: Window, bias: float | None
) -> Element:
    """The sum over channels; the largest are told one by one."""
    products = (seen * weight).reshape(len(seen), -1)
    channels = np.array([math.fsum(row) for row in products.tolist()])
    order = np.argsort(-np.abs(channels), kind="stable")
    told, others = order[:TERMS], order[TERMS:]
    terms = [
        Term(f"channel {first + c}", float(channels[c]), int(first + c), seen[c], weight[c]) for c in told.tolist()
    ]
    if bias is not None:
        terms.append(Term("bias b", bias))
    return Element(
        kind="sum",
        formula=formula,
        windows=(window,),
        terms=tuple(terms),
        rest=len(others),
        rest_value=math.fsum(products[others].ravel().tolist()),
        total=math.fsum([*products.ravel().tolist(), 0.0 if bias is None else bias]),
        contributions=channels,
    )
