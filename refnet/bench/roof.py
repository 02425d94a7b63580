"""What the machine can do at best: fused multiply-adds, and reading memory, measured by vector code of our own.

The roofline (Williams, Waterman and Patterson, CACM 52 (4), 2009): a computation of F operations on B bytes takes at
least ``max(F / peak, B / bandwidth)``.
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from refnet.fast.lanes import WIDTH, fma, load, splat, store
from refnet.graph import Array

CHAINS = 16  # independent sums: more than latency times width of any processor yet
ROUNDS = 5
CACHE_BYTES = 384 << 10  # fits a second-level cache
MEMORY_BYTES = 192 << 20  # fits none


@dataclass(frozen=True)
class Roof:
    """Measured limits of `threads` threads together: 10**9 operations and 10**9 bytes a second."""

    threads: int
    peak_gflops: float
    cache_gbytes: float
    memory_gbytes: float

    def least_seconds(self, flops: float, size_bytes: float) -> float:
        """The least time for so many operations on so many bytes from memory."""
        return max(flops / self.peak_gflops, size_bytes / self.memory_gbytes) / 1e9


def measure_roof(threads: int) -> Roof:
    """Measure the limits; takes about two seconds."""
    repeats = 2_000_000
    peak = _rate(
        threads,
        lambda x: _multiply_add(x, repeats, np.float32(0.75), np.float32(0.25)),
        CHAINS * WIDTH,
        2.0 * CHAINS * WIDTH * repeats,
    )
    cached, far = CACHE_BYTES // 4, MEMORY_BYTES // 4
    return Roof(
        threads=threads,
        peak_gflops=peak,
        cache_gbytes=_rate(threads, lambda x: _read(x, 400), cached, 400.0 * CACHE_BYTES),
        memory_gbytes=_rate(threads, lambda x: _read(x, 1), far, float(MEMORY_BYTES)),
    )


def _rate(threads: int, work: Callable[[Array], None], values: int, each: float) -> float:
    """10**9 things a second of all threads together, each doing `each` things on an array of its own; the best round."""
    arrays = [np.ones(values, np.float32) for _ in range(threads)]
    for array in arrays:
        work(array)
    seconds = []
    for _ in range(ROUNDS):
        start_together = threading.Barrier(threads + 1)

        def run(array: Array, start: threading.Barrier = start_together) -> None:
            start.wait()
            work(array)

        team = [threading.Thread(target=run, args=(array,)) for array in arrays]
        for thread in team:
            thread.start()
        start_together.wait()
        begun = time.perf_counter()
        for thread in team:
            thread.join()
        seconds.append(time.perf_counter() - begun)
    return threads * each / min(statistics.median(seconds), *seconds) / 1e9


@njit(nogil=True)
def _multiply_add(x, repeats, factor, summand):  # type: ignore[no-untyped-def]
    """Sixteen chains of x = x * factor + summand in registers; the compiler must not know the numbers."""
    m, s = splat(factor), splat(summand)
    a, b, c, d = load(x, 0), load(x, 16), load(x, 32), load(x, 48)
    e, f, g, h = load(x, 64), load(x, 80), load(x, 96), load(x, 112)
    i, j, k, r = load(x, 128), load(x, 144), load(x, 160), load(x, 176)
    n, o, p, q = load(x, 192), load(x, 208), load(x, 224), load(x, 240)
    for _ in range(repeats):
        a, b, c, d = fma(a, m, s), fma(b, m, s), fma(c, m, s), fma(d, m, s)
        e, f, g, h = fma(e, m, s), fma(f, m, s), fma(g, m, s), fma(h, m, s)
        i, j, k, r = fma(i, m, s), fma(j, m, s), fma(k, m, s), fma(r, m, s)
        n, o, p, q = fma(n, m, s), fma(o, m, s), fma(p, m, s), fma(q, m, s)
    for at, value in ((0, a), (16, b), (32, c), (48, d), (64, e), (80, f), (96, g), (112, h)):
        store(x, at, value)
    for at, value in ((128, i), (144, j), (160, k), (176, r), (192, n), (208, o), (224, p), (240, q)):
        store(x, at, value)


@njit(nogil=True)
def _read(x, repeats):  # type: ignore[no-untyped-def]
    """Read an array from end to end, some times."""
    one = splat(np.float32(0.5))
    a = b = c = d = splat(np.float32(0))
    for _ in range(repeats):
        for at in range(0, x.size - 63, 64):
            a, b = fma(load(x, at), one, a), fma(load(x, at + 16), one, b)
            c, d = fma(load(x, at + 32), one, c), fma(load(x, at + 48), one, d)
    store(x, 0, a)
    store(x, 16, b)
    store(x, 32, c)
    store(x, 48, d)
