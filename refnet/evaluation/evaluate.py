"""All that is said of a model on a set of pairs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from refnet.errors import InputError
from refnet.evaluation.embedded import PairEmbeddings
from refnet.evaluation.insightface import InsightFaceResult, flip_sum, insightface
from refnet.evaluation.intervals import Interval, binomial_p_value, bootstrap, resampled_weights, wilson
from refnet.evaluation.omz import OmzResult, normalised, omz
from refnet.evaluation.pairs import PairSet
from refnet.evaluation.rates import OperatingPoint, Roc, area, equal_error_rate, roc, supported, tar_at_far
from refnet.graph import Array
from refnet.zoo.cards import Card

Protocol = Literal["insightface", "omz", "all"]
FAR_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4)


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
    group_threshold: float | None


@dataclass(frozen=True)
class Published:
    """A published figure beside the one that was found.

    `p_value` is that of the exact binomial test, None with the reason in `why_not` where the two may not be compared.
    """

    protocol: str
    value: float
    source: str
    difference: float
    p_value: float | None
    why_not: str


@dataclass(frozen=True)
class Evaluation:
    """Results by protocol, the summary, and published figures of the model's card."""

    pairs: str
    count: int
    insightface: InsightFaceResult | None
    omz: OmzResult | None
    summary: Summary
    published: tuple[Published, ...]
    curve: Roc

    def to_json(self) -> dict[str, Any]:
        """Plain values; the curve is not among them."""
        said = asdict(self)
        del said["curve"]
        result: dict[str, Any] = _plain(said)
        return result


def evaluate(
    pairs: PairSet,
    embeddings: PairEmbeddings,
    *,
    protocol: Protocol = "all",
    card: Card | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Apply the protocols.

    Parameters
    ----------
    pairs : PairSet
    embeddings : PairEmbeddings
        With those of the mirror images, if InsightFace's protocol is wanted.
    protocol : "insightface", "omz" or "all"
        "all" is what the embeddings allow.
    card : of the model, if its file is the published one
    resamples, seed : of the intervals

    Raises
    ------
    InputError
        If mirror images are wanted and absent, or there are too few pairs.
    """
    if protocol == "insightface" and embeddings.mirrored is None:
        raise InputError(
            "InsightFace's protocol adds the embeddings of mirror images, which this file lacks; compute them with "
            "`refnet evaluate ... --save-embeddings FILE.npz`"
        )
    face = zoo = None
    if protocol != "omz" and embeddings.mirrored is not None:
        summed, xnorm = flip_sum(embeddings.upright, embeddings.mirrored)
        face = insightface(summed[pairs.first], summed[pairs.second], pairs.same, xnorm)
        unit, similarity = summed, "cosine of the sums of an image's and its mirror image's embeddings"
    else:
        lengths = np.linalg.norm(np.asarray(embeddings.upright, np.float64), axis=1, keepdims=True)
        unit, similarity = embeddings.upright / np.where(lengths > 0, lengths, 1), "cosine of embeddings"
    if protocol != "insightface":
        short = normalised(embeddings.upright)
        zoo = omz(short[pairs.first], short[pairs.second], pairs.same)
    similarities = (unit[pairs.first] * unit[pairs.second]).sum(axis=1)
    summary, curve = _summary(pairs, similarities, similarity, resamples, seed)
    return Evaluation(
        pairs=pairs.name,
        count=len(pairs.same),
        insightface=face,
        omz=zoo,
        summary=summary,
        published=tuple(_published(card, pairs, face, zoo)),
        curve=curve,
    )


def _summary(pairs: PairSet, similarities: Array, what: str, resamples: int, seed: int) -> tuple[Summary, Roc]:
    same = pairs.same
    genuine, impostor = int(same.sum()), int((~same).sum())
    curve = roc(similarities, same)
    targets = [target for target in FAR_TARGETS if supported(target, impostor)]
    points = tuple(tar_at_far(curve, target, impostor) for target in targets)

    def statistic(weights: Array) -> Sequence[float]:
        try:
            drawn = roc(similarities, same, weights)
        except InputError:  # a resample of pairs of one kind
            return [math.nan] * (2 + len(targets))
        return [area(drawn), equal_error_rate(drawn), *(tar_at_far(drawn, target, impostor).tar for target in targets)]

    people = None if pairs.people is None else np.array(pairs.people)
    first, second = (None, None) if people is None else (people[pairs.first].tolist(), people[pairs.second].tolist())
    auc, eer, *tars = bootstrap(statistic, resampled_weights(same, first, second, resamples, seed))
    threshold = points[min(1, len(points) - 1)].threshold if points else None
    groups = _groups(pairs, similarities, threshold) if threshold is not None else ()
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
        group_threshold=threshold if groups else None,
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


def _published(
    card: Card | None, pairs: PairSet, face: InsightFaceResult | None, zoo: OmzResult | None
) -> list[Published]:
    """The card's figures on the set whose name this is."""
    found = {"insightface": face, "omz": zoo}
    rows = []
    for figure in card.figures if card else ():
        result = found.get(figure.protocol)
        if result is None or figure.metric != "accuracy" or not pairs.name.lower().startswith(figure.dataset.lower()):
            continue
        whole = figure.pairs == len(pairs.same)
        rows.append(
            Published(
                figure.protocol, figure.value, figure.source, result.accuracy - figure.value,
                binomial_p_value(result.correct, len(pairs.same), figure.value) if whole else None,
                "" if whole else f"it was published for {figure.pairs:,} pairs; these are {len(pairs.same):,}",
            )
        )  # fmt: skip
    return rows


def _plain(value: Any) -> Any:
    """Lists and numbers that JSON has; NaN is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
