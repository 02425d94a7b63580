"""From a file to pixels: RGB, upright, 8 bits.

Decoding is Pillow's. EXIF orientation is applied; of several frames the first is taken, and `Picture.notes` says so;
what becomes of grey, palettes, alpha, 16 bits and CMYK is written down in `pixels`. A file is whole or refused, as far
as its format can tell: a JPEG carries no checksum, so that a byte changed within its picture may pass as a picture.
"""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from refnet.errors import InputError
from refnet.faces.folders import SUFFIXES, images_in
from refnet.faces.pixels import rgb_of
from refnet.graph import Array
from refnet.opening import open_regular, reading

MAX_PIXELS = 2**27  # 134 million, 400 MB as RGB: the largest sensors' photographs, and no bomb
Source = Path | str | bytes | BinaryIO
_opening = threading.Lock()  # warnings are silenced for the whole process, so one thread does it at a time
_DRAWINGS = ("EPS", "WMF")  # for EPS, Pillow starts Ghostscript where it is installed
_BEGINNINGS = (
    (b"<svg", "an SVG drawing; render it first"),
    (b"<!doctype html", "a web page: probably the answer to a failed download"),
    (b"<html", "a web page: probably the answer to a failed download"),
    (b"<?xml", "XML, such as an SVG drawing; render it first"),
    (b"%pdf", "a PDF; extract the image first"),
    (b"version https://git-lfs", "a Git LFS pointer; `git lfs pull` gets the file"),
    (b"pk\x03\x04", "a ZIP archive"),
)


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes
    ----------
    pixels : (H, W, 3) uint8, RGB, upright
    notes : sentences about what was left out or turned, such as further frames
    """

    pixels: Array
    notes: tuple[str, ...] = ()


def open_picture(source: Source, name: str | None = None) -> Picture:
    """Decode one image.

    Parameters
    ----------
    source : path, bytes, or a binary file object that can seek
    name : str, optional
        What messages call it; the path, where there is one.

    Raises
    ------
    InputError
        If the file is missing, empty, no image, cut off, of a kind there is no rule for, or of more than `MAX_PIXELS`.
    """
    called = name or (str(source) if isinstance(source, (str, Path)) else "the image")
    with reading(called, InputError), _file(source) as file:
        try:
            with _opened(file) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise InputError(_too_large(f"{width} x {height} pixels"))
                notes = []
                if (frames := getattr(image, "n_frames", 1)) > 1:
                    notes.append(f"{called}: the file holds {frames} frames; the first is taken")
                return Picture(rgb_of(ImageOps.exif_transpose(image)), tuple(notes))
        except Image.DecompressionBombError:
            raise InputError(_too_large("more pixels than can be decoded safely")) from None


def read_image(source: Source) -> Array:
    """Decode one image; (H, W, 3) uint8, RGB; `source` and what is refused as in `open_picture`."""
    return open_picture(source).pixels


@contextmanager
def _file(source: Source) -> Iterator[BinaryIO]:
    """What is decoded, open; a caller's file stays open."""
    if isinstance(source, (str, Path)):
        try:
            opened = open_regular(source)
        except IsADirectoryError:
            raise InputError("it is a folder; expected an image file") from None
        with opened:
            yield opened
    else:
        yield io.BytesIO(source) if isinstance(source, bytes) else source


def _opened(file: BinaryIO) -> Image.Image:
    """The image with its header read; what is no image is refused."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs, where our own limit speaks, and of odd tags, which change no pixel
        try:
            image = Image.open(file)
        except UnidentifiedImageError:
            raise InputError(f"not an image that can be read{_beginning(file)}") from None
        if image.format in _DRAWINGS:
            image.close()
            raise InputError(f"a drawing ({image.format}), which another program would have to run; render it first")
        try:
            _ = getattr(image, "n_frames", 1)
            if image.format != "PNG":  # whose tags may lie behind the pixels, to be decoded without the lock
                image.getexif()
        except BaseException:
            image.close()
            raise
        return image


def _beginning(file: BinaryIO) -> str:
    """What a file that is no image begins like, as the rest of a sentence."""
    file.seek(0)
    head = file.read(512)
    if not head:
        return ": the file is empty"
    if head[4:8] == b"ftyp":
        return f": it looks like {head[8:12].decode('ascii', 'replace')} of the HEIF family; convert it to JPEG or PNG"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((f": it looks like {what}" for mark, what in _BEGINNINGS if start.startswith(mark)), "")


def _too_large(found: str) -> str:
    """The clause about an image that is too large."""
    return f"the image has {found}; the limit is {MAX_PIXELS // 10**6} million. Scale it down first"


def read_crop(source: Source, height: int, width: int) -> Array:
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
    path = source if isinstance(source, (str, Path)) else "the image"
    if pixels.shape[:2] != (height, width):
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(
            f"{path}: the image is {found} pixels; expected an aligned {width} x {height} face crop. `refnet align` cuts "
            "faces out of photographs"
        )
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
        if not os.path.lexists(entry):
            raise InputError(f"{entry}: no such file or folder")
        if os.path.isdir(entry):  # noqa: PTH112 - which may raise
            try:
                found += map(Path, images_in(str(entry)))
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise InputError(f"{entry}: the folder cannot be read: {reason}") from error
        else:
            found.append(entry)
    if not found:
        where = ", ".join(map(str, inputs)) or "an empty list"
        raise InputError(f"no images found in {where}; looked for {', '.join(sorted(SUFFIXES))}")
    return found
