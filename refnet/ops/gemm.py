"""Matrix product with an addend, the fully connected layer: ONNX Gemm, opset 7 to 13."""

import math

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import Tracked, first_axis
from refnet.ops.cotangents import summed_to
from refnet.ops.operator import Known, Operator
from refnet.ops.shapes import refuse_unless_broadcastable


def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
) -> Array:
    """Multiply two matrices and add a third.

    y = alpha * A B + beta * c,  with A = a, or its transpose if trans_a = 1, and B likewise

    Parameters
    ----------
    a : (N, K), or (K, N) if trans_a = 1
    b : (K, OC), or (OC, K) if trans_b = 1
    c : whatever broadcasts to (N, OC), optional
    alpha, beta : float
    trans_a, trans_b : 0 or 1

    Returns
    -------
    (N, OC)

    Notes
    -----
    Each row of A is multiplied on its own, as a vector times the matrix B: a product of a size in which N does not
    occur, so that an image has the same bits alone and in a batch.

    Examples
    --------
    >>> gemm(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5]), trans_b=1)
    array([[11.5]])
    """
    rows = np.ascontiguousarray(a.T if trans_a else a)
    matrix = b.T if trans_b else b
    y: Array = (rows[:, np.newaxis, :] @ matrix)[:, 0, :]
    if alpha != 1:
        y *= alpha
    if c is not None:
        y += c if beta == 1 else beta * c
    return y


def output_shape(
    a: Known,
    b: Known,
    c: Known | None = None,
    *,
    trans_a: int = 0,
    trans_b: int = 0,
    **_: object,
) -> Shape:
    """(N, OC); refuses matrices whose inner extents differ."""
    if not {trans_a, trans_b} <= {0, 1}:
        raise UnsupportedModelError(f"trans_a = {trans_a}, trans_b = {trans_b}; refnet implements 0 and 1")
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ShapeError(f"a has shape {a.shape} and b {b.shape}; expected two matrices")
    n, a_inner = a.shape[::-1] if trans_a else a.shape
    b_inner, oc = b.shape[::-1] if trans_b else b.shape
    if a_inner != b_inner:
        raise ShapeError(
            f"a has shape {a.shape} and b {b.shape} with trans_a = {trans_a} and trans_b = {trans_b}; "
            f"expected equal inner extents, not {a_inner} and {b_inner}"
        )
    if c is not None:
        refuse_unless_broadcastable("c", c.shape, (n, oc))
    return n, oc


def flops(output: Shape, a: Known, _b: Known, c: Known | None = None, *, trans_a: int = 0, **_: object) -> int:
    """Two for every product and its addition, one for the addend; alpha and beta are not counted."""
    inner = a.shape[0] if trans_a else a.shape[1]
    elements = math.prod(output)
    return 2 * inner * elements + (0 if c is None else elements)


def vjp(
    wrt: int,
    dy: Array,
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
) -> Array:
    """Gradient: dA = alpha * dy B', dB = alpha * A' dy and dc = beta * dy, summed over what was stretched; ' transposes.

    Notes
    -----
    Each row of dA is computed on its own, as in `gemm`.
    """
    if wrt == 0:
        gradient = gemm(dy, b, alpha=alpha, trans_b=1 - trans_b)
        return gradient.T if trans_a else gradient
    if wrt == 1:
        gradient = alpha * ((a if trans_a else a.T) @ dy)
        return gradient.T if trans_b else gradient
    return beta * summed_to(dy, () if c is None else c.shape)


def batch_axis(_: Known, a: Tracked, *others: Tracked | None, trans_a: int = 0, **__: object) -> int | None:
    """The rows of A, if B and c are the same for all images."""
    return None if trans_a else first_axis(_, a, *others)


GEMM = Operator(
    "Gemm",
    gemm,
    output_shape,
    flops,
    (2, 3),
    {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 0},
    vjp=vjp,
    batch_axis=batch_axis,
)
