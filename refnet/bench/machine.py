"""The machine that figures are measured on: what it calls itself, its caches, its memory."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from refnet.fast.team import usable_cores

_FEATURES = ("avx", "fma", "avx2", "avx512f", "asimd", "sve")
_PACKAGES = ("numpy", "numba", "llvmlite", "onnx")
_KILO = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def processor() -> str:
    """The model name that Linux gives; elsewhere what Python knows."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What has to stand beside every figure: processor, cores, caches, memory, system, versions."""
    said = _cpuinfo()
    flags = (said.get("flags") or said.get("Features") or "").split()
    return {
        "processor": processor(),
        "family_model": [said.get("cpu family"), said.get("model")],
        "features": [name for name in _FEATURES if name in flags],
        "cores": usable_cores(),
        "caches_bytes": {f"L{level}": size for level, size in sorted(caches().items())},
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: installed(name) for name in _PACKAGES},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def sentence(where: dict[str, Any]) -> str:
    """The machine in one line, from what `machine` gave."""
    family, model = where["family_model"]
    name = where["processor"] + (f" (family {family}, model {model})" if family and model else "")
    cores = where["cores"]
    versions = ", ".join(f"{name} {where[name]}" for name in _PACKAGES if where[name])
    features = ", ".join(where["features"])
    return f"{name}, {features}, {cores} core{'s' * (cores != 1)}; Python {where['python']}, {versions}"


def installed(package: str) -> str | None:
    """The version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def caches() -> dict[int, int]:
    """Bytes of each level of data cache of the first core, where Linux says so; empty elsewhere."""
    found = {}
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found[int(level)] = int(size[:-1]) * _KILO[size[-1]] if size[-1] in _KILO else int(size)
    return found


def available_bytes() -> int:
    """Memory that can be had without swapping: MemAvailable, or all there is where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpuinfo() -> dict[str, str]:
    """/proc/cpuinfo of the first core."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
