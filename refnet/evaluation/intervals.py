"""How sure a rate is: resampling, binomial intervals, and whether a figure differs from a published one.

- Percentile bootstrap: the statistic of resampled data, its 2.5th and 97.5th percentile of all resamples. Pairs that
  share a person are not independent. Where persons are known, persons are drawn (a genuine pair counts as often as
  its person was drawn, an impostor pair as often as the product for its two persons); elsewhere pairs are, genuine and
  impostor ones apart, and the interval is then too narrow. Source: Bolle, Ratha and Pankanti, "Error analysis of
  pattern recognition systems - the subsets bootstrap", CVIU 93 (1), 2004.
- Wilson's score interval for a share of counted things (JASA 22, 1927).
- The exact two-sided binomial test: the chance, if the published rate were true, of a count that is no likelier.
- Rule of three: with no error in n trials, the rate is below 3/n at 95 %. Rule of thirty: thirty errors are needed for
  an estimate within 30 % at 90 % (Doddington et al., Speech Communication 31, 2000).
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from refnet.graph import Array

Interval = tuple[float, float]
LEVEL = 0.95
_Z = 1.959963984540054  # the normal distribution's 97.5th percentile


def resampled_weights(
    same: Array, first: Sequence[str] | None, second: Sequence[str] | None, resamples: int, seed: int
) -> Iterator[Array]:
    """(P,) weights of all pairs, once a resample; by persons if their names are given, else by pairs."""
    rng = np.random.default_rng(seed)
    if first is None or second is None:
        genuine, impostor = np.flatnonzero(same), np.flatnonzero(~same)
        for _ in range(resamples):
            chosen = [kind[rng.integers(0, len(kind), len(kind))] for kind in (genuine, impostor)]
            yield np.bincount(np.concatenate(chosen), minlength=len(same)).astype(np.float64)
        return
    people = sorted({*first, *second})
    place = {person: n for n, person in enumerate(people)}
    a, b = (np.array([place[person] for person in names]) for names in (first, second))
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
        yield np.where(same, drawn[a], drawn[a] * drawn[b]).astype(np.float64)


def percentile_interval(values: Sequence[float]) -> Interval:
    """The middle 95 % of resampled statistics; those that could not be computed (NaN) are left out."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return math.nan, math.nan
    low, high = np.percentile(finite, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def bootstrap(statistic: Callable[[Array], Sequence[float]], weights: Iterator[Array]) -> list[Interval]:
    """An interval for each number that the statistic tells of weights."""
    columns = zip(*(statistic(drawn) for drawn in weights), strict=True)
    return [percentile_interval(column) for column in columns]


def wilson(hits: int, count: int) -> Interval:
    """The 95 % interval of a share."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = hits / count, _Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # Without a hit, or without a miss, an end is exact, which the formula's rounding would blur.
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == count else middle + half


def binomial_p_value(hits: int, count: int, rate: float) -> float:
    """Two-sided exact test of `hits` in `count` against a rate strictly between 0 and 1."""
    log_choose = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(count + 1)]
    log_rate, log_other = math.log(rate), math.log1p(-rate)
    chances = np.exp([log_choose[k] + k * log_rate + (count - k) * log_other for k in range(count + 1)])
    return float(min(1.0, chances[chances <= chances[hits] * (1 + 1e-7)].sum()))
