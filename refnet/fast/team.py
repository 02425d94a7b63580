"""A team of threads that run one function together.

    team = Team(threads)
    team.run(function, *args)         # function(rank, *args) on every rank at once; back when all are done

Threads sleep between runs and cost nothing. Waking them takes tens of microseconds, meeting within a run (see
`meeting`) a hundredth of that: so an engine wakes its team once for an image, and its ranks meet once a layer. The
function must let go of the interpreter (``nogil``), else ranks take turns.

Does not decide who does what: ranks divide the work among themselves.
"""

import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

from refnet.errors import UsageError
from refnet.fast.meeting import ABANDONED, meeting_place
from refnet.graph import Array


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
    meeting : int64 array
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
        self._tasks: list[queue.SimpleQueue[Any]]
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
        if len(self._tasks) < self.threads - 1:
            self._tasks = [queue.SimpleQueue() for _ in range(1, self.threads)]
            for rank, tasks in enumerate(self._tasks, start=1):
                threading.Thread(target=_serve, args=(rank, tasks), name=f"refnet-{rank}", daemon=True).start()
            weakref.finalize(self, _dismiss, self._tasks)
        return self._tasks

    def _begin_anew(self) -> None:
        """Forget threads that do not exist, and a turn that someone else had: a new team, or a forked one."""
        self._turn = threading.Lock()
        self._tasks = []
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
        meeting[ABANDONED] = 1
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
