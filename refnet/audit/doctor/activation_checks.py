"""What a pass through the network shows: numbers that are none, channels that say nothing, embeddings that are one."""

from itertools import combinations

import numpy as np

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.running import FLAT, Running
from refnet.faces.similarity import similarity

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
DEAD_SHARE = 0.9  # of a tensor's channels; healthy models have none, networks of ReLU a part
SATURATED_SHARE = 0.99
SAME = 0.99999  # cosine of different images' embeddings; two drawings, which are alike, reach 0.82 on a trained model
UNIT_TOLERANCE = 1e-4


def finite_activations(running: Running) -> list[Finding] | Skipped:
    """The first tensor with NaN, infinity, or what float32 cannot hold."""
    if running.traced is None:
        return FLAT
    shown = running.forward
    for it in shown.activations:
        if it.not_finite or it.largest > LARGEST_FLOAT32:
            found = (
                f"{it.not_finite} of {it.elements} not finite"
                if it.not_finite
                else f"up to {it.largest:.3g}, above float32's largest"
            )
            inputs = ", ".join(filter(None, it.node.inputs))
            evidence = Evidence(f"tensor {it.node.output!r} ({it.node.op} of {inputs})", found, "finite numbers")
            return [Finding("problem", f"NaN or infinity appears first in {it.node.output!r}", (evidence,))]
    if shown.failure:
        return [Finding("problem", f"the network cannot be computed: {shown.failure}")]
    return []


def live_activations(running: Running) -> list[Finding] | Skipped:
    """Tensors whose channels are constant, or stuck at a bound."""
    if running.traced is None:
        return FLAT
    dead, stuck = [], []
    for it in running.forward.activations:
        if it.channels and it.constant_channels >= DEAD_SHARE * it.channels:
            dead.append(
                Evidence(
                    f"tensor {it.node.output!r} ({it.node.op})",
                    f"{it.constant_channels} of {it.channels} channels have one value everywhere",
                    "few",
                )
            )
        if it.at_bounds >= SATURATED_SHARE:
            stuck.append(
                Evidence(
                    f"tensor {it.node.output!r} (Clip)", f"{it.at_bounds:.1%} of its elements are at a bound", "few"
                )
            )
    findings = []
    if dead:
        findings.append(Finding("problem", f"the signal dies in {len(dead)} tensors, the first is named", (dead[0],)))
    if stuck:
        findings.append(Finding("warning", f"{len(stuck)} tensors are saturated, the first is named", (stuck[0],)))
    return findings


def distinct_outputs(running: Running) -> list[Finding] | Skipped:
    """Different images with the same embedding."""
    if running.traced is None:
        return FLAT
    outputs = list(running.forward.outputs.values())
    one = len(outputs) == 1 and outputs[0].ndim == 2 and len(outputs[0]) == len(running.traced)
    if not one or not np.isfinite(outputs[0]).all():
        return Skipped("the network does not give one finite embedding an image")
    embeddings = outputs[0]
    differ = [
        (i, j)
        for i, j in combinations(range(len(embeddings)), 2)
        if not np.array_equal(running.traced[i], running.traced[j])
    ]
    if not differ:
        return Skipped("it takes two different images")
    if not embeddings.any(axis=1).all():
        return [
            Finding(
                "problem",
                "an embedding is all zeros",
                (Evidence(f"output {running.network.output!r}", "0, every number", "an embedding"),),
            )
        ]
    same = [(i, j, cosine) for i, j in differ if (cosine := similarity(embeddings[i], embeddings[j])) > SAME]
    if not same:
        return []
    i, j, cosine = same[0]
    evidence = Evidence(f"images {i} and {j}", f"similarity {cosine:.9g}", "below 1, for different images")
    return [
        Finding(
            "problem", f"{len(same)} of {len(differ)} pairs of different images have the same embedding", (evidence,)
        )
    ]


def lengths(running: Running) -> list[Finding] | Skipped:
    """Raw or unit embeddings."""
    if running.traced is None:
        return FLAT
    outputs = list(running.forward.outputs.values())
    if len(outputs) != 1 or outputs[0].ndim != 2 or not np.isfinite(outputs[0]).all():
        return Skipped("the network does not give one finite embedding an image")
    norms = np.linalg.norm(outputs[0], axis=1)
    evidence = (Evidence(f"output {running.network.output!r}", f"lengths {norms.min():.4g} to {norms.max():.4g}"),)
    if (abs(norms - 1) < UNIT_TOLERANCE).all():
        return [Finding("note", "embeddings come out of the graph with length 1", evidence, "Use any metric.")]
    return [Finding("note", "embeddings come out raw: cosine needs nothing, distances need them at length 1", evidence)]


CHECKS = (
    Check(
        "finite-activations", "running", "Does NaN or infinity appear?",
        "From that tensor on everything is NaN, and no face is like any other.",
        "Look at the constants of the node named; a negative variance or a lost weight is behind it.",
        finite_activations,
        (
            "https://github.com/onnx/models/issues/217",
            "https://github.com/yakhyo/face-recognition/issues/8",
        ),
    ),
    Check(
        "live-activations", "running", "Does the signal die or saturate?",
        "A tensor that does not depend on the image makes every embedding the same.",
        "Look at the weights of the node named and of those before it (the checks of weights).",
        live_activations,
        ("https://github.com/zhouyuchong/face-recognition-deepstream/issues/39",),
    ),
    Check(
        "distinct-outputs", "running", "Do different images have the same embedding?",
        "Everyone is alike: the graph ignores its input, or what is fed is the same every time.",
        "Look at input-range and live-activations.",
        distinct_outputs,
        (
            "https://github.com/zhouyuchong/face-recognition-deepstream/issues/39",
            "https://github.com/luckycallor/InsightFace-tensorflow/issues/48",
        ),
    ),
    Check(
        "raw-embedding", "running", "Are embeddings raw?",
        "The Euclidean distance of raw embeddings mixes the angle, which is the identity, with the length, which is not.",
        "Divide each embedding by its length before taking a distance; thresholds of the literature mean unit embeddings.",
        lengths,
        (
            "https://github.com/deepinsight/insightface/issues/1786",
            "https://github.com/deepinsight/insightface/issues/2256",
        ),
    ),
)  # fmt: skip
