"""Where five landmarks lie in a crop, beside where the network learned to expect them.

ArcFace crops put eyes, nose and corners of the mouth on one template (`refnet.faces.align`). Others are in use, and give
crops that look right: Open Model Zoo's demo stretches the 96 x 112 template to the crop's width without its shift of 8
pixels (openvinotoolkit/open_model_zoo demos/face_recognition_demo/python/face_identifier.py); some leave out the shift
alone; insightface's own crops of 128 pixels have a wider margin.

Landmarks of the detector that aligned the crops lie on the template, but for pose and expression. Those of another one
have habits of their own: YuNet, asked about 300 aligned faces of LFW, is 4.0 pixels off (median of the root mean
squares; 5.8 in 90 of 100 faces, 10.2 in 99), mostly at the mouth. That is enough to tell the right template from the one
without shift (9.1) and from that of 128 pixels (11.0), and not from the stretched one (3.7): this one shows only in the
landmarks that the crops were made by.
"""

import math

import numpy as np

from refnet.audit.doctor.finding import Check, Evidence, Finding, Severity, Skipped
from refnet.audit.doctor.running import Running
from refnet.faces.align import apply, scale_of, similarity_transform, template
from refnet.faces.detect import Detector
from refnet.graph import Array

SIDE = 112
ARCFACE = template(SIDE)
_UNSHIFTED = ARCFACE - np.array([8.0, 0.0])
OTHERS = {
    "Open Model Zoo's demo (the 96 x 112 template, stretched)": _UNSHIFTED * np.array([SIDE / 96, 1]),
    "the 96 x 112 template without its shift of 8 pixels": _UNSHIFTED,
    "insightface's 128-pixel crop, shrunk": template(128) * (SIDE / 128),
}
_MIRRORED = [1, 0, 2, 4, 3]

ALIGNED = 7.0  # pixels at 112, of the median crop: what another detector's habits and a turned head may make
FAR_OFF = 12.0
NEARER = 0.5  # another template is meant if it is at most this share as far away ...
NEAREST = 1.2  # ... and the right one is further than the noise of the landmarks that the crops were made by


def misalignment(landmarks: Array, side: int = SIDE) -> list[Finding]:
    """Judge the landmarks of crops, by the median over the crops.

    Parameters
    ----------
    landmarks : (N, 5, 2)
        In pixels of the crop, in the order of `refnet.faces.align.LANDMARKS`; NaN where no face was found.
    side : width of the crops
    """
    found = np.asarray(landmarks, dtype=np.float64) * (SIDE / side)
    points = found[np.isfinite(found).all(axis=(1, 2))]
    findings = []
    if len(points) < len(found):
        missing = f"{len(found) - len(points)} of {len(found)} crops"
        evidence = Evidence("the detector", f"no face in {missing}", "a face in every crop")
        findings.append(Finding("warning", f"no face is found in {missing}", (evidence,)))
    return [*findings, *_judged(points)] if len(points) else findings


def _judged(points: Array) -> list[Finding]:
    """The template that the landmarks lie on, if it is another, or what the crops lack."""
    distance = median_distance(points, ARCFACE)
    seen = Evidence(
        f"landmarks of {len(points)} crops",
        f"{distance:.2f} px from ArcFace's template (median)",
        f"up to {ALIGNED:g} px",
    )
    mirrored = median_distance(points[:, _MIRRORED], ARCFACE)
    if mirrored < NEARER * distance and distance > ALIGNED:
        order = Evidence("the same, left and right exchanged", f"{mirrored:.2f} px")
        sentence = "left and right are exchanged in the landmarks: an alignment by them turns faces over"
        return [Finding("problem", sentence, (seen, order))]
    distances = {name: median_distance(points, other) for name, other in OTHERS.items()}
    name = min(distances, key=lambda other: distances[other])
    if distance > NEAREST and distances[name] <= NEARER * distance:
        other = Evidence(name, f"{distances[name]:.2f} px")
        return [Finding("warning", f"crops are aligned to another template: {name}", (seen, other))]
    if distance <= ALIGNED:
        return []
    severity: Severity = "problem" if distance > FAR_OFF else "warning"
    return [Finding(severity, "crops are not aligned", (seen, _needed(points, distance)))]


def _needed(points: Array, distance: float) -> Evidence:
    """What the crop in the middle would need: the similarity transform to the template, and what it leaves."""
    typical = min(points, key=lambda face: abs(_distance(face, ARCFACE) - distance))
    matrix = similarity_transform(typical, ARCFACE)
    degrees = round(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])), 1) + 0.0
    shift = ARCFACE.mean(axis=0) - typical.mean(axis=0)
    return Evidence(
        "a typical crop would need",
        f"turn by {degrees:.1f} degrees, scale by {scale_of(matrix):.3f}, shift by ({shift[0]:.1f}, {shift[1]:.1f}) px; "
        f"{_distance(apply(matrix, typical), ARCFACE):.2f} px remain",
    )


def median_distance(points: Array, target: Array) -> float:
    """The median, over faces (N, 5, 2), of the root mean square distance from a template (5, 2)."""
    return float(np.median([_distance(face, target) for face in points]))


def _distance(face: Array, target: Array) -> float:
    return float(np.sqrt(np.square(face - target).sum(axis=1).mean()))


def found_landmarks(crops: Array, detector: Detector) -> Array:
    """(N, 5, 2) landmarks of the surest face of each crop (N, 3, H, W) uint8, RGB; NaN where there is none."""
    points = np.full((len(crops), 5, 2), np.nan)
    for i, crop in enumerate(crops):
        faces = detector(np.ascontiguousarray(crop.transpose(1, 2, 0)))
        if faces:
            points[i] = faces[0].landmarks
    return points


def alignment(running: Running) -> list[Finding] | Skipped:
    """Judge the landmarks that were given with the images, or found in them."""
    if running.landmarks is None:
        return Skipped("no landmarks were given (--landmarks), and none looked for (--detector)")
    width = running.network.contract.shape[2]
    return misalignment(running.landmarks, width or SIDE)


CHECKS = (
    Check(
        "alignment",
        "running",
        "Are faces aligned otherwise than in training?",
        "A crop by bounding box, a template of another model, or landmarks in another order cost more accuracy than any "
        "other mistake of preparation.",
        "Align photographs by `refnet align`, or warp by the similarity transform from the five landmarks to ArcFace's "
        "template (and not the other way round).",
        alignment,
        (
            "https://github.com/onnx/models/issues/466",
            "https://github.com/deepinsight/insightface/issues/1002",
            "https://github.com/deepinsight/insightface/issues/2191",
        ),
    ),
)
