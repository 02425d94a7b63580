"""The faces that the page can show: those it was started with, and the newest of those it was given.

An image of exactly the network's size is taken as an aligned crop; any other is a photograph, in which the largest face
is found and aligned. The sentence that goes with a face says which.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.faces.image import Source, open_picture
from refnet.faces.pipeline import Pipeline, crops_of
from refnet.graph import Array
from refnet.web.newest import Newest

UPLOADS = 16


@dataclass(frozen=True)
class HeldFace:
    """A face, ready for the network.

    Attributes
    ----------
    id : by which the page asks for it
    title : what it is called
    crop : (3, H, W) uint8, RGB
    notes : sentences about how it was taken
    """

    id: str
    title: str
    crop: Array
    notes: tuple[str, ...] = ()


class Album:
    """Faces by their id. Any number of threads may use it.

    Parameters
    ----------
    height, width : of the crops
    pipeline : Pipeline, or the reason why there is none
    """

    def __init__(self, height: int, width: int, pipeline: Pipeline | str) -> None:
        self._height, self._width = height, width
        self.pipeline = pipeline
        self._fixed: dict[str, HeldFace] = {}
        self._uploads: Newest[str, HeldFace] = Newest(UPLOADS)
        self._decoding = threading.Lock()  # one photograph at a time in memory, which may be of 400 MB

    @property
    def fixed(self) -> Mapping[str, HeldFace]:
        """The faces that stay."""
        return self._fixed

    def keep(self, name: str, title: str, crop: Array, notes: tuple[str, ...] = ()) -> HeldFace:
        """Add a face that stays."""
        face = self._fixed[name] = HeldFace(name, title, crop, notes)
        return face

    def __getitem__(self, name: str) -> HeldFace:
        """The face of that id.

        Raises
        ------
        UsageError
            If it is not held, or no longer.
        """
        face = self._fixed.get(name) or self._uploads.get(name)
        if face is not None:
            return face
        raise UsageError(f"this face is not held any longer: the explorer keeps the newest {UPLOADS}; give it again")

    def take(self, source: Source, called: str) -> HeldFace:
        """Add an image for as long as there is room, under a name that cannot be guessed.

        Raises
        ------
        InputError
            If it is no image, too large, or a photograph without a usable face.
        """
        with self._decoding:
            crop, notes = self.crop_of(source, called)
        return self._upload(called, crop, notes)

    def mirrored(self, name: str) -> HeldFace:
        """Add a face's mirror image."""
        face = self[name]
        crop = np.ascontiguousarray(face.crop[..., ::-1])
        return self._upload(f"{face.title}, mirrored", crop, ("mirrored: left and right are exchanged",))

    def crop_of(self, source: Source, called: str) -> tuple[Array, tuple[str, ...]]:
        """From a file to the crop of its face, and how it was taken; raises as `take`."""
        picture = open_picture(source, called)
        height, width = picture.pixels.shape[:2]
        if (height, width) == (self._height, self._width):
            return np.ascontiguousarray(picture.pixels.transpose(2, 0, 1)), (
                *picture.notes,
                f"taken as an aligned crop, because it has exactly {width} x {height} pixels",
            )
        if isinstance(self.pipeline, str):
            raise InputError(
                f"{called}: the image is {width} x {height} pixels; expected an aligned crop of {self._width} x "
                f"{self._height}, because photographs cannot be searched for faces: {self.pipeline}"
            )
        outcome = crops_of(picture.pixels, self.pipeline)
        if not outcome.faces:
            raise InputError(f"{called}: {outcome.reason}")
        others = "" if outcome.found == 1 else f", the largest of {outcome.found}"
        crop = np.ascontiguousarray(outcome.faces[0].alignment.crop.transpose(2, 0, 1))
        return crop, (
            *picture.notes,
            f"the face was found in a photograph of {width} x {height} pixels{others}, and aligned",
        )

    def _upload(self, title: str, crop: Array, notes: tuple[str, ...]) -> HeldFace:
        face = HeldFace(secrets.token_urlsafe(12), title, crop, notes)
        self._uploads.put(face.id, face)
        return face
