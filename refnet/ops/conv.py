"""Convolution: ONNX Conv, opset 1 to 22, two spatial axes.

Does not cover one or three spatial axes. ``auto_pad`` is resolved where the file is read.
"""

import math

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import first_axis
from refnet.ops.cotangents import per_channel
from refnet.ops.operator import Known, Operator
from refnet.ops.window import Pair, Quad, output_extents, taps


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Cross-correlate images with filters.

    y[n,o,i,j] = bias[o] + sum_cuv x[n, c, i*stride + u*dilation - top, j*stride + v*dilation - left]
                                   * weight[o, c, u, v],  with x = 0 outside the image;
    with groups > 1 an output channel sees only the input channels of its own group.

    Parameters
    ----------
    x : (N, IC, H, W)
    weight : (OC, IC / groups, KH, KW)
    bias : (OC,), optional
    stride, dilation : (int, int)
        Down and across, in pixels.
    padding : (top, left, bottom, right)
        Rows and columns of zeros, in pixels.
    groups : int

    Returns
    -------
    (N, OC, OH, OW), with OH = (H + top + bottom - dilation*(KH - 1) - 1) // stride + 1.

    Notes
    -----
    Not a flipped convolution. Computed tap by tap: each of the KH*KW taps is one matrix product over channels for
    each image and group, of a size in which N does not occur, so an image has the same bits alone and in a batch.

    Examples
    --------
    >>> conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=(1, 1, 1, 1))[0, 0, 0]
    array([4., 6., 4.])
    """
    n, ic, _, _ = x.shape
    oc, _, kh, kw = weight.shape
    _, _, oh, ow = output_shape(
        Known(x.shape), Known(weight.shape), stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    filters = weight.reshape(groups, oc // groups, ic // groups, kh, kw)
    filters = np.ascontiguousarray(filters.transpose(3, 4, 0, 1, 2))  # a tap is one dense matrix for each group
    y = np.zeros((n, groups, oc // groups, oh * ow), dtype=x.dtype)
    for u, v, seen in taps(padded, (kh, kw), stride=stride, dilation=dilation, output=(oh, ow)):
        y += filters[u, v] @ seen.reshape(n, groups, ic // groups, oh * ow)
    y = y.reshape(n, oc, oh, ow)
    if bias is not None:
        y += bias[:, np.newaxis, np.newaxis]
    return y


def output_shape(
    x: Known,
    weight: Known,
    bias: Known | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Shape:
    """(N, OC, OH, OW); refuses a weight or bias that does not fit the image."""
    if len(x.shape) != 4 or len(weight.shape) != 4:
        raise ShapeError(
            f"x has shape {x.shape} and weight {weight.shape}; expected (N, IC, H, W) and (OC, IC / groups, KH, KW)"
        )
    if groups < 1:
        raise UnsupportedModelError(f"groups = {groups}; refnet implements groups of at least 1")
    n, ic, h, w = x.shape
    oc, weight_ic, kh, kw = weight.shape
    if weight_ic * groups != ic or oc % groups:
        raise ShapeError(
            f"weight has shape {weight.shape} with groups = {groups}; "
            f"expected (OC, {ic} / groups, KH, KW) for {ic} channels, with OC a multiple of groups"
        )
    if bias is not None and bias.shape != (oc,):
        raise ShapeError(f"bias has shape {bias.shape}; expected ({oc},)")
    return n, oc, *output_extents((h, w), (kh, kw), stride=stride, padding=padding, dilation=dilation)


def flops(output: Shape, _x: Known, weight: Known, bias: Known | None = None, **_: object) -> int:
    """Two for every product and its addition, one for the bias."""
    elements = math.prod(output)
    return 2 * math.prod(weight.shape[1:]) * elements + (0 if bias is None else elements)


def vjp(
    wrt: int,
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Quad = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Send every product of the definition back the way it came.

    dx[n,c,h,w] = sum of dy[n,o,i,j] * weight[o,c,u,v] over all o, i, j, u, v by which y[n,o,i,j] sees x[n,c,h,w];
    dweight[o,c,u,v] = sum_nij dy[n,o,i,j] * x[n, c, i*stride + u*dilation - top, j*stride + v*dilation - left];
    dbias[o] = sum_nij dy[n,o,i,j].

    Notes
    -----
    Tap by tap, as the definition; an image's dx has the same bits alone and in a batch.
    """
    if wrt == 2:
        return per_channel(dy)
    n, ic, h, w = x.shape
    oc, _, kh, kw = weight.shape
    oh, ow = dy.shape[2:]
    top, left, bottom, right = padding
    cotangent = dy.reshape(n, groups, oc // groups, oh * ow)
    windows = {"stride": stride, "dilation": dilation, "output": (oh, ow)}
    if wrt == 0:
        filters = weight.reshape(groups, oc // groups, ic // groups, kh, kw)
        filters = np.ascontiguousarray(filters.transpose(3, 4, 0, 2, 1))
        padded = np.zeros((n, ic, h + top + bottom, w + left + right), dtype=dy.dtype)
        for u, v, seen in taps(padded, (kh, kw), **windows):
            seen += (filters[u, v] @ cotangent).reshape(n, ic, oh, ow)
        return padded[:, :, top : top + h, left : left + w]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    gradient = np.empty((kh, kw, groups, oc // groups, ic // groups), dtype=dy.dtype)
    for u, v, seen in taps(padded, (kh, kw), **windows):
        columns = seen.reshape(n, groups, ic // groups, oh * ow)
        gradient[u, v] = (cotangent @ columns.swapaxes(2, 3)).sum(axis=0)
    return gradient.transpose(2, 3, 4, 0, 1).reshape(weight.shape)


CONV = Operator(
    "Conv",
    conv,
    output_shape,
    flops,
    (2, 3),
    {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1},
    vjp=vjp,
    batch_axis=first_axis,
)
