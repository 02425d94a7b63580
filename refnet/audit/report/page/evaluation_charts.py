"""Error rates and similarities of pairs: ROC, DET, histograms, and what lies between the ends of an interval."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from refnet.audit.report.page.chart import BAD, INK, LINE, OURS, THEIRS, as_svg, drawing, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE = 380
_RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)


def roc_chart(evaluation: Mapping[str, Any]) -> str:
    """The share of genuine pairs accepted over the share of impostor pairs accepted, the latter logarithmic."""
    points = [point for point in evaluation["curve"] if point["fmr"] > 0]
    with drawing("roc", _SIDE, _SIDE * 0.9) as figure:
        axes = figure.subplots()
        logarithmic(axes, "x")
        far = [point["fmr"] for point in points]
        low, high = zip(*(point["fnmr_interval"] for point in points), strict=True)
        axes.fill_between(
            far,
            [1 - value for value in high],
            [1 - value for value in low],
            color=OURS,
            alpha=0.18,
            linewidth=0,
            step="post",
        )
        axes.step(far, [1 - point["fnmr"] for point in points], where="post", color=OURS)
        for point in evaluation["summary"]["points"]:
            if point["far"] > 0:
                axes.plot(point["far"], point["tar"], "o", color=OURS, markersize=5)
        axes.set_xlim(min(far) * 0.8, 1)
        least = min(1 - value for value in high)
        axes.set_ylim(max(0.0, least - 0.05 * (1 - least)), 1 + 0.03 * (1 - least))
        axes.set_xlabel("false match rate")
        axes.set_ylabel("genuine pairs accepted")
        axes.set_title("ROC")
        return as_svg(figure, "roc", "ROC: genuine pairs accepted over false match rate, with a 95 % band")


def det_chart(evaluation: Mapping[str, Any]) -> str:
    """The two error rates against one another on normal-deviate axes, on which bell curves make straight lines."""
    points = [point for point in evaluation["curve"] if 0 < point["fmr"] < 1 and 0 < point["fnmr"] < 1]
    if not points:
        return ""
    with drawing("det", _SIDE, _SIDE * 0.9) as figure:
        axes = figure.subplots()
        x = [deviate(point["fmr"]) for point in points]
        axes.plot(x, [deviate(point["fnmr"]) for point in points], color=OURS)
        low, high = zip(*(point["fnmr_interval"] for point in points), strict=True)
        axes.fill_between(x, [deviate(v) for v in low], [deviate(v) for v in high], color=OURS, alpha=0.18, linewidth=0)
        ends = [deviate(1e-4), deviate(0.97)]
        axes.plot(ends, ends, color=LINE, linewidth=1, linestyle=(0, (4, 3)))
        ticks = [deviate(rate) for rate in (0.0001, *_RATES)]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [f"{100 * rate:g} %" for rate in (0.0001, *_RATES)])
        axes.set_xlim(*_around(x))
        axes.set_ylim(*_around([deviate(value) for value in (*low, *high)]))
        axes.set_xlabel("false match rate")
        axes.set_ylabel("false non-match rate")
        axes.set_title("DET")
        return as_svg(
            figure, "det", "DET: false non-match rate over false match rate, on normal-deviate axes, with a 95 % band"
        )


def deviate(rate: float) -> float:
    """The normal distribution's deviate of a rate, which is kept within a ten thousandth of 0 and 1.

    Examples
    --------
    >>> deviate(0.5), round(deviate(0.975), 2)
    (0.0, 1.96)
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(min(max(rate, 1e-4), 1 - 1e-4))


def _around(values: Sequence[float]) -> tuple[float, float]:
    """The range of values with a little room, and never less than one deviate wide."""
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), (1 - (high - low)) / 2, 0.05)
    return low - room, high + room


def similarity_chart(evaluation: Mapping[str, Any]) -> str:
    """How alike genuine and impostor pairs are: two histograms on one axis, each as shares of its kind."""
    found = evaluation["similarities"]
    edges: Sequence[float] = found["edges"]
    with drawing("similarities", _SIDE, _SIDE * 0.9) as figure:
        axes = figure.subplots()
        threshold = next((point["threshold"] for point in reversed(evaluation["summary"]["points"])), None)
        ends = [] if threshold is None else [threshold]
        for kind, colour in (("impostor", THEIRS), ("genuine", OURS)):
            counts = found[kind]
            shares = [count / (sum(counts) or 1) for count in counts]
            axes.stairs(shares, edges, color=colour, fill=True, alpha=0.22, linewidth=0)
            axes.stairs(shares, edges, color=colour, linewidth=1.4, label=f"{kind} pairs")
            ends += [edges[place + side] for place, count in enumerate(counts) if count for side in (0, 1)]
        axes.set_xlim(min(ends) - 0.05, max(ends) + 0.05)
        if threshold is not None:
            _threshold(axes, threshold, f"FMR {evaluation['summary']['points'][-1]['far']:.2g}")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("similarity")
        axes.set_ylabel("share of pairs")
        axes.set_title("Similarities")
        axes.legend(loc="best")
        return as_svg(figure, "similarities", "Histograms of the similarity of genuine and of impostor pairs")


def _threshold(axes: "Axes", value: float, words: str) -> None:
    """An upright line with its name."""
    axes.axvline(value, color=BAD, linewidth=1, linestyle=(0, (4, 3)))
    named = axes.text(value, 1.0, f" {words}", color=INK, fontsize=10, va="top", transform=axes.get_xaxis_transform())
    named.set_in_layout(False)
