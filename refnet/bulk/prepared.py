"""What becomes of a photograph before the network sees it: crops of faces, or the reason why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from refnet.errors import InputError, NoAnswerError
from refnet.faces.folders import why_unlisted
from refnet.faces.image import read_crop
from refnet.graph import Array
from refnet.network import Network


@dataclass(frozen=True)
class FoundFace:
    """A face, ready for the network.

    Attributes
    ----------
    crop : (3, H, W) uint8, RGB
    box : (left, top, right, bottom) in pixels of the upright photograph, None where nothing was detected
    landmarks : (5, 2) in the same pixels, None where there are none
    score : of the detector, 0 to 1; None where there is none
    """

    crop: Array
    box: tuple[float, float, float, float] | None = None
    landmarks: Array | None = None
    score: float | None = None


@dataclass(frozen=True)
class Stamp:
    """What tells that a file is still the one that was read."""

    size_bytes: int
    changed_ns: int


@dataclass(frozen=True)
class Found:
    """The faces of an image, and sentences about what was left out of it."""

    faces: tuple[FoundFace, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """An image: its faces, or why there is none."""

    name: str
    stamp: Stamp
    faces: tuple[FoundFace, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


Preparation = Callable[[str], Found]  # raises InputError where there is no face to be had


def prepare(name: str, how: Preparation) -> Prepared:
    """Prepare one image; what is wrong with it becomes its reason."""
    stamp = stamp_of(name)
    try:
        found = how(name)
    except InputError as error:
        return Prepared(name, stamp, (), why_unlisted(name) or str(error))
    except NoAnswerError as error:  # of a detector
        return Prepared(name, stamp, (), f"{name}: {error}")
    return Prepared(name, stamp, found.faces, "", found.notes)


def stamp_of(name: str) -> Stamp:
    """The file's stamp; of a file that is not there, zeros."""
    try:
        status = Path(name).stat()
    except OSError:
        return Stamp(0, 0)
    return Stamp(status.st_size, status.st_mtime_ns)


def crop_size(network: Network) -> tuple[int, int]:
    """Height and width of the crops a network takes."""
    return network.contract.crop_size


def aligned_crops(network: Network) -> Preparation:
    """Take every image as an aligned crop of exactly the network's size."""
    height, width = crop_size(network)
    return lambda name: Found((FoundFace(read_crop(Path(name), height, width)),))
