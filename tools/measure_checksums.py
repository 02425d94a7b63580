"""What checking a file of packed weights costs a start, with checksums of several kinds.

    python tools/measure_checksums.py [MEGABYTES [ROUNDS]]

A file is read in blocks of 1 MiB from the page cache, as `refnet.fast.weights_cache` does, and a checksum of each block
is computed. The checksums take turns. Times are those of the one core that does it, the least of all rounds.
"""

import hashlib
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure_load import machine

BLOCK_BYTES = 1 << 20
WEIGHTS = np.random.default_rng(0).integers(0, 2**63, BLOCK_BYTES // 8, dtype=np.uint64)


def digest(name: str, block: Any) -> bytes:
    """A digest of hashlib's."""
    return hashlib.new(name, block).digest()


CHECKSUMS: dict[str, Callable[[Any], object]] = {
    "none, reading alone": lambda _: None,
    "sum of 64-bit words": lambda block: np.frombuffer(block, np.uint64).sum(),
    "weighted sum of them": lambda block: np.dot(np.frombuffer(block, np.uint64), WEIGHTS),
    "CRC-32 (zlib)": zlib.crc32,
    "Adler-32 (zlib)": zlib.adler32,
    "SHA-256": partial(digest, "sha256"),
    "BLAKE2b": partial(digest, "blake2b"),
}


def measure(checksum: Callable[[Any], object], path: Path) -> float:
    """Seconds of a core to check a file once."""
    block = memoryview(bytearray(BLOCK_BYTES))
    start = time.thread_time()
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):  # type: ignore[attr-defined]
            checksum(block)
    return time.thread_time() - start


def main() -> None:
    """Measure and print the table."""
    megabytes, rounds = (int(text) for text in (sys.argv[1:] + ["260", "25"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights")
        path.write_bytes(np.random.default_rng(0).bytes(megabytes * 1_000_000 // BLOCK_BYTES * BLOCK_BYTES))
        size_bytes = path.stat().st_size
        best = dict.fromkeys(CHECKSUMS, float("inf"))
        for _ in range(rounds):
            for name, checksum in CHECKSUMS.items():
                best[name] = min(best[name], measure(checksum, path))
    print(f"{machine()}; zlib {zlib.ZLIB_RUNTIME_VERSION}")
    print(f"{size_bytes / 1e6:.0f} MB from the page cache, one core, the least of {rounds} rounds by turns\n")
    for name, seconds in best.items():
        print(f"{name:22} {1000 * seconds:5.0f} ms {size_bytes / seconds / 1e9:6.1f} GB/s")


if __name__ == "__main__":
    main()
