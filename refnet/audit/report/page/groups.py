"""The scales of the intervals in the table of groups: one for all groups, so that they can be compared by eye."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LEFT, _RIGHT = 6, 194  # of the drawing's 200


@dataclass(frozen=True)
class Scale:
    """From a rate to its place in a drawing 200 wide."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """The place of a rate."""
        width = self.high - self.low or 1.0
        return round(_LEFT + (_RIGHT - _LEFT) * (value - self.low) / width, 1)


def group_scales(document: Mapping[str, Any]) -> dict[str, Scale]:
    """One scale for each rate, from the least to the largest end of an interval; none without groups."""
    evaluation = document["evaluation"]
    groups = evaluation["summary"]["groups"] if evaluation else []
    found = {}
    for rate in ("tar", "far"):
        ends = [
            end for group in groups if group[rate] is not None for end in group[f"{rate}_interval"] if end is not None
        ]
        found[rate] = Scale(min(ends, default=0.0), max(ends, default=1.0))
    return found
