"""What `refnet doctor` is given to feed the network: pictures, an array, landmarks; from files."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refnet.audit.doctor.running import Origin
from refnet.errors import InputError, UsageError
from refnet.faces.image import read_crop
from refnet.graph import Array
from refnet.npz import read_array
from refnet.opening import open_regular, read_text, reading
from refnet.zoo.samples import SAMPLES, sample_crops

POINTS = 5


def read_fed(paths: Sequence[Path], height: int, width: int) -> tuple[Array, tuple[str, ...], Origin]:
    """Images, their names and where they come from; the sample portraits if there are no paths.

    Parameters
    ----------
    paths : aligned crops, or one ``.npy`` as another program feeds the network
    height, width : of the network's crops

    Raises
    ------
    InputError
        If a file cannot be read, or a picture has another size.
    UsageError
        If an array and other files are given together.
    """
    if not paths:
        return sample_crops(height, width), SAMPLES, "samples"
    if any(path.suffix.lower() == ".npy" for path in paths):
        if len(paths) > 1:
            raise UsageError("--image takes pictures, or one array in .npy that holds all images; not both")
        return _array(paths[0]), (), "array"
    return np.stack([read_crop(path, height, width) for path in paths]), tuple(map(str, paths)), "pictures"


def read_landmarks(path: Path, names: Sequence[str], count: int) -> Array:
    """Landmarks (count, 5, 2) of images, in the pixels of the crops.

    Parameters
    ----------
    path : ``.npy`` of shape (count, 5, 2) or (5, 2), or ``.json``: the same in lists, or an object from an image's
        name (or the last part of its path) to five pairs
    names : of the images
    count : of the images

    Raises
    ------
    InputError
        If the file cannot be read, or does not hold five points for every image.
    """
    if path.suffix.lower() == ".npy":
        points = _array(path)
    else:
        with reading(path, InputError, "not landmarks; expected five pairs of numbers for each image"):
            said = json.loads(read_text(path))
            if isinstance(said, dict):
                try:
                    said = [said[name] if name in said else said[Path(name).name] for name in names]
                except KeyError as error:
                    raise InputError(f"{path}: it holds no landmarks for {error}") from None
            points = np.array(said, dtype=np.float64)
    if points.shape == (POINTS, 2):
        points = points[np.newaxis]
    if points.shape != (count, POINTS, 2) or points.dtype.kind not in "fiu" or not np.isfinite(points).all():
        raise InputError(f"{path}: landmarks have shape {points.shape}; expected finite numbers ({count}, {POINTS}, 2)")
    return points.astype(np.float64)


def _array(path: Path) -> Array:
    """The array of a ``.npy``."""
    with reading(path, InputError, "not an array in .npy, or damaged"), open_regular(path) as file:
        return read_array(file, os.fstat(file.fileno()).st_size)
