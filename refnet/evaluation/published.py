"""Published figures beside those that were found: how far they are apart, and whether by more than chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from refnet.evaluation.insightface import InsightFaceResult
from refnet.evaluation.intervals import binomial_p_value
from refnet.evaluation.omz import OmzResult
from refnet.zoo.cards import Card

Result = InsightFaceResult | OmzResult


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


def beside_published(card: Card, name: str, count: int, results: Mapping[str, Result]) -> tuple[Published, ...]:
    """The card's accuracies on the set of that name, and on sets whose names begin like it.

    A set is known by its file's name alone, such as ``lfw.bin``. A figure belongs to all pairs of its set: with
    another name or number of pairs the difference is told, and no test is made.

    Parameters
    ----------
    card : Card
        Of the model, by its digest.
    name : of the file of pairs
    count : number of pairs
    results : by protocol
    """
    stem, rows = PurePath(name.lower()).stem, []
    for figure in card.figures:
        result = results.get(figure.protocol)
        if result is None or figure.metric != "accuracy" or not stem.startswith(figure.dataset):
            continue
        whole = stem == figure.dataset and count == figure.pairs
        why_not = f"it was published for the {figure.pairs:,} pairs of {figure.dataset}; this is {name}, of {count:,}"
        rows.append(
            Published(
                protocol=figure.protocol,
                value=figure.value,
                source=figure.source,
                difference=result.accuracy - figure.value,
                p_value=binomial_p_value(result.correct, count, figure.value) if whole else None,
                why_not="" if whole else why_not,
            )
        )
    return tuple(rows)
