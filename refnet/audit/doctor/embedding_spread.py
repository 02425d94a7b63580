"""How far a set of unit vectors is spread: two figures."""

import numpy as np

from refnet.graph import Array


def mean_cosine(unit: Array) -> float:
    """The mean cosine of different rows of (N, D) unit vectors: (|sum|^2 - N) / (N (N - 1))."""
    total = unit.sum(axis=0)
    n = len(unit)
    return float((total @ total - n) / (n * (n - 1)))


def effective_rank(unit: Array) -> float:
    """How many dimensions the rows fill: exp of the entropy of the shares of their squared singular values.

    Roy and Vetterli, The effective rank, EUSIPCO 2007, with the eigenvalues of the covariance about zero.

    Examples
    --------
    >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((4, 4)) / 2), 6)
    (4.0, 1.0)
    """
    shares = np.square(np.linalg.svd(unit, compute_uv=False))
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
