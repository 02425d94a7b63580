"""A team of threads that run one compiled function together, and the place where they wait for each other.

    team = Team(threads)
    team.run(function, *args)         # function(rank, *args) on every rank at once; back when all are done
    wait_for_all(meeting, ranks)      # inside compiled code: go on when all ranks are here

Threads sleep between runs and cost nothing; within a run they meet by spinning, which is a thousand times cheaper
than waking (a meeting takes well under a microsecond, a wake-up tens of them). So an engine wakes its team once for
an image and meets once a layer. The function must let go of the interpreter (``nogil``), else ranks take turns.

Does not decide who does what: ranks divide the work among themselves.
"""

import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from refnet.errors import UsageError
from refnet.graph import Array

# Words of a meeting place. Each has 128 bytes of its own, two cache lines: neighbours are fetched in pairs.
_APART = 16
_ARRIVED, _PHASE, _ABANDONED = 0, _APART, 2 * _APART
_SPINS = 2000  # some tens of microseconds; whoever is not here by then is likely not running


class Team:
    """Threads that run a function together.

    Any number of Python threads may call `run`: the calls take turns. A team outlives `fork`; the child makes itself
    new threads when it first needs them. A run may not start another run of its own team.

    Parameters
    ----------
    threads : int
        At least 1. More than there are cores works, and is slow.

    Attributes
    ----------
    threads : int
    meeting : (48,) int64
        What to hand to `wait_for_all`. Belongs to the run that is on.

    Examples
    --------
    >>> team = Team(3)
    >>> seen = [None] * 3
    >>> team.run(seen.__setitem__, "here")
    >>> seen
    ['here', 'here', 'here']
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise UsageError(f"threads = {threads}; expected at least 1")
        self.threads = threads
        self.meeting = meeting_place()
        self._begin_anew()
        _teams.add(self)

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Call function(rank, *args) on every rank, 0 on the calling thread, and return when all have returned.

        If a rank raises, meetings no longer wait for anyone, and when all have returned the error of the lowest rank
        that failed is raised. What the others computed is void.
        """
        with self._turn:
            members = self._members()
            for tasks in members:
                tasks.put((function, args, self._finished, self.meeting))
            errors = {0: _attempt(0, function, args, self.meeting)}
            while len(errors) < self.threads:
                try:
                    rank, error = self._finished.get()
                    errors[rank] = error
                except KeyboardInterrupt as interrupt:  # the others still use what belongs to the caller
                    errors[0] = interrupt
            failed = [error for _, error in sorted(errors.items()) if error is not None]
            if failed:
                self.meeting[:] = 0
                raise failed[0]

    def _members(self) -> list["queue.SimpleQueue[Any]"]:
        """The task queues of ranks 1 and up, whose threads are started the first time."""
        if not self._tasks:
            self._tasks = [queue.SimpleQueue() for _ in range(1, self.threads)]
            for rank, tasks in enumerate(self._tasks, start=1):
                threading.Thread(target=_serve, args=(rank, tasks), name=f"refnet-{rank}", daemon=True).start()
            weakref.finalize(self, _dismiss, self._tasks)
        return self._tasks

    def _begin_anew(self) -> None:
        """Forget threads that do not exist, and a turn that someone else had: a new team, or a forked one."""
        self._turn = threading.Lock()
        self._tasks: list[queue.SimpleQueue[Any]] = []
        self._finished: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()
        self.meeting[:] = 0


_teams: "weakref.WeakSet[Team]" = weakref.WeakSet()


def _restart_teams() -> None:
    """In the child of a fork: only the thread that forked is left."""
    for team in list(_teams):
        team._begin_anew()


os.register_at_fork(after_in_child=_restart_teams)


def _serve(rank: int, tasks: "queue.SimpleQueue[Any]") -> None:
    """The life of a thread: one task after the other until there are no more. Holds nothing between tasks."""
    while (task := tasks.get()) is not None:
        function, args, finished, meeting = task
        error = _attempt(rank, function, args, meeting)
        del task, function, args
        finished.put((rank, error))
        del error, finished, meeting


def _attempt(rank: int, function: Callable[..., object], args: tuple[Any, ...], meeting: Array) -> BaseException | None:
    """The error that came of a rank's part, if any; its meetings are off then."""
    try:
        function(rank, *args)
    except BaseException as error:
        meeting[_ABANDONED] = 1
        return error
    return None


def _dismiss(all_tasks: list["queue.SimpleQueue[Any]"]) -> None:
    """Let the threads of a team that is no more end."""
    for tasks in all_tasks:
        tasks.put(None)


def usable_cores() -> int:
    """How many threads can run at once: the cores this process may use, or fewer where a container has a quota.

    Linux cgroups, version 2: ``cpu.max`` of the process's own group. A team larger than this would spin in vain.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def meeting_place() -> Array:
    """Where ranks count themselves: (48,) int64, zeros."""
    return np.zeros(3 * _APART, dtype=np.int64)


# For kernels.


@njit(nogil=True)
def wait_for_all(meeting, ranks):  # type: ignore[no-untyped-def]
    """Return when all ranks have called this as often; what each wrote before is then seen by every other.

    The last to arrive begins the next phase, which the others watch for: first by spinning, then letting other
    threads run in between. Returns at once from a run that was given up.

    Source: the centralised barrier of Mellor-Crummey and Scott, ACM TOCS 9 (1), 1991, algorithm 7, with a phase
    number for its sense.
    """
    if ranks == 1:
        return
    phase = _load(meeting, _PHASE)
    if _add(meeting, _ARRIVED, 1) == ranks - 1:
        _store(meeting, _ARRIVED, 0)  # before the phase: who sees the next one may arrive again
        _store(meeting, _PHASE, phase + 1)
        return
    spins = 0
    while _load(meeting, _PHASE) == phase and _load(meeting, _ABANDONED) == 0:
        if spins < _SPINS:
            spins += 1
            _pause()
        else:
            _yield()


_WORD = ir.IntType(64)
_BYTES = 8


def _word(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    """The address of arguments[0][arguments[1]]."""
    data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def _load(typing_context, meeting, index):  # type: ignore[no-untyped-def]
    """meeting[index], with all that was written before it was set."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_word(context, builder, signature, arguments), "acquire", _BYTES)

    return types.int64(meeting, types.int64), codegen


@intrinsic
def _store(typing_context, meeting, index, value):  # type: ignore[no-untyped-def]
    """meeting[index] = value, after all that was written before."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.store_atomic(arguments[2], _word(context, builder, signature, arguments), "release", _BYTES)
        return context.get_dummy_value()

    return types.void(meeting, types.int64, types.int64), codegen


@intrinsic
def _add(typing_context, meeting, index, value):  # type: ignore[no-untyped-def]
    """What meeting[index] was before value was added, in one step that no other rank can come into."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.atomic_rmw("add", _word(context, builder, signature, arguments), arguments[2], "acq_rel")

    return types.int64(meeting, types.int64, types.int64), codegen


@intrinsic
def _pause(typing_context):  # type: ignore[no-untyped-def]
    """Tell the core that this is a spin: it saves power, and leaves more to a sibling thread."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if builder.module.triple.startswith(("x86_64", "i686")):
            _call(builder, ir.VoidType(), "llvm.x86.sse2.pause")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _yield(typing_context):  # type: ignore[no-untyped-def]
    """POSIX sched_yield: let another thread have this core."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _call(builder, ir.IntType(32), "sched_yield")
        return context.get_dummy_value()

    return types.void(), codegen


def _call(builder, result, name):  # type: ignore[no-untyped-def]
    """Call a function without arguments that LLVM or the C library has."""
    builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, []), name), [])
