"""How far every layer is from float64: what has gathered on the way there, and what the layer adds itself."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from refnet.audit.report.page.chart import BAD, FAINT, MUTED, OURS, THEIRS, as_svg, drawing, logarithmic
from refnet.audit.report.page.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 1e-15  # what is below it is drawn on the lower edge, as is a tensor that is the same to the last bit
_SIDES = (("other", THEIRS, "D"), ("fast", OURS, "o"))


def agreement_chart(document: Mapping[str, Any]) -> str:
    """Two axes over the layers: error gathered, and error added with the allowance; every mark leads to its layer.

    Returns
    -------
    The SVG, or the empty string where nothing was compared.
    """
    tensors: Sequence[Mapping[str, Any]] = document["tensors"]
    compared = [row for row in tensors if row["kind"] == "data"]
    if not any(row[side] and row[side]["relative_l2"] is not None for row in compared for side, _, _ in _SIDES):
        return ""
    titles = {f"#layer-{row['layer']}": visible(row["name"]) for row in compared}
    local = any(row["other"] and row["other"]["local_relative_l2"] is not None for row in compared)
    with drawing("agreement", 940, 440 if local else 250) as figure:
        whole, *own = figure.subplots(2 if local else 1, 1, sharex=True, squeeze=False)[:, 0]
        _axes(whole, document, "Gathered since the input")
        for side, colour, mark in _SIDES:
            label = "refnet's fast engine" if side == "fast" else _other(document)
            _marks(whole, compared, side, "relative_l2", colour, mark, label)
        _allowed(whole, compared, "fast", "what rounding allows so far", "-")
        for axes in own:
            _axes(axes, document, "Added by the layer itself")
            _marks(axes, compared, "other", "local_relative_l2", THEIRS, "D", _other(document))
            _allowed(axes, compared, "other", "what rounding allows the layer", "_")
        for axes in (whole, *own):
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0.2, handletextpad=0.4)
        (whole, *own)[-1].set_xlabel("layer")
        return as_svg(
            figure, "agreement", "Relative error of every layer beside float64, on a logarithmic axis", titles
        )


def _axes(axes: "Axes", document: Mapping[str, Any], title: str) -> None:
    """Axes over the layers."""
    logarithmic(axes, "y")
    axes.set_title(title)
    axes.set_ylabel("relative error")
    axes.set_xlim(-1, len(document["layers"]))
    axes.xaxis.grid(visible=False)
    _stages(axes, document["layers"])


def _allowed(axes: "Axes", rows: Sequence[Mapping[str, Any]], side: str, label: str, style: str) -> None:
    """The bound of the verdict; left out where an operator that only moves numbers may not err at all."""
    found = [(row["layer"], row[side]["floor"]) for row in rows if row[side] and row[side]["floor"] > LEAST]
    if found:
        axes.plot(*zip(*found, strict=True), style, color=BAD, linewidth=1, markersize=3.5, label=label)


def _other(document: Mapping[str, Any]) -> str:
    """The name of the other runtime."""
    other = document["agreement"]["other"]
    return visible(other["name"]) if other else ""


def _marks(
    axes: "Axes", rows: Sequence[Mapping[str, Any]], side: str, figure: str, colour: str, mark: str, label: str | None
) -> None:
    """One side's errors; each mark a link."""
    found = [(row["layer"], row[side][figure]) for row in rows if row[side] and row[side][figure] is not None]
    if not found:
        return
    numbers, errors = zip(*found, strict=True)
    least = min((error for error in errors if error > LEAST), default=1e-9)
    edge = 10.0 ** (math.floor(math.log10(least)) - 0.5)
    drawn = [max(error, edge) for error in errors]
    marks = axes.scatter(numbers, drawn, s=9, c=colour, marker=mark, linewidths=0, alpha=0.85, label=label)
    marks.set_urls([f"#layer-{number}" for number in numbers])


def _stages(axes: "Axes", layers: Sequence[Mapping[str, Any]]) -> None:
    """Every other stage shaded, and named on the lower edge."""
    start = 0
    for place, (group, run) in enumerate(groupby(layers, key=lambda layer: layer["group"])):
        end = start + len(list(run))
        if group is None:
            return
        if place % 2 == 0:
            axes.axvspan(start - 0.5, end - 0.5, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
        if end - start > 12:
            middle = (start + end - 1) / 2
            axes.text(
                middle, 0.02, stage(group), color=MUTED, ha="center", fontsize=10, transform=axes.get_xaxis_transform()
            )
        start = end


def stage(group: str | None) -> str:
    """A group as people write it.

    Examples
    --------
    >>> stage("stage3"), stage("stem"), stage(None)
    ('Stage 3', 'Stem', '')
    """
    if not group:
        return ""
    return f"Stage {group[5:]}" if group.startswith("stage") else group.capitalize()
