"""Error rates over all thresholds: ROC and DET, equal error rate, area, and the true accept rate at a false one.

A pair is accepted if its similarity is at least the threshold. ``far`` is the share of impostor pairs accepted (ISO/IEC
19795: false match rate), ``tar`` the share of genuine pairs accepted (1 - false non-match rate).

Every pair may have a weight, as resampling gives it: a pair drawn twice counts twice.
"""

from dataclasses import dataclass

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.graph import Array


@dataclass(frozen=True)
class Roc:
    """Operating points, from the strictest threshold to the laxest; the first accepts nothing.

    thresholds : (T,) similarities, falling, the first infinite; far, tar : (T,) rising
    """

    thresholds: Array
    far: Array
    tar: Array


@dataclass(frozen=True)
class OperatingPoint:
    """The laxest threshold whose false accept rate is not above a target."""

    target: float
    threshold: float
    far: float
    tar: float


def roc(similarities: Array, same: Array, weights: Array | None = None) -> Roc:
    """Every operating point there is: one a distinct similarity.

    Parameters
    ----------
    similarities : (P,) float
    same : (P,) bool
    weights : (P,) float, at least 0; all 1 if None

    Raises
    ------
    InputError
        If there are pairs of one kind only, or a similarity is not finite.
    """
    if not np.isfinite(similarities).all():
        raise InputError(f"the similarity of pair {int(np.argmin(np.isfinite(similarities)))} is not finite")
    weights = np.ones(len(same)) if weights is None else weights
    order = np.argsort(-similarities, kind="stable")
    ordered, counts = similarities[order], weights[order]
    genuine, impostor = np.cumsum(counts * same[order]), np.cumsum(counts * ~same[order])
    if not len(same) or genuine[-1] == 0 or impostor[-1] == 0:
        raise InputError("all pairs are of one kind; error rates need pairs of one person and pairs of two")
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return Roc(
        np.append(np.inf, ordered[last]),
        np.append(0.0, impostor[last] / impostor[-1]),
        np.append(0.0, genuine[last] / genuine[-1]),
    )


def area(curve: Roc) -> float:
    """The area under the curve: the chance that a genuine pair is more alike than an impostor one, ties half."""
    return float(np.trapezoid(curve.tar, curve.far))


def equal_error_rate(curve: Roc) -> float:
    """Where far and 1 - tar are equal, linear between the two operating points around."""
    gap = curve.far - (1 - curve.tar)
    at = int(np.argmax(gap >= 0))
    before, after = gap[at - 1], gap[at]
    share = -before / (after - before)
    return float(curve.far[at - 1] + share * (curve.far[at] - curve.far[at - 1]))


def tar_at_far(curve: Roc, target: float, impostors: int) -> OperatingPoint:
    """The operating point for a target rate; nothing is interpolated, the rate is never above the target.

    Raises
    ------
    UsageError
        If the target is not within 0 and 1, or below 1 / impostors: fewer than one false accept would be expected,
        and no threshold can be found for it.
    """
    check_supported(target, impostors)
    at = int(np.searchsorted(curve.far, target * (1 + 1e-12), side="right")) - 1
    return OperatingPoint(target, float(curve.thresholds[at]), float(curve.far[at]), float(curve.tar[at]))


def check_supported(target: float, impostors: int) -> None:
    """Refuse a target that `tar_at_far` refuses."""
    if not 0 < target <= 1:
        raise UsageError(f"the false accept rate is {target}; expected a fraction above 0 and at most 1")
    if not supported(target, impostors):
        raise UsageError(
            f"a false accept rate of {target:g} cannot be measured on {impostors:,} impostor pairs: it needs at least "
            f"{int(np.ceil(1 / target - 1e-9)):,}"
        )


def supported(target: float, impostors: int) -> bool:
    """Whether at least one false accept is expected at this rate."""
    return target * impostors >= 1 - 1e-9
