"""All that is said of a model on a set of pairs."""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from refnet.errors import InputError
from refnet.evaluation.embedded import PairEmbeddings
from refnet.evaluation.folds import FOLDS, contiguous_folds, equal_subsets
from refnet.evaluation.insightface import InsightFaceResult, flip_sum, insightface, squared_distances
from refnet.evaluation.omz import OmzResult, half_cosine_distances, normalised, omz
from refnet.evaluation.pairs import PairSet
from refnet.evaluation.published import Published, beside_published
from refnet.evaluation.rates import Roc
from refnet.evaluation.summary import Summary, summarise
from refnet.graph import Array
from refnet.zoo.cards import Card

Protocol = Literal["insightface", "omz", "all"]
CHUNK = 4096  # pairs
NAMED = 5  # groups, in a sentence
MIXTURE = 0.01  # how far the share of genuine pairs may be from a half before the median is said to suffer


@dataclass(frozen=True)
class Evaluation:
    """Results by protocol, the summary, published figures of the model's card, and by protocol what to keep in mind.

    `similarities` (P,) are those of the pairs, which the summary and the curve are made of.
    """

    pairs: str
    count: int
    insightface: InsightFaceResult | None
    omz: OmzResult | None
    summary: Summary
    published: tuple[Published, ...]
    cautions: Mapping[str, str]
    curve: Roc
    similarities: Array

    def to_json(self) -> dict[str, Any]:
        """Plain values; the curve and the similarities are not among them."""
        said = asdict(self)
        del said["curve"], said["similarities"]
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
        face = insightface(_of_pairs(pairs, summed, squared_distances), pairs.same, xnorm)
        unit, similarity = summed, "cosine of the sums of an image's and its mirror image's embeddings"
    else:
        plain = np.asarray(embeddings.upright, np.float64)
        unit, similarity = plain / np.linalg.norm(plain, axis=1, keepdims=True), "cosine of embeddings"
    if protocol != "insightface":
        short = normalised(embeddings.upright)
        zoo = omz(_of_pairs(pairs, short, half_cosine_distances), pairs.same)
    similarities = _of_pairs(pairs, unit, lambda first, second: (first * second).sum(axis=1))
    summary, curve = summarise(pairs, similarities, similarity, resamples, seed)
    results: dict[str, InsightFaceResult | OmzResult] = {}
    if face:
        results["insightface"] = face
    if zoo:
        results["omz"] = zoo
    return Evaluation(
        pairs=pairs.name,
        count=len(pairs.same),
        insightface=face,
        omz=zoo,
        summary=summary,
        published=beside_published(card, pairs.name, len(pairs.same), results) if card else (),
        cautions=_cautions(pairs.same, results) | _of_groups(pairs, summary),
        curve=curve,
        similarities=similarities,
    )


def _of_pairs(pairs: PairSet, rows: Array, measure: Callable[[Array, Array], Array]) -> Array:
    """(P,) what `measure` says of each pair's two rows; some thousand pairs at a time, for there may be millions."""
    starts = range(0, len(pairs.same), CHUNK)
    return np.concatenate(
        [measure(rows[pairs.first[n : n + CHUNK]], rows[pairs.second[n : n + CHUNK]]) for n in starts]
    )


def _cautions(same: Array, protocols: Container[str]) -> dict[str, str]:
    """What the mixture of the folds does to the protocols, which were made for folds of as many pairs of each kind."""
    said = {}
    lopsided = sum(same[test].all() or not same[test].any() for _, test in contiguous_folds(len(same)))
    if "insightface" in protocols and lopsided:
        said["insightface"] = (
            f"InsightFace's accuracy cannot be compared with that of mixed folds: {lopsided} of {FOLDS} folds hold pairs of one kind "
            "only, and have their threshold from folds of another mixture"
        )
    shares = [float(same[train].mean()) for train, _ in equal_subsets(len(same))]
    if "omz" in protocols and max(abs(share - 0.5) for share in shares) > MIXTURE:
        said["omz"] = (
            "Open Model Zoo's accuracy cannot be compared with that of mixed folds: its threshold is a median, made for as many "
            f"genuine as impostor pairs; here {min(shares):.3f} to {max(shares):.3f} of those it is taken from are genuine"
        )
    return said


def _of_groups(pairs: PairSet, summary: Summary) -> dict[str, str]:
    """Which groups have too few pairs for the rates that are shown of them."""
    if pairs.groups is None:
        return {}
    if summary.group_point is None:
        return {"groups": f"no group's rates are shown: {summary.impostor} impostor pairs in all show no rate at all"}
    far = summary.group_point.target
    few = [group for group in summary.groups if not group.genuine or group.impostor < math.ceil(1 / far)]
    if not few:
        return {}
    said = ", ".join(f"{group.group!r} ({group.genuine} genuine, {group.impostor} impostor)" for group in few[:NAMED])
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    return {
        "groups": f"groups of too few pairs for rates of their own: {said}{more}; at FAR {far:g} a group needs "
        f"{math.ceil(1 / far)} impostor pairs to show one false accept, and genuine pairs for its TAR"
    }


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
