"""`refnet align`: from a photograph to the crops that the network takes."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from PIL import Image

from refnet.cli.console import complain, print_data, print_json, say
from refnet.cli.options import JsonFlag, announce_compiling
from refnet.errors import UsageError
from refnet.faces.detect import DEFAULT_DETECTOR, LIMIT, load_detector
from refnet.faces.image import open_picture
from refnet.faces.landmarks import read_landmarks
from refnet.faces.picture import alignment_picture
from refnet.faces.pipeline import MIN_EYES_PX, AlignedFace, Outcome, Pipeline, Policy, crops_of
from refnet.files import check_place, replacing

_FORMS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}  # those that keep every pixel


def align(
    photo: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    picture: Path | None = None,
    landmarks: Path | None = None,
    detector: str = DEFAULT_DETECTOR,
    faces: Policy = "largest",
    size: int = 112,
    min_eyes: float = MIN_EYES_PX,
    limit: int = LIMIT,
    threshold: float | None = None,
    json: JsonFlag = False,
) -> int:
    """Find faces in a photograph and cut them out as the network takes them.

    Exit status 1 if there is no face that can be used; what is wrong with it is said.

    Parameters
    ----------
    photo
        An image of any kind and size.
    output
        FILE.png to write the crop to. With --faces all: FILE-1.png, FILE-2.png, ..., the largest face first.
    picture
        FILE.png to draw the alignment into: landmarks, template, residuals. Numbered as the crops.
    landmarks
        FILE.json or FILE.csv with the landmarks; no detector is used.
    detector
        File of YuNet or SCRFD, or the name of a card.
    faces
        largest, all, or single: more than one face is refused.
    size
        Of the crop: 112, or another multiple of 112 or 128.
    min_eyes
        Pixels between the eyes, in the photograph, below which a face is too small.
    limit
        Pixels of the longer side, to which a larger photograph is scaled for the detector.
    threshold
        Least score of a face, 0 to 1.
    """
    for path in (output, picture):
        if path is not None and path.suffix.lower() not in _FORMS:
            raise UsageError(f"cannot write {path}: expected one of {', '.join(_FORMS)}, which keep every pixel")
        if path is not None:
            check_place(path)
    seen = open_picture(photo)
    for note in seen.notes:
        say(note)
    if landmarks is None:
        announce_compiling()
    source = load_detector(detector) if landmarks is None else read_landmarks(landmarks)
    pipeline = Pipeline(source, size, faces, min_eyes, threshold=threshold, limit=limit)
    outcome = crops_of(seen.pixels, pipeline, photo)
    several = faces == "all"
    for number, face in enumerate(outcome.faces, 1):
        if output is not None:
            _save(Image.fromarray(face.alignment.crop), _numbered(output, number, several))
        if picture is not None:
            _save(alignment_picture(seen.pixels, face.alignment), _numbered(picture, number, several))
    _report(photo, outcome, pipeline, as_json=json)
    return 0 if outcome.faces else 1


def _report(photo: Path, outcome: Outcome, pipeline: Pipeline, *, as_json: bool) -> None:
    """What was found, on stdout; what was left out, on stderr."""
    if as_json:
        print_json(
            {
                "schema_version": 1,
                "photo": str(photo),
                "status": outcome.status,
                "reason": outcome.reason,
                "found": outcome.found,
                "faces": [_told(face) for face in outcome.faces],
                "left_out": [
                    {"status": one.status, "reason": one.reason, "box": one.face.box, "score": one.face.score}
                    for one in outcome.left_out
                ],
                "pipeline": pipeline.description,
                "selection": pipeline.selection,
            }
        )
    for number, face in enumerate(outcome.faces, 1):
        if not as_json:
            alignment, score = face.alignment, face.face.score
            told = "" if score is None else f", score {score:.2f}"
            print_data(
                f"face {number} of {outcome.found}: residual {alignment.rms:.2f} pixels, turned by "
                f"{alignment.angle_degrees:z.1f} degrees, scaled by {alignment.scale:.3f}{told}"
            )
    if outcome.faces:
        for one in outcome.left_out:
            say(f"left out: {one.reason}")
    else:
        complain(f"{photo}: {outcome.reason}")


def _told(face: AlignedFace) -> dict[str, Any]:
    """A face for JSON; its landmarks in the order and form that --landmarks takes."""
    alignment = face.alignment
    return {
        "box": face.face.box,
        "score": face.face.score,
        "landmarks": alignment.landmarks.tolist(),
        "residuals": alignment.residuals.tolist(),
        "rms": alignment.rms,
        "scale": alignment.scale,
        "angle_degrees": alignment.angle_degrees,
        "outside": alignment.outside,
        "matrix": alignment.matrix.tolist(),
    }


def _numbered(path: Path, number: int, several: bool) -> Path:
    """The file of one face."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}") if several else path


def _save(image: Image.Image, path: Path) -> None:
    """Write an image, whole or not at all."""
    with replacing(path) as file:
        image.save(file, _FORMS[path.suffix.lower()])
