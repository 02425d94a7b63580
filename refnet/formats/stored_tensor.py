"""A tensor that stays in its file until it is asked for."""

import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Array, Shape
from refnet.opening import open_regular
from refnet.ops.inference import SMALL

Identity = tuple[int, int, int, int]

_SLICE = 1 << 16  # elements tested for NaN at a time: the mask of a slice stays in the cache


@dataclass(frozen=True)
class StoredTensor:
    """Little-endian float32 numbers in a file, read anew each time.

    Attributes
    ----------
    path : Path
    identity : device, inode, bytes and time of change of the file when the tensor was looked through
    offset : int
        Of the first number, in bytes.
    shape : Shape
    """

    path: Path
    identity: Identity
    offset: int
    shape: Shape

    @property
    def dtype(self) -> "np.dtype[np.float32]":
        """float32."""
        return np.dtype(np.float32)

    @property
    def size(self) -> int:
        """Numbers."""
        return int(np.prod(self.shape))

    def read(self) -> Array:
        """The tensor, in memory of its own.

        Raises
        ------
        ModelError
            If the file has gone or has changed since: its numbers would be another network's.
        """
        try:
            with open_regular(self.path) as file:
                if identity(file) != self.identity:
                    raise ModelError(
                        f"{self.path}: the file has changed since the model was read; load the model again"
                    )
                return read_numbers(file, self.offset, np.dtype(np.float32), self.size).reshape(self.shape)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ModelError(f"{self.path}: a weight is no longer to be had: {reason}; load the model again") from error


def stays(dtype: "np.dtype[np.generic]", shape: Shape) -> bool:
    """Whether a tensor is better left in its file: large, as it is in memory, and no vector, which all readers look at."""
    return dtype == np.float32 and len(shape) > 1 and int(np.prod(shape)) > SMALL


def identity(file: BufferedReader) -> Identity:
    """What tells a file from another, and from itself after a change."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_numbers(file: BufferedReader, offset: int, dtype: "np.dtype[np.generic]", count: int) -> Array:
    """Read numbers straight from a file, little-endian and truth values as bytes, into a new array of one axis."""
    stored = np.empty(count, dtype=np.uint8 if dtype == np.bool_ else dtype.newbyteorder("<"))
    file.seek(offset)
    if count and file.readinto(stored.view(np.uint8).data) != stored.nbytes:
        raise ModelError("the file became shorter while it was read; read it again when nothing writes to it")
    return stored.astype(dtype, copy=False)


def refuse_not_finite(what: str, array: Array) -> None:
    """Refuse NaN and infinity, naming the first."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, _SLICE):
        finite = np.isfinite(flat[start : start + _SLICE])
        if not finite.all():
            first = start + int(np.argmin(finite))
            index = tuple(int(i) for i in np.unravel_index(first, array.shape))
            raise ModelError(
                f"{what} is {flat[first]} at {index}, as float32; expected finite numbers: "
                "the file is damaged, or was exported from a model that diverged"
            )
