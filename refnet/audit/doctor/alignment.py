"""Where five landmarks lie in a crop, beside where the network learned to expect them.

ArcFace crops put eyes, nose and corners of the mouth on one template (deepinsight/insightface
python-package/insightface/utils/face_align.py). Others are in use, and give crops that look right: Open Model Zoo's demo
stretches the 96 x 112 template to the crop's width without its shift of 8 pixels
(demos/face_recognition_demo/python/face_identifier.py); some leave out the shift alone; insightface's own crops of 128
pixels have a wider margin.

Does not find landmarks: it takes them as numbers, in the pixels of the crop.
"""

from dataclasses import dataclass

import numpy as np

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.running import Running
from refnet.graph import Array

SIDE = 112
# Left eye, right eye, nose, left and right corner of the mouth; left is the image's left; (x, y).
ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
_UNSHIFTED = ARCFACE - np.array([8, 0])
OTHERS = {
    "Open Model Zoo's demo (the 96 x 112 template, stretched)": _UNSHIFTED * [SIDE / 96, 1],
    "the 96 x 112 template without its shift of 8 pixels": _UNSHIFTED,
    "insightface's 128-pixel crop, shrunk": (ARCFACE + np.array([8, 0])) * (SIDE / 128),
}
_MIRRORED = [1, 0, 2, 4, 3]

ALIGNED = 3.0  # pixels at 112: room for the pose and for a detector's error
FAR_OFF = 8.0  # a tenth of a face
NEARER = 0.5  # another template is meant if it is at most this share as far away ...
NEAREST = 1.2  # ... and the right one is further than detectors' noise


@dataclass(frozen=True)
class Fit:
    """How far landmarks are from a template, root mean square in pixels of a 112-pixel crop.

    Attributes
    ----------
    residual : as they are.
    after : after the best rotation, scale and shift; what remains is pose, expression and the detector's error.
    degrees, scale, shift : of that transform: what the crop would need.
    """

    residual: float
    after: float
    degrees: float
    scale: float
    shift: tuple[float, float]


def fit(landmarks: Array, template: Array = ARCFACE) -> Fit:
    """Fit one face's landmarks (5, 2) to a template; both in pixels of a 112-pixel crop.

    The best similarity a z + b of points z = x + iy is ordinary least squares in complex numbers.

    Examples
    --------
    >>> turned = fit((ARCFACE - 56) @ np.array([[0, 1], [-1, 0]]) + 56)
    >>> round(turned.degrees), round(turned.scale, 6), round(turned.after, 6)
    (-90, 1.0, 0.0)
    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (landmarks, template))
    centred, target = z - z.mean(), w - w.mean()
    power = float(np.vdot(centred, centred).real)
    a = complex(np.vdot(centred, target)) / power if power else 1 + 0j
    rest = target - a * centred
    shift = complex(w.mean() - z.mean())
    return Fit(
        residual=_rms(z - w),
        after=_rms(rest),
        degrees=float(np.degrees(np.angle(a))),
        scale=abs(a),
        shift=(shift.real, shift.imag),
    )


def misalignment(landmarks: Array, side: int = SIDE) -> list[Finding]:
    """Judge the landmarks (N, 5, 2) of crops of `side` pixels, by the median over the crops."""
    points = np.asarray(landmarks, dtype=np.float64) * (SIDE / side)
    fits = [fit(face) for face in points]
    residual = float(np.median([it.residual for it in fits]))
    typical = min(fits, key=lambda it: abs(it.residual - residual))
    seen = Evidence(
        f"landmarks of {len(fits)} crops",
        f"{residual:.2f} px from ArcFace's template (median)",
        f"up to {ALIGNED:g} px",
    )
    mirrored = _median(points[:, _MIRRORED], ARCFACE)
    if mirrored < NEARER * residual and residual > ALIGNED:
        order = Evidence("the same, left and right exchanged", f"{mirrored:.2f} px")
        return [
            Finding(
                "problem",
                "left and right are exchanged in the landmarks: such an alignment turns faces over",
                (seen, order),
            )
        ]
    name, nearest = min(((name, _median(points, other)) for name, other in OTHERS.items()), key=lambda pair: pair[1])
    if residual > NEAREST and nearest <= NEARER * residual:
        other = Evidence(name, f"{nearest:.2f} px")
        return [Finding("warning", f"crops are aligned to another template: {name}", (seen, other))]
    if residual <= ALIGNED:
        return []
    needed = f"turn by {round(typical.degrees, 1) + 0.0:.1f} degrees, scale by {typical.scale:.3f}, shift by ({typical.shift[0]:.1f}, {typical.shift[1]:.1f}) px"
    evidence = (seen, Evidence("a typical crop would need", f"{needed}; {typical.after:.2f} px remain"))
    return [Finding("problem" if residual > FAR_OFF else "warning", "crops are not aligned", evidence)]


def alignment(running: Running) -> list[Finding] | Skipped:
    """Judge the landmarks that were given with the images."""
    if running.landmarks is None:
        return Skipped("no landmarks were given (--landmarks)")
    width = running.network.contract.shape[2]
    return misalignment(running.landmarks, width or SIDE)


def _median(points: Array, template: Array) -> float:
    return float(np.median([fit(face, template).residual for face in points]))


def _rms(distances: Array) -> float:
    return float(np.sqrt(np.mean(np.square(abs(distances)))))


CHECKS = (
    Check(
        "alignment", "running", "Are faces aligned otherwise than in training?",
        "A crop by bounding box, a template of another model, or landmarks in another order cost more accuracy than any other mistake of preparation.",
        "Warp by the similarity transform from the five landmarks to ArcFace's template (and not the other way round).",
        alignment,
        (
            "https://github.com/onnx/models/issues/466",
            "https://github.com/deepinsight/insightface/issues/1002",
            "https://github.com/deepinsight/insightface/issues/2191",
        ),
    ),
)  # fmt: skip
