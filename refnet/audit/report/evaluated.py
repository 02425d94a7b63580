"""How well the model tells persons apart on the pairs given: what `refnet evaluate` says, the curve, the histograms."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from refnet import zoo
from refnet.audit.report.curve import curve_points, similarity_histograms
from refnet.evaluation.embedded import embed_pairs
from refnet.evaluation.evaluate import Evaluation, evaluate
from refnet.evaluation.pairs import PairSet
from refnet.evaluation.rates import OperatingPoint
from refnet.network import Network

FAR = 1e-2  # of the threshold that explanations are held against, or the lowest rate above it that the pairs support


@dataclass(frozen=True)
class Evaluated:
    """Pairs and what was found on them.

    Attributes
    ----------
    pairs : PairSet
    result : by both protocols; similarities are of images with their mirror images added.
    plain : of single images, as two photographs are compared in use.
    """

    pairs: PairSet
    result: Evaluation
    plain: Evaluation

    @property
    def threshold(self) -> OperatingPoint | None:
        """Of single images, at `FAR` or the lowest rate above it; None where the pairs support none, or none accepts."""
        points = [point for point in self.plain.summary.points if point.target >= FAR]
        return points[-1] if points and math.isfinite(points[-1].threshold) else None

    def section(self) -> dict[str, Any]:
        """As report.schema.json has `evaluation`."""
        summary = self.result.summary
        return self.result.to_json() | {
            "curve": curve_points(self.result.curve, summary.genuine, summary.impostor),
            "similarities": similarity_histograms(self.result.similarities, self.pairs.same),
            "single_threshold": None if self.threshold is None else asdict(self.threshold),
        }


def evaluated(
    network: Network, pairs: PairSet, *, resamples: int = 1000, advance: Callable[[int], None] | None = None
) -> Evaluated:
    """Embed the images of pairs and apply the protocols.

    Parameters
    ----------
    network : Network
    pairs : PairSet
    resamples : of the intervals
    advance : told how many images are done

    Raises
    ------
    InputError
        As `refnet.evaluation.embedded.embed_pairs`.
    """
    embedded = embed_pairs(network, pairs, mirror=True, advance=advance)
    card = zoo.card_of(embedded.provenance.model_sha256)
    result = evaluate(pairs, embedded, card=card, resamples=resamples)
    return Evaluated(pairs, result, evaluate(pairs, embedded, protocol="omz", resamples=1))
