"""Matrix product over the last two axes: ONNX MatMul, opset 1 to 13."""

import math

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import Tracked, aligned
from refnet.ops.cotangents import summed_to
from refnet.ops.dtypes import NUMBERS, alike
from refnet.ops.operator import Known, Operator


def matmul(a: Array, b: Array) -> Array:
    """Multiply matrices: y[...,i,j] = sum_k a[...,i,k] * b[...,k,j]; leading axes broadcast.

    Parameters
    ----------
    a : (..., I, K)
    b : (..., K, J)

    Returns
    -------
    (..., I, J)

    Notes
    -----
    A plain matrix (N, K) holds one image a row; each row is multiplied on its own, as in `gemm`, so that an image has
    the same bits alone and in a batch. Vectors are refused.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    if a.ndim == 2:
        y: Array = (np.ascontiguousarray(a)[:, np.newaxis, :] @ b[..., np.newaxis, :, :])[..., 0, :]
        return y
    product: Array = a @ b
    return product


def output_shape(a: Known, b: Known) -> Shape:
    """(..., I, J); refuses matrices whose inner extents differ."""
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(f"a has shape {a.shape} and b {b.shape}; expected matrices, or stacks of them")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"a has shape {a.shape} and b {b.shape}; expected equal inner extents, not {a.shape[-1]} and {b.shape[-2]}"
        )
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"a has shape {a.shape} and b {b.shape}; their leading axes do not broadcast") from None
    return *stack, a.shape[-2], b.shape[-1]


def flops(output: Shape, a: Known, _b: Known) -> int:
    """Two for every product and its addition."""
    return 2 * a.shape[-1] * math.prod(output)


def vjp(wrt: int, dy: Array, a: Array, b: Array) -> Array:
    """Gradient: da = dy b' and db = a' dy, summed over what was stretched; ' swaps the last two axes."""
    if wrt == 0:
        return summed_to(matmul(dy, b.swapaxes(-1, -2)), a.shape)
    return summed_to(a.swapaxes(-1, -2) @ dy, b.shape)


def batch_axis(y: Known, a: Tracked, b: Tracked) -> int | None:
    """A leading axis of the stacks, as where they are added; the rows of a plain matrix times what is the same for all."""
    rows = len(a.known.shape) == 2 and a.axis == 0
    if rows:
        return len(y.shape) - 2 if b.fixed else None
    leading = all(given.axis is None or given.axis < len(given.known.shape) - 2 for given in (a, b))
    return aligned(y, a, b) if leading else None


MATMUL = Operator(
    "MatMul", matmul, output_shape, flops, (2, 2), output_dtype=alike(*NUMBERS), vjp=vjp, batch_axis=batch_axis
)
