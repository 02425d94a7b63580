"""The face that the lessons of docs/lessons look at: the reader's own, or one whose landmarks are known."""

import os

import numpy as np

from refnet.errors import InputError, MissingExtraError
from refnet.faces.detect import load_detector
from refnet.faces.face import Face
from refnet.faces.image import read_image
from refnet.graph import Array

# YuNet's, kept as numbers so that the sample needs no detector.
SAMPLE = Face(
    landmarks=np.array([[200.1, 101.8], [247.1, 102.6], [220.4, 124.5], [198.6, 142.8], [239.7, 143.6]]),
    box=(178.2, 62.9, 268.1, 176.2),
)


def lesson_face() -> tuple[Array, Face]:
    """The photograph of `$REFNET_IMAGE` and its most certain face; where it is not set, a sample of scikit-image's.

    The sample is NASA's portrait of the astronaut Eileen Collins, in the public domain. A photograph of one's own needs
    the file of a detector (`refnet.faces.detect.DEFAULT_DETECTOR`) in the cache.

    Returns
    -------
    (H, W, 3) uint8, RGB, and a Face in it.

    Raises
    ------
    InputError
        If `$REFNET_IMAGE` is no image, or shows no face.
    ModelError
        If it is set and there is no detector.
    MissingExtraError
        If the sample is asked for and scikit-image is not installed.
    """
    path = os.environ.get("REFNET_IMAGE")
    if path:
        photograph = read_image(path)
        faces = load_detector()(photograph)
        if not faces:
            raise InputError(f"{path}: no face was found in it; set REFNET_IMAGE to a photograph that shows one")
        return photograph, max(faces, key=lambda face: face.score or 0.0)
    try:
        import skimage.data
    except ImportError as error:
        raise MissingExtraError(
            "the sample photograph comes with scikit-image: pip install scikit-image, or set REFNET_IMAGE"
        ) from error
    sample: Array = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return sample, SAMPLE
