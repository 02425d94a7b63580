"""Keep packed weights on disk, and map them into memory instead of packing them again.

A file is named by what its content follows from: the network's weights, the way they are packed, the sources that
pack them. Processes that map the same file share its memory. Layout, little-endian:

    magic, 16 bytes | digest of the header's rest, 32 bytes | number of values, 8 bytes | checksums, 4 bytes each |
    zeros to the next 4096 | float32 values

Every opening computes a CRC-32 (zlib's) of each block of 1 MiB and compares them with the header. Within a block it
finds every burst of up to 32 wrong bits, any two wrong bits and any two exchanged values, wherever they are; all else,
such as exchanged pages, it misses with a probability of 2^-32. It reads the file without mapping a page of it: 259 MB
in 47 ms of one core from the page cache, 14 ms with sums that are blind to order, 141 ms with SHA-256
(tools/measure_checksums.py; AMD EPYC, zlib 1.2.13).

Checksums are no defence against malice. That is `refnet.cache_folder`: only files that nobody else can have written are
opened. A file that fails is made anew.

Files are never changed: they are written beside their name, renamed, and deleted, so whoever has one open keeps it.
When all files together are larger than a limit, those used longest ago are deleted.
"""

import hashlib
import logging
import mmap
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from refnet.cache_folder import cache_folder, make_own_folder
from refnet.errors import UsageError
from refnet.fast.cache_folder import last_used, mark_used, open_kept, remove, say_once, sources_digest
from refnet.files import replacing, sweep
from refnet.graph import Array, Graph

_log = logging.getLogger(__name__)

LIMIT_BYTES = 4 << 30
_DIGEST_BYTES = hashlib.sha256().digest_size
_MAGIC = b"refnet weights 2"
_COUNT_AT = len(_MAGIC) + _DIGEST_BYTES
_PAGE = 4096
_BLOCK = 1 << 18  # values that have a checksum: 1 MiB
_CHECKSUM_BYTES = 4


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
    opened = open_kept(path)
    if opened is None:
        return None
    with opened as file:
        try:
            count = int.from_bytes(file.read(_COUNT_AT + 8)[_COUNT_AT:], "little")
            start = _header_bytes(count)
            if file.seek(0, os.SEEK_END) != start + 4 * count:
                _log.info("%s is of no use: it is cut short, or not such a file", path)
                return None
            file.seek(0)
            if file.read(start) != _header(path.stem, count, _checksums_of_file(file)):
                _log.info("%s is of no use: its checksums are wrong", path)
                return None
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # a file that cannot be read, or is empty
            _log.info("%s is of no use: %s", path, error)
            return None
    mark_used(path)
    return PackedWeights(np.frombuffer(content, np.float32, count, start), content)


def _write(path: Path, weights: Array, limit_bytes: int) -> None:
    """Put a file in its place, and delete those used longest ago where it gets narrow."""
    make_own_folder(path.parent)
    sweep(path.parent)
    with replacing(path, private=True, swept=True) as file:
        file.write(_header(path.stem, len(weights), _checksums(weights)))
        file.write(weights.data)
    others = sorted((other for other in path.parent.iterdir() if other != path), key=last_used, reverse=True)
    room = limit_bytes - path.stat().st_size
    for other in others:
        try:
            room -= other.stat().st_size
        except OSError:  # gone meanwhile
            continue
        if room < 0:
            remove(other)


def _header(key: str, count: int, checksums: Array) -> bytes:
    """What a file of so many weights with these checksums begins with."""
    told = count.to_bytes(8, "little") + checksums.astype("<u4").tobytes()
    start = _MAGIC + hashlib.sha256(key.encode() + told).digest() + told
    return start.ljust(_header_bytes(count), b"\0")


def _header_bytes(count: int) -> int:
    """Where values begin: at the first page that the header leaves free."""
    told = _COUNT_AT + 8 + _CHECKSUM_BYTES * -(-count // _BLOCK)
    return -(-told // _PAGE) * _PAGE


def _checksums(weights: Array) -> Array:
    """The CRC-32 of each block."""
    return np.array(
        [zlib.crc32(weights[at : at + _BLOCK].data) for at in range(0, len(weights), _BLOCK)], dtype=np.uint32
    )


def _checksums_of_file(file: FileIO) -> Array:
    """The same, of the weights that begin where the file stands, without mapping any."""
    block, checksums = np.empty(_BLOCK, dtype=np.float32), []
    while size := file.readinto(block.data):
        checksums.append(zlib.crc32(block.data.cast("B")[:size]))
    return np.array(checksums, dtype=np.uint32)
