"""What the picture of the network can be coloured by: for every measure a class for each layer, and a legend.

Magnitudes have six classes of one hue, evenly spaced by their logarithms; what is above the bound of the verdict has a
colour of its own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refnet.audit.report.page.text import MISSING, large, share, short, whole

LEVELS = 6
_ALLOWANCE = (0.05, 0.1, 0.2, 0.4, 0.7)  # between the classes of a share of the allowance
_KINDS = {
    "Conv": "conv", "BatchNormalization": "normal", "PRelu": "activation", "Relu": "activation",
    "LeakyRelu": "activation", "Sigmoid": "activation", "Clip": "activation", "Add": "sum", "Sum": "sum",
    "Gemm": "dense", "MatMul": "dense",
}  # fmt: skip
_KIND_NAMES = {
    "conv": "convolution", "normal": "batch normalisation", "activation": "activation", "sum": "sum",
    "dense": "fully connected", "other": "other",
}  # fmt: skip

_SHARE, _ABOVE = "Largest error of an element, as a share of what rounding allows", "above 1 it departs."

Record = Mapping[str, Any]


def measures(records: Sequence[Record], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every measure there are numbers for; the first is the one the page opens with."""
    other = document["agreement"]["other"]
    found = [
        _allowance("excess-fast", records, "fast", "refnet, fast engine", f"{_SHARE} everything up to the layer; {_ABOVE}"),
        _allowance("excess-other", records, "other", other["name"], f"{_SHARE} the layer alone; {_ABOVE}") if other else None,
        _magnitude(
            "error-fast", "error from float64: refnet, fast engine", records, _of("fast", "relative_l2"), short,
            "Relative error that has gathered since the input, against float64.",
        ),
        _magnitude(
            "error-other", f"error from float64: {other['name']}", records, _of("other", "relative_l2"), short,
            "Relative error that has gathered since the input, against float64.",
        )
        if other
        else None,
        _kinds(records),
        _magnitude("macs", "multiply-adds", records, lambda it: it["macs"] or None, large, "Multiply-adds for each image."),
        _magnitude(
            "stored", "parameters", records, lambda it: it["stored"] or None, whole, "Numbers stored in the model file."
        ),
        _magnitude(
            "deviation", "size of activations", records, _of("activation_figures", "deviation"), short,
            "Standard deviation of the layer's output over the images.",
        ),
        _shares(records),
        _dead(records),
    ]  # fmt: skip
    return [measure for measure in found if measure is not None]


def _of(part: str, figure: str) -> Callable[[Record], float | None]:
    """A figure of a part of a record that may be absent."""
    return lambda record: None if record[part] is None else record[part][figure]


def _allowance(key: str, records: Sequence[Record], side: str, name: str, sentence: str) -> dict[str, Any] | None:
    """Largest error as a share of what rounding allows; above 1 the layer departs."""
    values = [_of(side, "excess")(record) for record in records]
    departs = [record[side] is not None and record[side]["verdict"] == "departs" for record in records]
    if all(value is None for value in values):
        return None
    classes = [
        "over" if far else "" if value is None else f"level-{sum(value >= edge for edge in _ALLOWANCE)}"
        for value, far in zip(values, departs, strict=True)
    ]
    edges = ["0", *(f"{edge:g}" for edge in _ALLOWANCE), "1"]
    legend = [[f"level-{n}", f"{edges[n]} to {edges[n + 1]}"] for n in range(LEVELS)]
    said = [
        MISSING if value is None else f"{short(value, 2)} of the allowance" + (", departs" if far else "")
        for value, far in zip(values, departs, strict=True)
    ]
    return {
        "key": key,
        "label": f"agreement: {name}",
        "sentence": sentence,
        "classes": classes,
        "said": said,
        "legend": [*legend, ["over", "departs"], ["", "not shown by this side, or of constants"]],
    }


def _magnitude(
    key: str,
    label: str,
    records: Sequence[Record],
    value_of: Callable[[Record], float | None],
    said: Callable[[float | None], str],
    sentence: str,
) -> dict[str, Any] | None:
    """Classes by the logarithm, between the least and the largest that occur."""
    values = [value_of(record) for record in records]
    present = [value for value in values if value is not None and value > 0]
    if not present:
        return None
    low, high = math.log10(min(present)), math.log10(max(present))
    step = (high - low) / LEVELS or 1.0

    def level(value: float | None) -> str:
        if value is None:
            return ""
        return f"level-{min(LEVELS - 1, max(0, int((math.log10(value) - low) / step)))}" if value > 0 else "level-0"

    legend = [[f"level-{n}", f"from {said(10 ** (low + n * step))}"] for n in range(LEVELS)]
    return {
        "key": key,
        "label": label,
        "sentence": sentence,
        "classes": [level(value) for value in values],
        "said": [said(value) for value in values],
        "legend": [*legend, ["", "none"]],
    }


def _kinds(records: Sequence[Record]) -> dict[str, Any]:
    """The kind of operator."""
    kinds = [_KINDS.get(record["op"], "other") for record in records]
    return {
        "key": "kind",
        "label": "kind of operator",
        "sentence": "What the layer does.",
        "classes": [f"op-{kind}" for kind in kinds],
        "said": [record["op"] for record in records],
        "legend": [[f"op-{kind}", name] for kind, name in _KIND_NAMES.items() if kind in kinds],
    }


def _shares(records: Sequence[Record]) -> dict[str, Any] | None:
    """Share of zeros among the activations."""
    values = [_of("activation_figures", "zeros")(record) for record in records]
    if all(value is None for value in values):
        return None
    return {
        "key": "zeros",
        "label": "zeros among activations",
        "sentence": "Share of the layer's output that is exactly zero.",
        "classes": ["" if value is None else f"level-{min(LEVELS - 1, int(value * LEVELS))}" for value in values],
        "said": [share(value) for value in values],
        "legend": [[f"level-{n}", f"from {share(n / LEVELS) if n else '0 %'}"] for n in range(LEVELS)],
    }


def _dead(records: Sequence[Record]) -> dict[str, Any] | None:
    """Channels that say nothing of the image."""
    counts = [
        None if record["activation_figures"] is None else len(record["activation_figures"]["dead_channels"])
        for record in records
    ]
    if all(count is None for count in counts):
        return None
    return {
        "key": "dead",
        "label": "dead channels",
        "sentence": "Channels with the same value at every position of every image.",
        "classes": ["" if count is None else "over" if count else "level-0" for count in counts],
        "said": [MISSING if count is None else f"{count} dead channels" for count in counts],
        "legend": [["level-0", "none"], ["over", "some"]],
    }
