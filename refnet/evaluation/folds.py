"""Cutting pairs into folds that are tested one after the other."""

from collections.abc import Iterator

import numpy as np

from refnet.errors import InputError
from refnet.graph import Array

FOLDS = 10


def contiguous_folds(count: int) -> Iterator[tuple[Array, Array]]:
    """(train, test) indices of ten folds in order; the first ``count % 10`` have one pair more.

    scikit-learn's ``KFold(10, shuffle=False)``, by which insightface's verification.py cuts.
    """
    check_count(count)
    sizes = [count // FOLDS + (fold < count % FOLDS) for fold in range(FOLDS)]
    start = 0
    for size in sizes:
        test = np.arange(start, start + size)
        yield np.concatenate([np.arange(start), np.arange(start + size, count)]), test
        start += size


def equal_subsets(count: int) -> Iterator[tuple[Array, Array]]:
    """(train, test) indices of ten subsets, ``k * count // 10`` to ``(k + 1) * count // 10``.

    Open Model Zoo's pairwise_accuracy_subsets.
    """
    check_count(count)
    for subset in range(FOLDS):
        first, last = subset * count // FOLDS, (subset + 1) * count // FOLDS
        yield np.concatenate([np.arange(first), np.arange(last, count)]), np.arange(first, last)


def check_count(count: int) -> None:
    """Refuse fewer pairs than there are folds."""
    if count < FOLDS:
        raise InputError(
            f"there are {count} pairs; both protocols cut them into {FOLDS} folds, and need at least {FOLDS}"
        )
