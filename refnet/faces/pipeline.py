"""From a photograph to aligned crops of its faces: what is taken, what is left out, and why.

Nothing is chosen silently. Which faces are meant is a policy that the caller names; a face that is too small or cut off
by the border is left out with its reason; a photograph without a usable face says so in `Outcome.status`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from refnet.errors import InputError, UsageError
from refnet.faces.align import TEMPLATE_EYES_PX, Alignment, align, scale_of, similarity_transform, template
from refnet.faces.detect.detector import LIMIT, Detector
from refnet.faces.face import Face
from refnet.faces.landmarks import Sidecar, photograph_key
from refnet.graph import Array

Policy = Literal["largest", "all", "single"]
Status = Literal["ok", "no face", "several faces", "too small", "cut off", "not a face"]
POLICIES: tuple[Policy, ...] = ("largest", "all", "single")
MIN_EYES_PX = 16.0  # the crop would be enlarged 2.2 times or more
MAX_OUTSIDE = 0.25  # share of the crop


@dataclass(frozen=True)
class Pipeline:
    """How photographs become crops.

    Attributes
    ----------
    source : Detector or Sidecar
        Where faces and landmarks come from; from a file only, if there is one (`landmarks.read_landmarks`).
    size : int
        Of the square crops, pixels; a multiple of 112 or 128.
    faces : "largest", "all" or "single"
        The largest face of a photograph; every one; or the only one, where several are refused.
    min_eyes_px : float
        Least distance of the eyes, in pixels of the photograph. It is measured on the template as it lies on the face,
        and not between the eyes themselves, which come close in a profile.
    max_outside : float
        Largest share of a crop that may lie outside the photograph.
    threshold, limit : of the detector
    """

    source: Detector | Sidecar = field(repr=False)
    size: int = 112
    faces: Policy = "largest"
    min_eyes_px: float = MIN_EYES_PX
    max_outside: float = MAX_OUTSIDE
    threshold: float | None = None
    limit: int = LIMIT

    def __post_init__(self) -> None:
        template(self.size)
        if self.faces not in POLICIES:
            raise UsageError(f"faces is {self.faces!r}; expected one of {', '.join(POLICIES)}")

    @property
    def description(self) -> str:
        """How crops are made, as it stands in the provenance of embeddings: equal texts make comparable crops.

        Which of the faces are taken is not part of it: it changes no crop.
        """
        aligned = f"aligned to ArcFace's five points, {self.size} x {self.size}, bilinear, black border"
        if not isinstance(self.source, Detector):
            return f"landmarks as given; {aligned}"
        detector = self.source
        least = detector.kind.threshold if self.threshold is None else self.threshold
        told = f"{detector.kind.name} (sha256 {detector.sha256}), longer side at most {self.limit}, score at least {least:g}"
        return f"landmarks by {told}; {aligned}"

    @property
    def selection(self) -> str:
        """Which faces are taken, in words."""
        return (
            f"faces: {self.faces}; eyes at least {self.min_eyes_px:g} pixels apart; "
            f"at most {self.max_outside:.0%} of a crop outside the photograph"
        )


@dataclass(frozen=True)
class AlignedFace:
    """A face and its crop.

    Attributes
    ----------
    face : Face
    alignment : Alignment
        `alignment.crop` is (size, size, 3) uint8, RGB.
    """

    face: Face
    alignment: Alignment


@dataclass(frozen=True)
class LeftOut:
    """A face that was found and is not taken, and why."""

    face: Face
    status: Status
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a photograph.

    Attributes
    ----------
    faces : those that are taken; the largest first
    left_out : faces that the policy means, but that cannot be used
    status : "ok" if a face is taken, else why there is none
    reason : the same as a clause; empty if a face is taken
    found : how many faces there were in all
    """

    faces: tuple[AlignedFace, ...]
    left_out: tuple[LeftOut, ...]
    status: Status
    reason: str
    found: int


def crops_of(image: Array, pipeline: Pipeline, name: str | Path = "") -> Outcome:
    """Find and align the faces of a photograph.

    Parameters
    ----------
    image : (H, W, 3) uint8, RGB, upright
    pipeline : Pipeline
    name : path of the photograph, by which a file of landmarks knows it

    Examples
    --------
    >>> Pipeline({}, faces="all").description
    "landmarks as given; aligned to ArcFace's five points, 112 x 112, bilinear, black border"
    """
    if isinstance(pipeline.source, Detector):
        faces = pipeline.source(image, threshold=pipeline.threshold, limit=pipeline.limit)
        nothing = "no face was found"
    else:
        faces = pipeline.source.get(photograph_key(name), [])
        nothing = "the file of landmarks has none for this photograph"
    meant, refused = _meant(faces, pipeline)
    taken: list[AlignedFace] = []
    for face in meant:
        judged = _judged(image, face, pipeline)
        if isinstance(judged, AlignedFace):
            taken.append(judged)
        else:
            refused.append(judged)
    if taken:
        return Outcome(tuple(taken), tuple(refused), "ok", "", len(faces))
    if not refused:
        return Outcome((), (), "no face", nothing, 0)
    return Outcome((), tuple(refused), refused[0].status, refused[0].reason, len(faces))


def _meant(faces: Sequence[Face], pipeline: Pipeline) -> tuple[list[Face], list[LeftOut]]:
    """The faces that the policy means, largest first; and all of them refused, where it means only one."""
    if pipeline.faces == "single" and len(faces) > 1:
        reason = f"{len(faces)} faces were found; expected a single one"
        return [], [LeftOut(face, "several faces", reason) for face in faces]
    ordered = sorted(faces, key=lambda face: -eyes_px(face))  # stable: the higher score first among equals
    return (ordered[:1] if pipeline.faces == "largest" else ordered), []


def eyes_px(face: Face) -> float:
    """Distance of the template's eyes as it lies on the face, in pixels of the photograph; 0 if it fits nowhere."""
    try:
        return TEMPLATE_EYES_PX / scale_of(similarity_transform(face.landmarks, template()))
    except InputError:
        return 0.0


def _judged(image: Array, face: Face, pipeline: Pipeline) -> AlignedFace | LeftOut:
    """The face with its crop, or why it cannot be used."""
    try:
        alignment = align(image, face.landmarks, pipeline.size)
    except InputError as error:
        return LeftOut(face, "not a face", str(error))
    if (eyes := eyes_px(face)) < pipeline.min_eyes_px:
        reason = f"the eyes are {eyes:.1f} pixels apart; expected at least {pipeline.min_eyes_px:g}"
        return LeftOut(face, "too small", reason)
    height, width = image.shape[:2]
    x, y = face.landmarks.T
    beyond = int(((x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)).sum())
    if beyond:
        return LeftOut(face, "cut off", f"{beyond} of 5 landmarks lie outside the photograph")
    if alignment.outside > pipeline.max_outside:
        return LeftOut(
            face,
            "cut off",
            f"{alignment.outside:.0%} of the crop lies outside the photograph; expected at most {pipeline.max_outside:.0%}",
        )
    return AlignedFace(face, alignment)
