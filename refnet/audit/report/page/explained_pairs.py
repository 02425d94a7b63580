"""The explained pairs as the template needs them: words, maps as pictures, charts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refnet.audit.report.page.explained_charts import map_png, occlusion_values, robustness_chart, units_chart
from refnet.audit.report.page.text import short


def explained_pairs(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a pair."""
    return [_pair(pair, number) for number, pair in enumerate(document["explained"])]


def _pair(pair: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Words, maps and charts of one pair; what was not computed is empty."""
    curves, units = pair["robustness"], pair["units"]
    return {
        **pair,
        "heading": _heading(pair),
        "maps": list(_maps(pair)),
        "robustness": robustness_chart(curves, pair["threshold"], f"robustness-{number}") if curves else "",
        "lost": _lost(pair),
        "units": units_chart(units, f"units-{number}") if units else "",
    }


def _heading(pair: Mapping[str, Any]) -> str:
    """Why this pair is shown."""
    kind = "" if pair["kind"] == "unknown" else f" {pair['kind']} pair"
    words = f"{pair['choice']}{kind or ' faces'}"
    return f"The {words}" if pair["choice"] == "hardest" or not kind else f"A {words}"


def _maps(pair: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The maps over the first face."""
    face, maps = pair["images"]["a"], pair["maps"]
    integrated = np.array(maps["integrated"], np.float64)
    covered, sums = pair["occlusion"], pair["integrated"]
    if covered is not None:
        png, scale = map_png(face, occlusion_values(maps["occlusion"], *integrated.shape))
        yield {
            "png": png,
            "alt": "Occlusion map over the first face",
            "words": f"Covered by a square of {covered['square_px']} px: the worst takes {short(-covered['largest_loss'])}"
            f"{_crossing(pair)}. Full colour {short(scale, 2)}.",
        }
    if sums is not None:
        png, scale = map_png(face, integrated)
        complete = "" if sums["complete"] else "; not complete"
        yield {
            "png": png,
            "alt": "Integrated gradients over the first face",
            "words": f"Integrated gradients: they sum to {short(sums['sum'])} from {short(sums['baseline_similarity'])}, off by "
            f"{short(100 * sums['relative_error'], 2)} %{complete}. Full colour {short(scale, 2)}.",
        }


def _crossing(pair: Mapping[str, Any]) -> str:
    """How many covered places bring a pair below the threshold that it is not below already."""
    threshold, covered = pair["threshold"], pair["occlusion"]
    if threshold is None or pair["similarity"] < threshold:
        return ""
    return f"; {covered['squares_below_threshold']} of {covered['squares']} squares bring it below the threshold"


def _lost(pair: Mapping[str, Any]) -> str:
    """Where the curves cross the threshold."""
    curves = pair["robustness"]
    if not curves or pair["threshold"] is None:
        return "Similarity over the amount of each way of spoiling the first image."
    if pair["similarity"] < pair["threshold"]:
        return "The dashed line is the threshold; the pair is below it to begin with."
    lost = [
        f"{curve['way']} at {short(curve['below_threshold_at'])} ({curve['unit']})"
        for curve in curves
        if curve["below_threshold_at"] is not None
    ]
    if not lost:
        return "The dashed line is the threshold; nothing tried brings the pair below it."
    return f"The dashed line is the threshold; below it lead {', '.join(lost)}."
