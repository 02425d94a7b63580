"""Candidates of a detector, and the choice among those that mean the same face."""

from dataclasses import dataclass

import numpy as np

from refnet.graph import Array


@dataclass(frozen=True)
class Candidates:
    """What a detector says of many places, in pixels of what it was shown.

    Attributes
    ----------
    boxes : (K, 4) float64
        left, top, right, bottom.
    scores : (K,) float64
        0 to 1.
    landmarks : (K, 5, 2) float64
    """

    boxes: Array
    scores: Array
    landmarks: Array

    def __getitem__(self, which: Array) -> "Candidates":
        return Candidates(self.boxes[which], self.scores[which], self.landmarks[which])


def joined(parts: list[Candidates]) -> Candidates:
    """All candidates of several strides, in their order."""
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )


def cells(height: int, width: int) -> Array:
    """Column and row of the cells of a map, row by row; (height * width, 2) float64."""
    row, column = np.indices((height, width))
    return np.stack([column.ravel(), row.ravel()], axis=1).astype(np.float64)


def suppress(candidates: Candidates, overlap: float) -> Candidates:
    """Keep the best candidate of every face: greedy non-maximum suppression.

    From the highest score down, a candidate is kept unless its intersection over union with one that is kept is more
    than `overlap`. Equal scores go in the order of the candidates.

    Returns
    -------
    Candidates, in falling order of their scores.
    """
    ordered = candidates[np.argsort(-candidates.scores, kind="stable")]
    left, top, right, bottom = ordered.boxes.T
    areas = (right - left) * (bottom - top)
    alive = np.ones(len(areas), dtype=bool)
    for i in range(len(areas)):
        if alive[i]:
            across = np.minimum(right[i], right[i + 1 :]) - np.maximum(left[i], left[i + 1 :])
            down = np.minimum(bottom[i], bottom[i + 1 :]) - np.maximum(top[i], top[i + 1 :])
            shared = np.maximum(across, 0) * np.maximum(down, 0)
            alive[i + 1 :] &= shared <= overlap * (areas[i] + areas[i + 1 :] - shared)
    return ordered[alive]
