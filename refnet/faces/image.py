"""From a file to pixels: RGB, upright, 8 bits.

Decoding is Pillow's. EXIF orientation is applied; grey and palette images become RGB; alpha is dropped, as if the
image lay on nothing. Does not cover 16-bit or CMYK images, which are refused.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from refnet.errors import InputError
from refnet.graph import Array

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})


def read_image(source: Path | BinaryIO) -> Array:
    """Decode one image, from its file or from an open one.

    Returns
    -------
    (H, W, 3) uint8, RGB

    Raises
    ------
    InputError
        If the file is missing, is no image, is cut off, or is of a kind refnet does not read.
    """
    path = source if isinstance(source, Path) else "image"
    if isinstance(source, Path) and not source.exists():
        raise InputError(f"{path}: no such file")
    try:
        with Image.open(source) as image:
            if image.mode not in _MODES:
                raise InputError(f"{path}: pixels are {image.mode}; expected 8-bit grey, palette or RGB")
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image that can be read") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: the image is too large to be decoded safely") from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        raise InputError(f"{path}: damaged or unreadable ({error})") from None


def read_crop(source: Path | BinaryIO, height: int, width: int) -> Array:
    """Decode an aligned crop of exactly the network's size.

    Returns
    -------
    (3, H, W) uint8, RGB

    Raises
    ------
    InputError
        As `read_image`, and if the image has another size: a photograph must be aligned first.
    """
    pixels = read_image(source)
    path = source if isinstance(source, Path) else "image"
    if pixels.shape[:2] != (height, width):
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(f"{path}: the image is {found} pixels; expected an aligned {width} x {height} face crop")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def find_images(inputs: list[Path]) -> list[Path]:
    """Files as given, and the images of folders, at any depth, in the order of their names.

    Raises
    ------
    InputError
        If an input is not there, or there is no image at all.
    """
    found: list[Path] = []
    for entry in inputs:
        if not entry.exists():
            raise InputError(f"{entry}: no such file or folder")
        if entry.is_dir():
            found += sorted(path for path in entry.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        else:
            found.append(entry)
    if not found:
        where = ", ".join(map(str, inputs)) or "an empty list"
        raise InputError(f"no images found in {where}; looked for {', '.join(sorted(SUFFIXES))}")
    return found
