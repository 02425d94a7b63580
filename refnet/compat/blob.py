"""OpenCV's `cv2.dnn.blobFromImages` as insightface calls it: BGR images to an RGB blob, resized where they must be.

Resizing is OpenCV's INTER_LINEAR: two taps a direction, pixel centres at half integers, no smoothing when an image
shrinks. 8-bit images are computed as it does (imgproc/src/resize.cpp), with weights of 11 bits and its way of
rounding, and give its numbers; float images are computed in float64. An image that has the size is not touched.
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
    precision = np.float32 if image.dtype == np.uint8 else np.float64  # of the distances, as in OpenCV
    rows, down = _taps(image.shape[0], height, precision)
    columns, right = _taps(image.shape[1], width, precision)
    if image.dtype != np.uint8:
        x: Array = image.astype(np.float64)
        x = x[:, columns[0]] * (1 - right)[:, None] + x[:, columns[1]] * right[:, None]
        x = x.transpose(1, 0, 2)
        x = x[:, rows[0]] * (1 - down)[:, None] + x[:, rows[1]] * down[:, None]
        return x.transpose(1, 0, 2)
    # Beyond the outermost centres OpenCV moves the tap of a column to the border, but not that of a row.
    right = np.where(columns[0] == columns[1], np.float32(0), right)
    (near, far), (above, below) = _weights(right), _weights(down)
    wide = image.astype(np.int64)
    wide = (wide[:, columns[0]] * near[:, None] + wide[:, columns[1]] * far[:, None]) >> 4
    parts = [(weight[:, None, None] * wide[at]) >> 16 for weight, at in zip((above, below), rows, strict=True)]
    return ((parts[0] + parts[1] + 2) >> 2).astype(np.uint8)


def _taps(size: int, wanted: int, precision: type) -> tuple[tuple[Array, Array], Array]:
    """The two pixels that each new pixel lies between, clipped to the image, and its distance from the first."""
    centres: Array = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(precision)
    first = np.floor(centres).astype(np.int64)
    return (first.clip(0, size - 1), (first + 1).clip(0, size - 1)), centres - first.astype(precision)


def _weights(distance: Array) -> tuple[Array, Array]:
    """Of both taps, in 2048ths."""
    one = np.float32(1)
    return np.rint((one - distance) * 2048).astype(np.int64), np.rint(distance * 2048).astype(np.int64)
