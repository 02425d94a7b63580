"""``.npz`` files: read though anyone may have made them, and written the same way every time.

No pickles, and no more memory than the file has bytes for; the same arrays give the same bytes.
"""

import hashlib
import math
import zipfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Self

import numpy as np

from refnet.errors import InputError
from refnet.graph import Array
from refnet.opening import open_regular, reading

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip knows
DEFLATED_MOST = 1032  # bytes that one byte of zlib's deflate can stand for (zlib.net/zlib_tech.html)
CHUNK_BYTES = 1 << 20


class Archive(zipfile.ZipFile):
    """A zip archive in a regular file; raises what `open_regular` and zipfile raise."""

    _opened: BufferedReader | None = None

    def __init__(self, path: Path):
        self._opened = open_regular(path)
        try:
            super().__init__(self._opened)
        except BaseException:
            self._opened.close()
            raise

    def close(self) -> None:
        """Close the file too, which zipfile leaves to whoever opened it."""
        super().close()
        if self._opened is not None:
            self._opened.close()


class NpzFile:
    """The arrays of a ``.npz``, read one at a time when they are asked for.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for messages: "a gallery".

    Raises
    ------
    InputError
        If the file is missing or is no zip archive.
    """

    def __init__(self, path: Path, what: str):
        self.path = path
        self._what = what
        with reading(path, InputError, f"not {what}, or damaged"):
            self._archive = Archive(path)
        self._members = {info.filename.removesuffix(".npy"): info for info in self._archive.infolist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> tuple[str, ...]:
        """What it holds."""
        return tuple(self._members)

    def array(self, name: str) -> Array:
        """One array by its name.

        Raises
        ------
        InputError
            If it is not there, is damaged, or holds Python objects.
        """
        info = self._member(name)
        why = f"the part {name!r} is damaged or not an array"
        with reading(self.path, InputError, why), self._archive.open(info) as member:
            return read_array(member, size_of(info, self._archive))

    def sha256(self, name: str) -> str:
        """The digest of an array as it is stored, header and all."""
        digest = hashlib.sha256()
        info = self._member(name)
        with reading(self.path, InputError, f"the part {name!r} is damaged"), self._archive.open(info) as member:
            for chunk in _chunks(member):
                digest.update(chunk)
        return digest.hexdigest()

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise InputError(f"{self.path}: not {self._what}, or damaged; it has no part {name!r}")
        return self._members[name]


def write_array(archive: zipfile.ZipFile, name: str, array: Array) -> str:
    """Add an array to an archive that is being written; returns what `NpzFile.sha256` will say of it."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as member:
        tally = _Tally(member)
        np.lib.format.write_array(tally, np.asarray(array), allow_pickle=False)
    return tally.digest.hexdigest()


class _Tally:
    """A file that is written to another, and digested on the way."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self._file.write(content)


def size_of(info: zipfile.ZipInfo, archive: zipfile.ZipFile) -> int:
    """Bytes of a member as its archive says, at most as many as the archive can hold, packed as tight as can be."""
    file = archive.fp
    assert file is not None
    return min(info.file_size, file.seek(0, 2) * DEFLATED_MOST)


def read_array(member: IO[bytes], size: int) -> Array:
    """Read one ``.npy`` of a known size, which must hold just what its header promises.

    Raises
    ------
    ValueError
        If it promises more or less than there is, or holds Python objects.
    """
    version = np.lib.format.read_magic(member)
    if version not in HEADERS:
        raise ValueError(f"it has version {version} of the .npy format; refnet reads (1, 0) and (2, 0)")
    shape, fortran, dtype = HEADERS[version](member)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    promised = math.prod(shape) * dtype.itemsize
    if promised > size:
        raise ValueError(f"it promises {promised} bytes, and has fewer")
    content = np.empty(promised, np.uint8)
    there = 0
    for chunk in _chunks(member):
        if there + len(chunk) <= promised:
            content[there : there + len(chunk)] = np.frombuffer(chunk, np.uint8)
        there += len(chunk)
    if there != promised:
        raise ValueError(f"it promises {promised} bytes, and has {there}")
    flat = content.view(dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _chunks(member: IO[bytes]) -> Iterator[bytes]:
    """The rest of a member, piece by piece."""
    while chunk := member.read(CHUNK_BYTES):
        yield chunk
