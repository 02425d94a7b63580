"""A curve of error rates with few points, and the histograms behind it.

No point is made up: those that are kept are operating points as they were measured. First go points that say nothing,
on a straight run between their neighbours; of the rest as many are kept as allowed, as evenly spaced along the curve as
can be, half of them by rates and half by the logarithms of rates, so that the end with few errors keeps its shape.
"""

from typing import Any

import numpy as np

from refnet.evaluation.intervals import wilson
from refnet.evaluation.rates import Roc
from refnet.graph import Array

POINTS = 400
BINS = 80  # of similarities from -1 to 1


def curve_points(curve: Roc, genuine: int, impostor: int, most: int = POINTS) -> list[dict[str, Any]]:
    """Operating points from the strictest threshold to the laxest.

    Parameters
    ----------
    curve : Roc
    genuine, impostor : how many pairs of each kind it was measured on.
    most : points to keep.

    Returns
    -------
    [{threshold (None where nothing is accepted), fmr, fnmr, and of each the 95 % interval by Wilson}]
    """
    kept = _kept(curve, 1 / genuine, 1 / impostor, most)
    points = []
    for n in kept:
        fmr, fnmr = float(curve.far[n]), 1 - float(curve.tar[n])
        threshold = float(curve.thresholds[n])
        points.append(
            {
                "threshold": threshold if np.isfinite(threshold) else None,
                "fmr": fmr,
                "fmr_interval": list(wilson(round(fmr * impostor), impostor)),
                "fnmr": fnmr,
                "fnmr_interval": list(wilson(round(fnmr * genuine), genuine)),
            }
        )
    return points


def _kept(curve: Roc, least_fnmr: float, least_fmr: float, most: int) -> list[int]:
    """The numbers of the points to keep, rising."""
    wrong, right = np.diff(curve.far) > 0, np.diff(curve.tar) > 0
    straight = (wrong[1:] == wrong[:-1]) & (right[1:] == right[:-1]) & ~(wrong[1:] & right[1:])
    corners = np.flatnonzero(np.concatenate([[True], ~straight, [True]]))
    if len(corners) <= most:
        return [int(n) for n in corners]
    far, fnmr = curve.far[corners], 1 - curve.tar[corners]
    plain = np.abs(np.diff(far)) + np.abs(np.diff(fnmr))
    logs = np.abs(np.diff(np.log(np.maximum(far, least_fmr / 2)))) + np.abs(
        np.diff(np.log(np.maximum(fnmr, least_fnmr / 2)))
    )
    chosen = {0, len(corners) - 1}
    for lengths in (plain, logs):
        along = np.append(0, np.cumsum(lengths))
        wanted = np.linspace(0, along[-1], most // 2)
        chosen.update(int(n) for n in np.minimum(np.searchsorted(along, wanted), len(corners) - 1))
    return [int(corners[n]) for n in sorted(chosen)]


def similarity_histograms(similarities: Array, same: Array) -> dict[str, Any]:
    """How many pairs of each kind have which similarity: in `BINS` equal bins from -1 to 1; the last holds 1 as well."""
    edges = np.linspace(-1, 1, BINS + 1)
    inside = np.clip(similarities, -1, 1)
    genuine, impostor = (np.histogram(inside[kind], edges)[0].tolist() for kind in (same, ~same))
    return {"edges": edges.tolist(), "genuine": genuine, "impostor": impostor}
