"""What the processor calls itself, for the line under every measured figure."""

import platform
from pathlib import Path


def processor() -> str:
    """The model name that Linux gives; elsewhere what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
