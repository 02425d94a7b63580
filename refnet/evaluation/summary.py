"""Rates of a set of pairs over all thresholds, each with an interval, and those of groups at one threshold for all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refnet.errors import InputError
from refnet.evaluation.intervals import Interval, bootstrap, resampled_weights, wilson
from refnet.evaluation.pairs import PairSet
from refnet.evaluation.rates import OperatingPoint, Roc, area, equal_error_rate, roc, supported, tar_at_far
from refnet.graph import Array

FAR_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4)
GROUP_FAR = 1e-2  # or the lowest target above it that the pairs support


@dataclass(frozen=True)
class GroupRates:
    """Rates of one group at a threshold found on all pairs; None where the group has no pair of that kind."""

    group: str
    genuine: int
    impostor: int
    tar: float | None
    tar_interval: Interval
    far: float | None
    far_interval: Interval


@dataclass(frozen=True)
class Summary:
    """Rates with 95 % intervals.

    Attributes
    ----------
    similarity : what was compared
    resampled : "persons" or "pairs"
    points : one for each target that the number of impostor pairs supports
    refused : the other targets
    group_point : where the rates of groups are taken: `GROUP_FAR` or the lowest rate above it that is supported
    """

    similarity: str
    genuine: int
    impostor: int
    auc: float
    auc_interval: Interval
    eer: float
    eer_interval: Interval
    points: tuple[OperatingPoint, ...]
    point_intervals: tuple[Interval, ...]
    refused: tuple[float, ...]
    resampled: str
    resamples: int
    seed: int
    groups: tuple[GroupRates, ...]
    group_point: OperatingPoint | None


def summarise(pairs: PairSet, similarities: Array, what: str, resamples: int, seed: int) -> tuple[Summary, Roc]:
    """Rates, intervals and the curve.

    Parameters
    ----------
    pairs : PairSet
    similarities : (P,) float64
        Of the pairs.
    what : str
        What the similarities are, in words.
    resamples, seed : of the intervals

    Raises
    ------
    InputError
        If all pairs are of one kind, or a similarity is not finite.
    """
    same = pairs.same
    genuine, impostor = int(same.sum()), int((~same).sum())
    curve = roc(similarities, same)
    targets = [target for target in FAR_TARGETS if supported(target, impostor)]
    points = tuple(tar_at_far(curve, target, impostor) for target in targets)

    order = np.argsort(-similarities, kind="stable")  # once, and not anew in every resample
    falling, same_falling = similarities[order], same[order]

    def statistic(weights: Array) -> Sequence[float]:
        try:
            drawn = roc(falling, same_falling, weights[order])
        except InputError:  # a resample of pairs of one kind
            return [math.nan] * (2 + len(targets))
        return [area(drawn), equal_error_rate(drawn), *(tar_at_far(drawn, target, impostor).tar for target in targets)]

    people = None if pairs.people is None else np.array(pairs.people)
    first, second = (None, None) if people is None else (people[pairs.first].tolist(), people[pairs.second].tolist())
    auc, eer, *tars = bootstrap(statistic, resampled_weights(same, first, second, resamples, seed))
    at = next((point for point in reversed(points) if point.target >= GROUP_FAR), None)
    groups = () if at is None else _groups(pairs, similarities, at.threshold)
    summary = Summary(
        similarity=what,
        genuine=genuine,
        impostor=impostor,
        auc=area(curve),
        auc_interval=auc,
        eer=equal_error_rate(curve),
        eer_interval=eer,
        points=points,
        point_intervals=tuple(tars),
        refused=tuple(target for target in FAR_TARGETS if target not in targets),
        resampled="pairs" if people is None else "persons",
        resamples=resamples,
        seed=seed,
        groups=groups,
        group_point=at if groups else None,
    )
    return summary, curve


def _groups(pairs: PairSet, similarities: Array, threshold: float) -> tuple[GroupRates, ...]:
    """Each group's rates at one threshold for all."""
    if pairs.groups is None:
        return ()
    labels, accepted = np.array(pairs.groups), similarities >= threshold
    rows = []
    for group in sorted(set(pairs.groups)):
        genuine, impostor = (labels == group) & pairs.same, (labels == group) & ~pairs.same
        counts = [(int(accepted[kind].sum()), int(kind.sum())) for kind in (genuine, impostor)]
        (right, ofg), (wrong, ofi) = counts
        rows.append(
            GroupRates(
                group or "(no group)", ofg, ofi,
                right / ofg if ofg else None, wilson(right, ofg), wrong / ofi if ofi else None, wilson(wrong, ofi),
            )
        )  # fmt: skip
    return tuple(rows)
