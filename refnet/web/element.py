"""One number of a tensor, written out: what it was made from, and the sum that makes it.

Every number is of the float64 network. The terms are added exactly and rounded once (`math.fsum`); the reference adds in
another order, so that its own value may differ in the last of sixteen digits.
"""

from dataclasses import dataclass
from typing import Any, Literal

from refnet.graph import Array

TERMS = 12  # that are told one by one; the others are told as their sum


@dataclass(frozen=True)
class Window:
    """The part of the read tensor that counts, as rows and columns; `bottom` and `right` lie behind the last.

    May reach beyond the tensor, where all is zero. `channel` is the one that counts, or the one that counts most; of a
    vector, which is one row, it is 0.
    """

    tensor: str
    channel: int
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Term:
    """A part of the sum.

    Attributes
    ----------
    label : what it is
    value : what it adds
    channel : of the read tensor, where it is of one
    seen, weight : (KH, KW) float64, where the term is the sum of their products
    """

    label: str
    value: float
    channel: int | None = None
    seen: Array | None = None
    weight: Array | None = None


@dataclass(frozen=True)
class Element:
    """One number, written out.

    Attributes
    ----------
    kind : "sum" if the terms add up to the value; "unknown" where refnet has no words for the operator
    formula : in letters
    given : the numbers behind the letters
    windows : what is read, one for each tensor
    terms : the largest, largest first, where there are many
    rest, rest_value : how many others there are, and what they add
    total : the exact sum of all, rounded once
    contributions : what every channel of the read tensor adds, where they are many; by channel
    """

    kind: Literal["sum", "unknown"]
    formula: str
    given: tuple[tuple[str, float], ...] = ()
    windows: tuple[Window, ...] = ()
    terms: tuple[Term, ...] = ()
    rest: int = 0
    rest_value: float = 0.0
    total: float = 0.0
    contributions: Array | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "kind": self.kind,
            "formula": self.formula,
            "given": [{"name": name, "value": value} for name, value in self.given],
            "terms": [
                {
                    "label": term.label,
                    "value": term.value,
                    "channel": term.channel,
                    "seen": None if term.seen is None else term.seen.tolist(),
                    "weight": None if term.weight is None else term.weight.tolist(),
                }
                for term in self.terms
            ],
            "rest": self.rest,
            "rest_value": self.rest_value,
            "total": self.total,
            "contributions": None if self.contributions is None else self.contributions.tolist(),
        }
