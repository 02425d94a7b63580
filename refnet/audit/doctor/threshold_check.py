"""A threshold in the wrong unit: numbers that others publish in one convention, and are used in another."""

from dataclasses import dataclass

from refnet.audit.doctor.finding import Check, Evidence, Finding
from refnet.faces.thresholds import CONVENTIONS, METRICS, Metric, convert

# Value, convention, who publishes it.
PUBLISHED: tuple[tuple[float, Metric, str], ...] = (
    (0.3, "half_cosine_distance", "Open Model Zoo's demo, -t_id"),
    (0.4, "cosine", "insightface's GUI"),
    (0.363, "cosine", "OpenCV's SFace"),
    (1.128, "l2", "OpenCV's SFace"),
    (0.68, "cosine_distance", "deepface, ArcFace by cosine"),
    (1.13, "l2", "deepface, ArcFace by euclidean_l2"),
    (0.39, "angular", "deepface, ArcFace by angular"),
    (1.24, "squared_l2", "insightface's older examples"),
)
STRICTEST, LOOSEST = 0.7, 0.15  # cosines between which every published threshold of ArcFace lies, with room


@dataclass(frozen=True)
class Said:
    """A threshold as somebody means it."""

    value: float
    metric: Metric


def threshold_unit(said: Said) -> list[Finding]:
    """Out of its convention's range; known in another; or a cosine nobody would use."""
    convention = CONVENTIONS[said.metric]
    elsewhere = [(metric, who) for value, metric, who in PUBLISHED if value == said.value and metric != said.metric]
    here = any(value == said.value and metric == said.metric for value, metric, _ in PUBLISHED)
    published = tuple(
        Evidence(who, f"{said.value:g} as {metric} is the cosine {convert(said.value, metric, 'cosine'):.4g}")
        for metric, who in elsewhere
    )
    if not convention.low <= said.value <= convention.high:
        seen = Evidence(
            f"{said.metric} {said.value:g}", "outside its range", f"{convention.low:g} to {convention.high:g}"
        )
        return [
            Finding("problem", f"{said.value:g} cannot be a {said.metric}", (seen, *(published or _plausible(said))))
        ]
    cosine = convert(said.value, said.metric, "cosine")
    seen = Evidence(
        f"{said.metric} {said.value:g}",
        f"the cosine {cosine:.4g}",
        f"{LOOSEST:g} to {STRICTEST:g}, as published thresholds are",
    )
    if elsewhere and not here:
        return [
            Finding(
                "warning",
                f"{said.value:g} is known as a {elsewhere[0][0]}, and is said to be a {said.metric}",
                (seen, *published),
            )
        ]
    if not LOOSEST <= cosine <= STRICTEST:
        effect = "hardly anyone matches" if cosine > STRICTEST else "strangers match"
        return [Finding("warning", f"at this threshold {effect}", (seen, *_plausible(said)))]
    return []


def _plausible(said: Said) -> tuple[Evidence, ...]:
    """The conventions in which the value would be a threshold like those that are published."""
    found = []
    for metric in METRICS:
        convention = CONVENTIONS[metric]
        if metric != said.metric and convention.low <= said.value <= convention.high:
            cosine = convert(said.value, metric, "cosine")
            if LOOSEST <= cosine <= STRICTEST:
                found.append(Evidence(f"as {metric}", f"the cosine {cosine:.4g}"))
    return tuple(found)


CHECKS = (
    Check(
        "threshold-unit", "threshold", "Is the threshold one of another unit?",
        "Cosine, cosine distance, half of it, L2 and its square all come without a unit: 0.3 and 1.24 are the same kind of number in different ones.",
        "Convert it with `refnet threshold`, and calibrate it on your own pairs.",
        threshold_unit,
        (
            "https://github.com/deepinsight/insightface/issues/1106",
            "https://github.com/deepinsight/insightface/issues/1897",
            "https://github.com/HyperInspire/InspireFace/issues/148",
        ),
    ),
)  # fmt: skip
