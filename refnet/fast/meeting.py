"""Where the ranks of a team wait for each other, inside compiled code.

    wait_for_all(meeting, ranks)      # go on when all ranks are here

A meeting costs what it takes one core to see what another wrote. Ranks that come early spin, and after a few
microseconds let other threads run in between: the one they wait for may need their core.

Source: the centralised barrier of Mellor-Crummey and Scott, ACM TOCS 9 (1), 1991, algorithm 7, with a phase number
for its sense.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from refnet.graph import Array

# The words of a meeting place. Each has 128 bytes of its own, two cache lines: neighbours are fetched in pairs.
_APART = 16
ARRIVED, PHASE, ABANDONED = 0, _APART, 2 * _APART
_SPINS = 100  # where two ranks share a core, 2000 made a meeting five times as long
_WORD_BYTES = 8


def meeting_place() -> Array:
    """Where ranks count themselves: (48,) int64, zeros."""
    return np.zeros(3 * _APART, dtype=np.int64)


@njit(nogil=True)
def wait_for_all(meeting, ranks):
    """Return when all ranks have called this as often; what each wrote before is then seen by every other.

    The last to arrive begins the next phase, which the others watch for. Returns at once where a run was given up.
    """
    if ranks == 1:
        return
    phase: int = _load(meeting, PHASE)
    if _add(meeting, ARRIVED, 1) == ranks - 1:
        _store(meeting, ARRIVED, 0)  # before the phase: who sees the next one may arrive again
        _store(meeting, PHASE, phase + 1)
        return
    spins = 0
    while _load(meeting, PHASE) == phase and _load(meeting, ABANDONED) == 0:
        if spins < _SPINS:
            spins += 1
            _pause()
        else:
            _yield()


def _word(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The address of arguments[0][arguments[1]]."""
    data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def _load(typing_context, meeting, index):
    """meeting[index], with all that was written before it was set."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_word(context, builder, signature, arguments), "acquire", _WORD_BYTES)

    return types.int64(meeting, types.int64), codegen


@intrinsic
def _store(typing_context, meeting, index, value):
    """meeting[index] = value, after all that was written before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _word(context, builder, signature, arguments), "release", _WORD_BYTES)
        return context.get_dummy_value()

    return types.void(meeting, types.int64, types.int64), codegen


@intrinsic
def _add(typing_context, meeting, index, value):
    """What meeting[index] was before value was added, in one step that no other rank can come into."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _word(context, builder, signature, arguments), arguments[2], "acq_rel")

    return types.int64(meeting, types.int64, types.int64), codegen


@intrinsic
def _pause(typing_context):
    """Tell the core that this is a spin: it saves power, and leaves more to a sibling thread."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if builder.module.triple.startswith(("x86_64", "i686")):
            _call(builder, ir.VoidType(), "llvm.x86.sse2.pause")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _yield(typing_context):
    """POSIX sched_yield: let another thread have this core."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _call(builder, ir.IntType(32), "sched_yield")
        return context.get_dummy_value()

    return types.void(), codegen


def _call(builder: Any, result: Any, name: str) -> None:
    """Call a function without arguments that LLVM or the C library has."""
    builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, []), name), [])
