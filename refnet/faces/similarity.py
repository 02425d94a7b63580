"""How alike two embeddings are: the cosine of the angle between them.

ArcFace trains angles on the unit hypersphere (arXiv:1801.07698, eq. 3), so the angle is what an embedding says; its
length is not part of the identity.

Sums are rounded once, from their exact value (`math.fsum`), and products of float32 numbers are exact in float64: a
similarity is a function of the two embeddings, the same bits on every processor and with every BLAS.
"""

import math

import numpy as np

from refnet.errors import InputError, ShapeError
from refnet.graph import Array


def similarity(a: Array, b: Array) -> float:
    """Cosine of the angle between two embeddings, in float64; larger is more alike.

    Parameters
    ----------
    a, b : (D,)
        Raw or unit embeddings of the same model.

    Returns
    -------
    float in [-1, 1]

    Examples
    --------
    >>> similarity(np.array([3.0, 4.0]), np.array([4.0, 3.0]))
    0.96
    """
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"embeddings have shapes {a.shape} and {b.shape}; expected two of the same length (D,)")
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = _length(x) * _length(y)
    if norms == 0 or not math.isfinite(norms):
        raise InputError("an embedding is all zero or not finite; its angle to another is not defined")
    return min(max(math.fsum((x * y).tolist()) / norms, -1.0), 1.0)


def _length(x: Array) -> float:
    """The Euclidean length; infinite where a number is not finite, or too large to be squared."""
    with np.errstate(over="ignore"):
        squares = x * x
    try:
        return math.sqrt(math.fsum(squares.tolist())) if np.isfinite(squares).all() else math.inf
    except OverflowError:
        return math.inf


def similarity_gradient(a: Array, b: Array) -> Array:
    """How the similarity of two embeddings grows with each number of the first.

    With unit vectors u = a / |a| and w = b / |b|, the derivative of u.w by a is (w - (u.w) u) / |a|: the part of w that
    is at right angles to a, because along a nothing changes.

    Parameters
    ----------
    a, b : (D,)
        As in `similarity`.

    Returns
    -------
    (D,) float64

    Examples
    --------
    >>> similarity_gradient(np.array([2.0, 0.0]), np.array([3.0, 4.0]))
    array([0. , 0.4])
    """
    cosine = similarity(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    length = np.linalg.norm(x)
    gradient: Array = (y / np.linalg.norm(y) - cosine * x / length) / length
    return gradient


def angle_degrees(cosine: float) -> float:
    """The angle whose cosine is given, in degrees, 0 to 180."""
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
