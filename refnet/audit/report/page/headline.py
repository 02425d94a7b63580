"""What the page says first: a verdict in one sentence, and the figures that people look for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refnet.audit.report.page.text import large, short, whole


@dataclass(frozen=True)
class Headline:
    """The top of the page; each figure is (name, value in words, tone)."""

    clean: bool
    sentence: str
    figures: tuple[tuple[str, str, str], ...]


def headline(document: Mapping[str, Any]) -> Headline:
    """Sum a document up."""
    findings, agreement, model = document["findings"], document["agreement"], document["model"]
    problems, warnings = findings["problems"], findings["warnings"]
    departures = sum(side["departures"] for side in (agreement["fast"], agreement["other"]) if side)
    counted = [
        ("problems", whole(problems), "bad" if problems else "good"),
        ("warnings", whole(warnings), "warning" if warnings else ""),
        ("tensors that depart", whole(departures), "bad" if departures else "good"),
        ("layers", whole(len(document["layers"])), ""),
        ("parameters", large(model["parameters"]), ""),
        ("multiply-adds", large(model["macs"]), ""),
    ]
    if agreement["embeddings"]:
        worst = max(row["fast_relative_l2"] for row in agreement["embeddings"])
        counted.append(("largest error of an embedding", short(worst, 2), ""))
    if document["evaluation"]:
        counted.append(("equal error rate", short(document["evaluation"]["summary"]["eer"]), ""))
    return Headline(not problems and agreement["agrees"], _sentence(document, problems), tuple(counted))


def _sentence(document: Mapping[str, Any], problems: int) -> str:
    """The verdict."""
    agreement = document["agreement"]
    asked = sum(result["status"] != "skipped" for result in document["findings"]["results"])
    found = f"{problems} problem{'s' if problems != 1 else ''}" if problems else "no problem"
    doctor = f"{asked} check{'s' if asked != 1 else ''} found {found}"
    sides = [side for side in (agreement["fast"], agreement["other"]) if side]
    bad = [side for side in sides if not side["agrees"]]
    if bad:
        where = " and ".join(side["name"] for side in bad)
        return f"{doctor}, and {where} {'does' if len(bad) == 1 else 'do'} not agree with float64."
    names = " and ".join(side["name"] for side in sides)
    return f"{doctor}, and every tensor of {names} agrees with float64 within what rounding allows."
