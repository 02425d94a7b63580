"""How a report came about: by which command, when, on what machine, how long each part took, how much memory."""

import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refnet.version import __version__


@dataclass(frozen=True)
class Circumstances:
    """What a report says of its making that it cannot find out itself.

    Attributes
    ----------
    command : the command line, word by word.
    machine : processor, cores, memory, system; plain values.
    versions : of the packages that took part, None for those that are not installed.
    """

    command: Sequence[str] = ()
    machine: Mapping[str, Any] | None = None
    versions: Mapping[str, str | None] | None = None


class Stopwatch:
    """How long each part of the work took, in the order in which the parts were begun."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time one part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - began

    @property
    def seconds(self) -> float:
        """Since the watch was made."""
        return time.perf_counter() - self._began


def made_section(circumstances: Circumstances, watch: Stopwatch) -> dict[str, Any]:
    """As report.schema.json has `made`; to be asked last, since it tells the time and the memory until then."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "refnet": __version__,
        "command": list(circumstances.command),
        "seconds": round(watch.seconds, 2),
        "parts": [{"what": name, "seconds": round(seconds, 2)} for name, seconds in watch.parts.items()],
        "peak_mib": round(peak_bytes() / 2**20),
        "machine": dict(circumstances.machine or {}),
        "versions": dict(circumstances.versions or {}),
    }


def peak_bytes() -> int:
    """The most memory that this process had at any time since it began, files that it maps included."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # no Linux: what the kernel counts for the process and, it may be, its parent
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
