"""InsightFace's protocol, by which 99.77 was published for this network.

An image's embedding is that of the image plus that of its mirror image, brought to length 1. The distance of a pair
is the squared Euclidean one, 0 to 4. In each of ten folds the threshold is the first of 0, 0.01, ... 3.99 with the
best accuracy on the other nine; a pair below it is called the same. Reported are the mean and the standard deviation
(population) over the folds.

VAL at a false accept rate: the threshold at which the other nine folds reach the rate, linear between the first of 0,
0.001, ... 3.999 that reaches it and the one before; 0 if none does. The original interpolates with SciPy, whose
answer for repeated values has changed between versions; "the first that reaches it" is the rule here.

Source: deepinsight/insightface recognition/arcface_mxnet/verification.py (calculate_roc, calculate_val, test).
"""

from dataclasses import dataclass

import numpy as np

from refnet.evaluation.folds import contiguous_folds
from refnet.graph import Array

THRESHOLDS = np.arange(0, 4, 0.01)
FINE_THRESHOLDS = np.arange(0, 4, 0.001)
FAR_TARGET = 1e-3


@dataclass(frozen=True)
class InsightFaceResult:
    """What the protocol reports.

    Attributes
    ----------
    accuracy, accuracy_std : float
    correct : int
        Pairs that were called right, over all folds.
    thresholds : (10,) squared distances
    val, val_std, far : float or None
        None where a fold holds no pair of one kind, so that its rate is not defined.
    xnorm : float
        Mean length of the sums before they are brought to length 1.
    """

    accuracy: float
    accuracy_std: float
    correct: int
    thresholds: Array
    val: float | None
    val_std: float | None
    far: float | None
    xnorm: float


def flip_sum(upright: Array, mirrored: Array) -> tuple[Array, float]:
    """Sums (N, D) float64 of both embeddings, of length 1, and the mean of their lengths before."""
    summed = np.asarray(upright, np.float64) + np.asarray(mirrored, np.float64)
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    return summed / np.where(lengths > 0, lengths, 1), float(lengths.mean())


def squared_distances(first: Array, second: Array) -> Array:
    """(P,) squared Euclidean distances of the rows (P, D) of two arrays, in float64."""
    distances: Array = np.square(first - second).sum(axis=1)
    return distances


def insightface(distances: Array, same: Array, xnorm: float) -> InsightFaceResult:
    """Apply the protocol.

    Parameters
    ----------
    distances : (P,) float64
        `squared_distances` of the two images of each pair, from `flip_sum`.
    same : (P,) bool
    xnorm : float

    Raises
    ------
    InputError
        If there are fewer than ten pairs.
    """
    accuracies, chosen, correct, vals, fars = [], [], 0, [], []
    for train, test in contiguous_folds(len(same)):
        threshold = THRESHOLDS[int(np.argmax(_right(distances[train], same[train])))]
        hits = (distances[test] < threshold) == same[test]
        accuracies.append(hits.mean())
        chosen.append(threshold)
        correct += int(hits.sum())
        at_far = _threshold_at_far(distances[train][~same[train]])
        vals.append(_share_below(distances[test][same[test]], at_far))
        fars.append(_share_below(distances[test][~same[test]], at_far))
    defined = np.isfinite(vals).all() and np.isfinite(fars).all()
    return InsightFaceResult(
        accuracy=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        correct=correct,
        thresholds=np.array(chosen),
        val=float(np.mean(vals)) if defined else None,
        val_std=float(np.std(vals)) if defined else None,
        far=float(np.mean(fars)) if defined else None,
        xnorm=xnorm,
    )


def _right(distances: Array, same: Array) -> Array:
    """How many pairs each threshold calls right: genuine ones below it, and impostor ones that are not."""
    genuine, impostor = np.sort(distances[same]), np.sort(distances[~same])
    right: Array = np.searchsorted(genuine, THRESHOLDS) + len(impostor) - np.searchsorted(impostor, THRESHOLDS)
    return right


def _threshold_at_far(impostors: Array) -> float:
    """Where the share of impostor distances below the threshold reaches `FAR_TARGET`."""
    if not len(impostors):
        return 0.0
    ordered = np.sort(impostors)
    far = np.searchsorted(ordered, FINE_THRESHOLDS, side="left") / len(ordered)
    if far.max() < FAR_TARGET:
        return 0.0
    at = int(np.argmax(far >= FAR_TARGET))
    if at == 0:
        return float(FINE_THRESHOLDS[0])
    share = (FAR_TARGET - far[at - 1]) / (far[at] - far[at - 1])
    return float(FINE_THRESHOLDS[at - 1] + share * (FINE_THRESHOLDS[at] - FINE_THRESHOLDS[at - 1]))


def _share_below(distances: Array, threshold: float) -> float:
    return float((distances < threshold).mean()) if len(distances) else float("nan")
