"""The grey square that is dragged over a face."""

from dataclasses import dataclass

import numpy as np

from refnet.audit.explain.occlusion import GREY
from refnet.errors import UsageError
from refnet.graph import Array


@dataclass(frozen=True)
class Square:
    """A square of the image, pixels."""

    left: int
    top: int
    size: int


def covered(pixels: Array, square: Square | None) -> Array:
    """The image with the square grey.

    Parameters
    ----------
    pixels : (3, H, W), 0..255, RGB
    square : None leaves the image as it is

    Returns
    -------
    (3, H, W) float32; the grey is `occlusion.GREY`, which both conventions of scaling bring to 0

    Raises
    ------
    UsageError
        If the square does not lie within the image.
    """
    image = np.array(pixels, np.float32)
    if square is None:
        return image
    _, height, width = image.shape
    side, left, top = square.size, square.left, square.top
    if not (side >= 1 and 0 <= left <= width - side and 0 <= top <= height - side):
        raise UsageError(
            f"a square of {side} pixels at {left} from the left and {top} from the top does not lie within the image of "
            f"{width} x {height}"
        )
    image[:, top : top + side, left : left + side] = GREY
    return image
