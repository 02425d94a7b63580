"""Open Model Zoo's protocol, by which 99.68 was published for this network.

No mirror image. An embedding e becomes ``e / sqrt(sum(e**2) + 1e-6)``; the distance of a pair is half the cosine
distance, ``0.5 * (1 - e1 . e2)``. In each of ten subsets the threshold is the median of the distances in the other
nine, whatever their labels; a pair below it is called the same. Reported is the mean over the subsets. Nothing is
searched for, which is why the figure is lower than InsightFace's for the same network.

The zoo feeds its converted network pixels in BGR order, for which the order of the weights was reversed: what is
computed is the same.

Source: openvinotoolkit/open_model_zoo models/public/face-recognition-resnet100-arcface-onnx/accuracy-check.yml;
tools/accuracy_checker, metrics/reid.py (PairwiseAccuracySubsets) and adapters/reidentification.py (grn_workaround).
"""

from dataclasses import dataclass

import numpy as np

from refnet.evaluation.folds import equal_subsets
from refnet.graph import Array

GRN_EPSILON = 1e-6


@dataclass(frozen=True)
class OmzResult:
    """Mean accuracy, pairs that were called right, and each subset's threshold (half cosine distance)."""

    accuracy: float
    correct: int
    thresholds: Array


def normalised(embeddings: Array) -> Array:
    """(N, D) float64, each divided by sqrt(sum of squares + 1e-6)."""
    e = np.asarray(embeddings, np.float64)
    shortened: Array = e / np.sqrt(np.square(e).sum(axis=1, keepdims=True) + GRN_EPSILON)
    return shortened


def half_cosine_distances(first: Array, second: Array) -> Array:
    """(P,) halves of the cosine distances of the rows (P, D) of two `normalised` arrays."""
    distances: Array = 0.5 * (1 - (first * second).sum(axis=1))
    return distances


def omz(distances: Array, same: Array) -> OmzResult:
    """Apply the protocol to (P,) `half_cosine_distances` of the two images of each pair, and (P,) bool.

    Raises
    ------
    InputError
        If there are fewer than ten pairs.
    """
    accuracies, thresholds, correct = [], [], 0
    for train, test in equal_subsets(len(same)):
        threshold = np.median(distances[train])
        hits = (distances[test] < threshold) == same[test]
        accuracies.append(hits.mean())
        thresholds.append(threshold)
        correct += int(hits.sum())
    return OmzResult(float(np.mean(accuracies)), correct, np.array(thresholds))
