"""OpenCV's `cv2.dnn.blobFromImages` as insightface calls it: BGR images to an RGB blob, resized where they must be.

Resizing is OpenCV's INTER_LINEAR: two taps a direction, pixel centres at half integers, no smoothing when an image
shrinks. OpenCV computes 8-bit images with weights of 11 bits and rounds; here weights are float64, so that a value of a
resized 8-bit image may differ by 1. An image that has the size already is not touched.
"""

from collections.abc import Sequence

import numpy as np

from refnet.errors import ShapeError
from refnet.graph import Array


def blob_from_images(images: Sequence[Array], width: int, height: int, mean: float, scale: float) -> Array:
    """Make one array of images.

    Parameters
    ----------
    images : (H, W, 3) uint8 or float, BGR, 0..255
    width, height : of the blob, pixels
    mean, scale : every value becomes ``(value - mean) * scale``

    Returns
    -------
    (N, 3, height, width) float32, RGB

    Raises
    ------
    ShapeError
        If there is no image, or one has another shape or dtype.
    """
    if not len(images):
        raise ShapeError("there are zero images; expected at least one")
    pixels = np.stack([_resized(_checked(image), height, width) for image in images]).astype(np.float32)
    rgb = pixels[..., ::-1].transpose(0, 3, 1, 2)
    return np.ascontiguousarray((rgb - np.float32(mean)) * np.float32(scale))


def _checked(image: Array) -> Array:
    """An image of three channels of numbers."""
    given = np.asarray(image)
    if (
        given.ndim != 3
        or given.shape[2] != 3
        or 0 in given.shape
        or not (given.dtype == np.uint8 or given.dtype.kind == "f")
    ):
        raise ShapeError(
            f"an image has shape {given.shape} and dtype {given.dtype}; expected (H, W, 3) BGR, uint8 or float"
        )
    return given


def _resized(image: Array, height: int, width: int) -> Array:
    """Bilinear, without smoothing; 8-bit images stay 8-bit."""
    if image.shape[:2] == (height, width):
        return image
    rows, down = _taps(image.shape[0], height)
    columns, right = _taps(image.shape[1], width)
    x: Array = image.astype(np.float64)
    x = x[rows[0]] * (1 - down)[:, None, None] + x[rows[1]] * down[:, None, None]
    x = x[:, columns[0]] * (1 - right)[:, None] + x[:, columns[1]] * right[:, None]
    if image.dtype == np.uint8:
        return np.floor(x + 0.5).astype(np.uint8)
    return x


def _taps(size: int, wanted: int) -> tuple[tuple[Array, Array], Array]:
    """The two pixels that each new pixel lies between, and its distance from the first."""
    centres = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    first = np.floor(centres).astype(np.intp)
    return (first, np.minimum(first + 1, size - 1)), centres - first
