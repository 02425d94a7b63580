"""One threshold in every convention of the field, and which side of it is a match.

With c the cosine of the angle t between two embeddings, and d the Euclidean distance of their unit vectors:

====================== ================= ============ =============== ==================================================
convention             value             range        more alike is   used by
====================== ================= ============ =============== ==================================================
`cosine`               c                 -1 .. 1      larger          insightface, OpenCV's SFace
`cosine_distance`      1 - c             0 .. 2       smaller         deepface ("cosine"), scipy
`half_cosine_distance` (1 - c) / 2       0 .. 1       smaller         Open Model Zoo: its demo, its accuracy checker
`l2`                   d = sqrt(2 - 2c)  0 .. 2       smaller         deepface ("euclidean_l2"), OpenCV's SFace
`squared_l2`           d^2 = 2 - 2c      0 .. 4       smaller         InsightFace's verification protocol
`degrees`              t * 180 / pi      0 .. 180     smaller         people
`radians`              t                 0 .. pi      smaller         the ArcFace paper's margin
`angular`              t / pi            0 .. 1       smaller         deepface ("angular")
====================== ================= ============ =============== ==================================================

Every value is a strictly monotone function of every other, so a threshold moves from one to another without changing
any decision. They are converted through d^2, in which small angles keep their digits; a round trip may end in another
last digit. Raw embeddings have no place here: the distance of vectors that are not of unit length says nothing
about the angle.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from refnet.errors import UsageError

Metric = Literal[
    "cosine", "cosine_distance", "half_cosine_distance", "l2", "squared_l2", "degrees", "radians", "angular"
]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class Convention:
    """How one convention says how alike two faces are: its range, its direction, its way from and to d^2."""

    low: float
    high: float
    larger_is_closer: bool
    formula: str
    to_squared: Callable[[float], float]
    from_squared: Callable[[float], float]


def _angle(squared: float) -> float:
    """The angle whose unit vectors lie d apart: sin(t/2) = d/2, cos(t/2) = sqrt(4 - d^2)/2."""
    return 2 * math.atan2(math.sqrt(squared), math.sqrt(4 - squared))


def _squared_chord(angle: float) -> float:
    """d^2 of two unit vectors at an angle: (2 sin(t/2))^2."""
    return 4 * math.sin(angle / 2) ** 2


CONVENTIONS: dict[Metric, Convention] = {
    "cosine": Convention(-1, 1, True, "c", lambda v: 2 * (1 - v), lambda s: 1 - s / 2),
    "cosine_distance": Convention(0, 2, False, "1 - c", lambda v: 2 * v, lambda s: s / 2),
    "half_cosine_distance": Convention(0, 1, False, "(1 - c) / 2", lambda v: 4 * v, lambda s: s / 4),
    "l2": Convention(0, 2, False, "sqrt(2 - 2c)", lambda v: v * v, math.sqrt),
    "squared_l2": Convention(0, 4, False, "2 - 2c", lambda v: v, lambda s: s),
    "degrees": Convention(
        0, 180, False, "acos(c) * 180 / pi", lambda v: _squared_chord(math.radians(v)), lambda s: math.degrees(_angle(s))
    ),
    "radians": Convention(0, math.pi, False, "acos(c)", _squared_chord, _angle),
    "angular": Convention(
        0, 1, False, "acos(c) / pi", lambda v: _squared_chord(v * math.pi), lambda s: _angle(s) / math.pi
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """A threshold as it was given, and where it comes from.

    Attributes
    ----------
    value, metric
        As given.
    origin : str
        Who says so: the user, or a calibration with its false accept rate.
    """

    value: float
    metric: Metric
    origin: str

    def __post_init__(self) -> None:
        check(self.value, self.metric)

    @property
    def cosine(self) -> float:
        """The similarity from which on two faces match: ``similarity >= cosine``."""
        return convert(self.value, self.metric, "cosine")

    def __str__(self) -> str:
        """In the convention it was given in, and as a cosine."""
        if self.metric == "cosine":
            return f"{self.value:g}"
        return f"{self.cosine:g} ({self.metric} {self.value:g})"

    def to_json(self) -> dict[str, object]:
        """A plain dict."""
        return {"value": self.value, "metric": self.metric, "cosine": self.cosine, "origin": self.origin}


def check(value: float, metric: Metric, name: str = "threshold") -> None:
    """Refuse a value outside its convention's range; says which conventions it would fit.

    Raises
    ------
    UsageError
    """
    convention = CONVENTIONS[metric]
    if convention.low <= value <= convention.high:
        return
    fits = [other for other, it in CONVENTIONS.items() if it.low <= value <= it.high]
    hint = f" It could be one of {', '.join(fits)}." if fits else ""
    raise UsageError(f"{name} is {value:g}; expected {metric}, {convention.low:g} to {convention.high:g}.{hint}")


def convert(value: float, source: Metric, target: Metric) -> float:
    """Say the same threshold in another convention.

    Parameters
    ----------
    value : float
    source, target : names in `METRICS`

    Raises
    ------
    UsageError
        If the value lies outside the range of `source`, or is not a number.

    Examples
    --------
    >>> round(convert(1.24, "squared_l2", "cosine"), 12)
    0.38
    >>> convert(0.3, "half_cosine_distance", "cosine")
    0.4
    """
    check(value, source)
    if source == target:
        return float(value)
    squared = min(max(CONVENTIONS[source].to_squared(value), 0.0), 4.0)
    return CONVENTIONS[target].from_squared(squared)


def all_conventions(value: float, source: Metric) -> dict[Metric, float]:
    """Say the same threshold in every convention."""
    return {target: convert(value, source, target) for target in METRICS}
