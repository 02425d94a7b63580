"""From whatever pixels a file or a caller has to 8-bit RGB, by rules that are written down.

========================  ===================================================================================
pixels                    become RGB
========================  ===================================================================================
grey, bilevel, palette    the three channels are equal; a palette's colours are looked up
alpha, transparency       dropped: a pixel has the colour that is stored with it, however transparent it is
16-bit grey               v / 257, rounded to the nearest: 65535 becomes 255
32-bit integer grey       the same, where all values lie within 0..65535; refused elsewhere
floating point            refused: files do not say whether 1 or 255 is white
CMYK                      r = 255 - c - k (1 - c / 255), Pillow's formula; inks that Adobe's JPEGs store inverted
                          are turned first
YCbCr, HSV, Lab           Pillow's conversion
16-bit colour             the upper eight bits, which is all that Pillow keeps
========================  ===================================================================================

Colour profiles (ICC) are not applied: a number in the file is the number that the network sees, as in the training
of ArcFace, whose images were read by OpenCV.
"""

from typing import Literal

import numpy as np
from PIL import Image

from refnet.errors import InputError, ShapeError
from refnet.graph import Array

Order = Literal["RGB", "BGR"]
_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"})
_DEEP = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def rgb_of(image: Image.Image) -> Array:
    """The pixels of an open image.

    Returns
    -------
    (H, W, 3) uint8, RGB

    Raises
    ------
    InputError
        If there is no rule for its pixels. The message is a clause; who knows the name of the image puts it before.
    """
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # straight to RGB, Pillow warns of the transparency that is dropped
    if image.mode in _EIGHT_BIT:
        return np.asarray(image.convert("RGB"))
    if image.mode in _DEEP:
        return np.repeat(_from_sixteen_bits(np.asarray(image))[..., np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise InputError("pixels are floating point, whose white is not known; expected 8-bit or 16-bit integers")
    raise InputError(f"pixels are {image.mode}; expected grey, palette, RGB, CMYK, YCbCr or Lab")


def _from_sixteen_bits(values: Array) -> Array:
    """0..65535 to 0..255: v / 257 to the nearest, which is never halfway."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise InputError(f"grey values span {low} to {high}; expected 16 bits, 0 to 65535")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def from_array(pixels: Array, order: Order = "RGB") -> Array:
    """Take pixels that are an array already, such as OpenCV's, which are BGR.

    Parameters
    ----------
    pixels : (H, W, 3) or (H, W, 4) or (H, W) uint8
        A fourth channel is alpha and is dropped.
    order : "RGB" or "BGR"
        What the first three channels are. It cannot be seen in the numbers: OpenCV reads BGR, Pillow RGB.

    Returns
    -------
    (H, W, 3) uint8, RGB, contiguous

    Raises
    ------
    ShapeError
        If the array is of another shape or type: floats in 0..1 and 0..255 cannot be told apart in a dark image.

    Examples
    --------
    >>> from_array(np.array([[[255, 0, 0]]], np.uint8), order="BGR")
    array([[[  0,   0, 255]]], dtype=uint8)
    """
    x = np.asarray(pixels)
    if order not in ("RGB", "BGR"):
        raise ShapeError(f"order is {order!r}; expected 'RGB' or 'BGR'")
    if x.dtype != np.uint8:
        raise ShapeError(f"pixels have dtype {x.dtype}; expected uint8, 0..255")
    if x.ndim == 2:
        x = np.repeat(x[..., np.newaxis], 3, axis=2)
    if x.ndim != 3 or x.shape[2] not in (3, 4) or 0 in x.shape:
        hint = " Transpose to channels-last." if x.ndim == 3 and x.shape[0] in (3, 4) else ""
        raise ShapeError(f"pixels have shape {np.shape(pixels)}; expected (H, W, 3), (H, W, 4) or (H, W).{hint}")
    x = x[..., :3]
    return np.ascontiguousarray(x[..., ::-1] if order == "BGR" else x)
