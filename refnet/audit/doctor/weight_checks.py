"""What weights should not be: dead, torn out of line, copied, untrained.

Limits were set beside what healthy models have: two trained MobileFaceNets (one from MXNet, one from PyTorch), the
YuNet detector, and the synthetic LResNet100E-IR at full and at a sixteenth of its width.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from refnet.audit.doctor.finding import Check, Evidence, Finding, Severity, Skipped
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.weight_figures import WeightFigures

UNREADABLE = Skipped("refnet cannot read the model")
LISTED = 5  # places named in a finding

# Healthy weights reach 50 robust deviations (heavy tails of depthwise filters), but never alone: the furthest number of
# a tensor is at most 2.6 times as far from the middle as the next (3.8 among variances, which are not looked at).
OUTLIER_DEVIATIONS = 12.0
OUTLIER_ISOLATION = 8.0
ABSURD_DEVIATIONS = 1e4
GAMMA_ZERO = 1e-6  # the smallest of a healthy model is 1e-4
SUBNORMAL_SHARE = 0.01


def dead_channels(patient: Patient) -> list[Finding] | Skipped:
    """Filters of nothing but zeros, and normalisations that multiply by zero."""
    if patient.graph is None:
        return UNREADABLE
    found: list[tuple[WeightFigures, int, int]] = [(it, len(it.dead), it.shape[0]) for it in patient.figures if it.dead]
    for it in patient.figures:
        if it.role == "gamma" and (it.low <= GAMMA_ZERO and it.high >= -GAMMA_ZERO):
            gamma = patient.graph.constants[it.name]
            count = int((abs(gamma) <= GAMMA_ZERO).sum())
            if count:
                found.append((it, count, it.count))
    if not found:
        return []
    worst = max(count / total for _, count, total in found)
    channels = sum(count for _, count, _ in found)
    evidence = (
        Evidence(f"{it.role} {it.name!r}", f"{count} of {total} channels are zero", "none")
        for it, count, total in found
    )
    severity: Severity = "problem" if worst >= 0.5 else "warning"
    return [Finding(severity, f"{channels} channels are dead, in {len(found)} tensors", _first(evidence))]


def outliers(patient: Patient) -> list[Finding] | Skipped:
    """A single number far from all others of its tensor: what a flipped bit makes."""
    if patient.graph is None:
        return UNREADABLE
    found = [
        (it, out)
        for it in patient.figures
        if it.role != "variance" and (out := it.outlier) is not None
        if out.deviations >= OUTLIER_DEVIATIONS and out.isolation >= OUTLIER_ISOLATION
    ]
    if not found:
        return []
    evidence = (
        Evidence(
            f"{it.role} {it.name!r} at {out.index}",
            f"{out.value:.6g}: {out.deviations:.3g} robust deviations from the median, {out.isolation:.3g} times as far as the next",
            f"under {OUTLIER_ISOLATION:g} times as far",
        )
        for it, out in sorted(found, key=lambda pair: -pair[1].deviations)
    )
    severity: Severity = "problem" if any(out.deviations >= ABSURD_DEVIATIONS for _, out in found) else "warning"
    return [Finding(severity, f"{len(found)} tensors hold a number far from all their others", _first(evidence))]


def subnormal(patient: Patient) -> list[Finding] | Skipped:
    """Numbers below float32's normal range."""
    if patient.graph is None:
        return UNREADABLE
    found = [it for it in patient.figures if it.subnormal]
    if not found:
        return []
    worst = max(it.subnormal / it.count for it in found)
    evidence = (Evidence(f"{it.role} {it.name!r}", f"{it.subnormal} of {it.count}", "none") for it in found)
    severity: Severity = "warning" if worst >= SUBNORMAL_SHARE else "note"
    total = sum(it.subnormal for it in found)
    return [Finding(severity, f"{total} weights are subnormal, below 1.2e-38", _first(evidence))]


def copies(patient: Patient) -> list[Finding] | Skipped:
    """Equal tensors under different names, and equal filters in one tensor."""
    if patient.graph is None:
        return UNREADABLE
    groups: defaultdict[tuple[object, ...], list[WeightFigures]] = defaultdict(list)
    for it in patient.figures:
        if it.digest:
            groups[it.shape, it.digest].append(it)
    findings = []
    equal = [group for group in groups.values() if len(group) > 1]
    if equal:
        evidence = (
            Evidence(
                " = ".join(repr(it.name) for it in group), f"the same {group[0].count} numbers", "numbers of their own"
            )
            for group in equal
        )
        findings.append(
            Finding("warning", f"{len(equal)} tensors are there under more than one name", _first(evidence))
        )
    twins = [it for it in patient.figures if it.twins]
    if twins:
        evidence = (
            Evidence(
                f"weight {it.name!r}",
                f"filters {it.twins[0][0]} and {it.twins[0][1]} are equal, one of {len(it.twins)} pairs",
                "filters of their own",
            )
            for it in twins
        )
        findings.append(Finding("warning", f"{len(twins)} layers hold the same filter twice", _first(evidence)))
    return findings


def untrained_statistics(patient: Patient) -> list[Finding] | Skipped:
    """Running statistics as they are before training."""
    if patient.graph is None:
        return UNREADABLE
    by_name = {it.name: it for it in patient.figures}
    nodes = [node for node in patient.graph.nodes if node.op == "BatchNormalization" and node.inputs[3] in by_name]
    if not nodes:
        return Skipped("it has no BatchNormalization")
    fresh = [
        node
        for node in nodes
        if (it := by_name[node.inputs[3]]).low == it.high == 0
        and (var := by_name.get(node.inputs[4]))
        and var.low == var.high == 1
    ]
    if not fresh:
        return []
    evidence = (
        Evidence(f"node {node.name!r}", "mean 0, variance 1, every channel", "what training measured") for node in fresh
    )
    severity: Severity = "problem" if 2 * len(fresh) > len(nodes) else "warning"
    sentence = f"{len(fresh)} of {len(nodes)} BatchNormalizations have the statistics they had before training"
    return [Finding(severity, sentence, _first(evidence))]


def fix_gamma(patient: Patient) -> list[Finding] | Skipped:
    """The gamma of the final normalisation, which MXNet takes for 1 whatever is stored.

    MXNet, src/operator/nn/batch_norm.cc: with fix_gamma the weight is 1. Its exporter writes the stored array;
    the final BatchNormalization of LResNet-E-IR has fix_gamma set, and arcface_torch fixes its weight at 1.
    """
    if patient.graph is None:
        return UNREADABLE
    graph = patient.graph
    makers = {node.output: node for node in graph.nodes}
    last = makers.get(graph.outputs[0].name)
    while last is not None and last.op == "Identity":
        last = makers.get(last.inputs[0])
    if last is None or last.op != "BatchNormalization":
        return Skipped("the embedding does not come out of a BatchNormalization")
    it = next((it for it in patient.figures if last is not None and it.name == last.inputs[1]), None)
    if it is None:
        return Skipped(f"gamma of {last.name!r} is no constant")
    if math.isclose(it.low, 1, abs_tol=1e-3) and math.isclose(it.high, 1, abs_tol=1e-3):
        return []
    mxnet = (
        graph.name.startswith("mxnet")
        or "mx" in graph.source.producer.lower()
        or last.inputs[3].endswith("_moving_mean")
    )
    evidence = Evidence(f"gamma {it.name!r}", f"{it.low:.6g} to {it.high:.6g}", "1, every channel")
    where = "as MXNet computes it" if mxnet else "as ArcFace is trained"
    return [
        Finding(
            "problem" if mxnet else "warning", f"the final BatchNormalization's gamma is not 1, {where}", (evidence,)
        )
    ]


def _first(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The first pieces of evidence; the sentence holds the count."""
    return tuple(evidence)[:LISTED]


CHECKS = (
    Check(
        "dead-channels", "weights", "Are channels dead?",
        "A filter of zeros, or a gamma of zero, carries nothing on; a whole layer of them makes every embedding the same.",
        "A few are what pruning leaves. If a layer is mostly zero, the conversion lost it: convert again.",
        dead_channels,
        ("https://github.com/yakhyo/face-recognition/issues/8",),
    ),
    Check(
        "outlier-weights", "weights", "Is a number far from all others of its tensor?",
        "A single number far from the rest is what a flipped bit or a damaged block looks like.",
        "Compare the file's digest with its publisher's, or the models with `refnet diff`.",
        outliers,
    ),
    Check(
        "subnormal-weights", "weights", "Are weights subnormal?",
        "Numbers this small change no embedding, but slow processors down that compute them exactly.",
        "Set them to zero before export, as insightface's converter does below 1e-8.",
        subnormal,
    ),
    Check(
        "copied-weights", "weights", "Is a tensor there twice?",
        "Trained tensors are never equal: a conversion has written one over the other.",
        "Compare with the original by `refnet diff`; convert again.",
        copies,
    ),
    Check(
        "untrained-statistics", "weights", "Are running statistics those from before training?",
        "Mean 0 and variance 1 everywhere: the statistics were not exported, or never updated.",
        "Export again from a checkpoint that holds the running statistics, in evaluation mode.",
        untrained_statistics,
    ),
    Check(
        "fix-gamma", "weights", "Is the final BatchNormalization's gamma something other than 1?",
        "MXNet's fix_gamma takes gamma for 1 whatever is stored; a conversion that keeps the stored numbers gives other embeddings.",
        "Set the final gamma to 1 before conversion, and prove it with one embedding of the original.",
        fix_gamma,
        (
            "https://github.com/deepinsight/insightface/issues/1417",
            "https://github.com/deepinsight/insightface/issues/310",
            "https://github.com/Tencent/ncnn/issues/714",
        ),
    ),
)  # fmt: skip
