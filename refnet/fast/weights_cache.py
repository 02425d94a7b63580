"""Keep packed weights on disk, and map them into memory instead of packing them again.

A file is named by what its content follows from: the network's weights, the way they are packed, the sources that
pack them. Processes that map the same file share its memory. Layout, little-endian:

    magic, 16 bytes | digest of the header's rest, 32 bytes | number of values, 8 bytes | sums, 8 bytes each | zeros
    to the next 4096 | float32 values

Every opening adds all bytes up, as 64-bit integers, in blocks of 1 MiB, and holds the sums against the header. That
reads the file at memory's speed (ResNet100: some tens of milliseconds), maps no page of it, and finds a flipped bit, a
lost page, a file cut short; it is no defence against malice, which would find compiled code in the next folder. A file
that fails is made anew.

Files are never changed: they are written beside their name, renamed, and deleted, so whoever has one open keeps it.
When all files together are larger than a limit, those used longest ago are deleted.
"""

import hashlib
import logging
import mmap
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from refnet.cache_folder import cache_folder
from refnet.errors import UsageError
from refnet.fast.cache_folder import last_used, mark_used, remove, say_once, sources_digest
from refnet.files import replacing
from refnet.graph import Array, Graph

_log = logging.getLogger(__name__)

LIMIT_BYTES = 4 << 30
_DIGEST_BYTES = hashlib.sha256().digest_size
_MAGIC = b"refnet weights 1"
_COUNT_AT = len(_MAGIC) + _DIGEST_BYTES
_PAGE = 4096
_BLOCK = 1 << 18  # values in a sum: 1 MiB
_FORGOTTEN_SECONDS = 3600  # a part that old has no writer any more


@dataclass(frozen=True)
class PackedWeights:
    """Weights as kernels read them, and the file that they are mapped from, if they are."""

    values: Array
    mapping: mmap.mmap | None = None

    def let_go(self, first: int, last: int) -> None:
        """Unmap the pages of values[first:last]: they take no memory until they are read again, from the file.

        Weights in memory of their own stay.
        """
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            start = len(self.mapping) - self.values.nbytes  # the values are what the file ends with
            begin = (start + 4 * first) // _PAGE * _PAGE
            self.mapping.madvise(mmap.MADV_DONTNEED, begin, start + 4 * last - begin)


def packed_weights(key: str | None, pack: Callable[[], Array], *, limit_bytes: int = LIMIT_BYTES) -> PackedWeights:
    """Weights as `pack` makes them, from the cache if they are there.

    Parameters
    ----------
    key : str or None
        Of `weights_key`; None does without the cache.
    pack : () -> float32 array of one axis
        Called if there is no sound file.
    limit_bytes : int
        What all files of the cache may take together.

    Returns
    -------
    PackedWeights
        Float32, read-only; from the cache, they begin at a page.
    """
    path = cache_folder("weights") / f"{key}.packed"
    found = _opened(path) if key else None
    if found is not None:
        return found
    weights = pack()
    weights.flags.writeable = False
    if key:
        try:
            _write(path, weights, limit_bytes)
        except (OSError, UsageError) as error:
            say_once(f"packed weights are not kept, and every start packs them anew: {error}")
    return PackedWeights(weights)


def graph_digest(graph: Graph) -> str:
    """A digest of what a network computes: its nodes and constants count, its name and source do not."""
    digest = hashlib.sha256()
    for node in graph.nodes:
        digest.update(repr((node.op, node.inputs, node.output, sorted(node.attributes.items()))).encode())
    digest.update(repr((graph.inputs, graph.outputs)).encode())
    for name in sorted(graph.constants):
        value = graph.constants[name]
        digest.update(repr((name, value.dtype.str, value.shape)).encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


def weights_key(graph: str, *how: object) -> str:
    """A digest of all that packed weights follow from.

    Parameters
    ----------
    graph : str
        Of `graph_digest`.
    how : values with a repr
        Whatever else decides what is packed and where: sizes of inputs, the choice of a layout.
    """
    said = repr((graph, sys.byteorder, np.__version__, sources_digest(), how))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _opened(path: Path) -> PackedWeights | None:
    """The weights in a file, mapped; None if there is no file, or none that is sound."""
    try:
        with path.open("rb", buffering=0) as file:
            count = int.from_bytes(file.read(_COUNT_AT + 8)[_COUNT_AT:], "little")
            start = _header_bytes(count)
            if file.seek(0, os.SEEK_END) != start + 4 * count:
                _log.info("%s is of no use: it is cut short, or not such a file", path)
                return None
            file.seek(0)
            if file.read(start) != _header(path.stem, count, _sums_of_file(file)):
                _log.info("%s is of no use: its sums are wrong", path)
                return None
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # a file that may not be read, or is empty
        _log.info("%s is of no use: %s", path, error)
        return None
    mark_used(path)
    return PackedWeights(np.frombuffer(content, np.float32, count, start), content)


def _write(path: Path, weights: Array, limit_bytes: int) -> None:
    """Put a file in its place, and delete those used longest ago where it gets narrow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(_header(path.stem, len(weights), _sums(weights)))
        file.write(weights.data)
    others = sorted((other for other in path.parent.iterdir() if other != path), key=last_used, reverse=True)
    room = limit_bytes - path.stat().st_size
    for other in others:
        forgotten = other.suffix == ".part" and last_used(other) < time.time() - _FORGOTTEN_SECONDS
        try:
            room -= other.stat().st_size
        except OSError:  # gone meanwhile
            continue
        if room < 0 or forgotten:
            remove(other)


def _header(key: str, count: int, sums: Array) -> bytes:
    """What a file of so many weights with these sums begins with."""
    told = count.to_bytes(8, "little") + sums.astype("<u8").tobytes()
    start = _MAGIC + hashlib.sha256(key.encode() + told).digest() + told
    return start.ljust(_header_bytes(count), b"\0")


def _header_bytes(count: int) -> int:
    """Where values begin: at the first page that the header leaves free."""
    told = _COUNT_AT + 8 + 8 * -(-count // _BLOCK)
    return -(-told // _PAGE) * _PAGE


def _sums(weights: Array) -> Array:
    """The sum of each block, its bytes read as 64-bit integers; an odd value at the end has a zero beside it."""
    blocks = [weights[at : at + _BLOCK] for at in range(0, len(weights), _BLOCK)]
    even = [np.append(block, np.float32(0)) if len(block) % 2 else block for block in blocks]
    return np.array([block.view(np.uint64).sum(dtype=np.uint64) for block in even], dtype=np.uint64)


def _sums_of_file(file: FileIO) -> Array:
    """The same, of the weights that begin where the file stands, without mapping any."""
    block, sums = np.zeros(_BLOCK, dtype=np.float32), []
    while size := file.readinto(block.data):
        sums.append(_sums(block[: size // 4]))
    return np.concatenate(sums) if sums else np.zeros(0, dtype=np.uint64)
