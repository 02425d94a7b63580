"""What the machine can do at most, measured: fused multiply-adds, and bytes from the caches and from memory.

Both kernels are made of the same sixteen lanes as those of the fast engine, and do nothing but what they measure. A
ceiling is the best of several runs: whatever disturbs a run makes it slower, never faster. With several threads each
core has data of its own, as large, and the figure is the sum.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from refnet.bench.machine import caches
from refnet.fast.kernels.register_block import VECTORS
from refnet.fast.lanes import INDEX, VECTOR, WIDTH, address, emit_fma, emit_load, emit_store, fma, load, splat, store
from refnet.fast.pack import zeros
from refnet.fast.team import Team
from refnet.graph import Array

CHAINS = 12 if VECTORS == 2 else 5  # that hide the latency of a multiply-add and fit into the registers
_ROUNDS = 500_000
_BYTES_A_RUN = 1 << 28
_RUNS = 5
_L2_BYTES, _L3_BYTES, _MOST_BYTES = 1 << 20, 1 << 25, 1 << 29  # where the system does not say; and never more


@dataclass(frozen=True)
class Ceilings:
    """Of so many threads together.

    flops_per_second : float
        Multiply-adds of float32 counted as two.
    l2_bytes_per_second, memory_bytes_per_second : float
        Read.
    cache_bytes : int
        Of the last level: what is larger comes from memory.
    """

    threads: int
    flops_per_second: float
    l2_bytes_per_second: float
    memory_bytes_per_second: float
    cache_bytes: int

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        return asdict(self)


def measure_ceilings(threads: int) -> Ceilings:
    """Measure; about two seconds."""
    team, sizes = Team(threads), caches()
    l2, last = sizes.get(2, _L2_BYTES), max([_L3_BYTES, *sizes.values()])
    results = zeros(threads * WIDTH * CHAINS)

    def multiply(rank: int) -> None:
        chains(results, rank * WIDTH * CHAINS, _ROUNDS)

    flops = 2 * WIDTH * CHAINS * _ROUNDS * threads / _best(lambda: team.run(multiply))
    return Ceilings(threads, flops, _bandwidth(team, l2 // 2), _bandwidth(team, min(2 * last, _MOST_BYTES)), last)


def _bandwidth(team: Team, size: int) -> float:
    """Bytes a second that all ranks read together, each over and over from `size` bytes of its own."""
    count = size // 4 // (4 * WIDTH) * 4 * WIDTH
    arrays = [zeros(count) for _ in range(team.threads)]
    for array in arrays:
        array[:] = 1
    times, results = max(1, _BYTES_A_RUN // size), zeros(team.threads * WIDTH)

    def read(rank: int) -> None:
        total(arrays[rank], times, results, rank * WIDTH)

    return 4 * count * times * team.threads / _best(lambda: team.run(read))


def _best(run: Callable[[], object]) -> float:
    """Seconds of the fastest run; the first one compiles."""
    run()
    taken = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


@njit(nogil=True)
def total(x: Array, times: int, result: Array, at: int) -> None:
    """Add up x as often as said, in four chains, and store the sixteen sums."""
    one = splat(np.float32(1))
    a = b = c = d = splat(np.float32(0))
    for _ in range(times):
        for i in range(0, x.size, 4 * WIDTH):
            a = fma(load(x, i), one, a)
            b = fma(load(x, i + WIDTH), one, b)
            c = fma(load(x, i + 2 * WIDTH), one, c)
            d = fma(load(x, i + 3 * WIDTH), one, d)
    store(result, at, fma(a, one, fma(b, one, fma(c, one, d))))


@njit(nogil=True)
def chains(result: Array, at: int, rounds: int) -> None:
    """`CHAINS` chains of multiply-adds side by side, from result and back to it."""
    _chains(result, at, rounds)


@intrinsic
def _chains(typing_context, result, at, rounds):  # type: ignore[no-untyped-def]
    """Repeat v = v * v + v for each of `CHAINS` values, so often; zeros stay zeros, and take as long as anything."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result, at, rounds = arguments
        places = [
            address(context, builder, signature.args[0], result, builder.add(at, ir.Constant(INDEX, n * WIDTH)))
            for n in range(CHAINS)
        ]
        first, before = [emit_load(builder, place) for place in places], builder.block
        loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
        builder.branch(loop)
        builder.position_at_end(loop)
        left, values = builder.phi(INDEX), [builder.phi(VECTOR) for _ in places]
        following = [emit_fma(builder, value, value, value) for value in values]
        left_then = builder.sub(left, ir.Constant(INDEX, 1))
        builder.cbranch(builder.icmp_signed(">", left_then, ir.Constant(INDEX, 0)), loop, end)
        for phi, start, again in [(left, rounds, left_then), *zip(values, first, following, strict=True)]:
            phi.add_incoming(start, before)
            phi.add_incoming(again, loop)
        builder.position_at_end(end)
        for place, value in zip(places, following, strict=True):
            emit_store(builder, value, place)
        return context.get_dummy_value()

    return types.void(result, types.int64, types.int64), codegen
