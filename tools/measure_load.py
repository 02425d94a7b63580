"""How long refnet and onnxruntime take from a path to a model, and how much memory, side by side.

    python tools/measure_load.py MODEL [ROUNDS]

Every load is the only one of its process; the two take turns, so that both see the same machine; the page cache is
warm. Figures are medians. The peak is the process's largest resident set, Python and libraries included.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from refnet.bench.machine import processor
from refnet.runtimes import silence

CHILD = """
import json, resource, sys, time
start = time.perf_counter()
{imports}
imported = time.perf_counter()
model = {load}
loaded = time.perf_counter()
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([imported - start, loaded - imported, peak_bytes]))
"""

LOADERS = {
    "refnet": {
        "imports": "from pathlib import Path; from refnet.formats.onnx_reader import read_model",
        "load": "read_model(Path(sys.argv[1]))",
    },
    "onnxruntime": {
        "imports": "import onnxruntime; options = onnxruntime.SessionOptions(); options.log_severity_level = 3",
        "load": "onnxruntime.InferenceSession(sys.argv[1], options)",
    },
}


def measure(loader: str, model: Path) -> list[float]:
    """Seconds to import, seconds to load, and peak bytes, of one fresh process."""
    command = [sys.executable, "-c", CHILD.format(**LOADERS[loader]), str(model)]
    result: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def machine() -> str:
    """The processor and the versions that the figures belong to."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "onnx", "onnxruntime"))
    return f"{processor()}, {os.cpu_count()} threads; Python {platform.python_version()}, {packages}"


def main() -> None:
    """Measure and print the table."""
    silence()  # children inherit it
    model = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    size_bytes = model.stat().st_size
    for loader in LOADERS:
        measure(loader, model)  # fills the page cache, and compiles Python's own files
    samples: dict[str, list[list[float]]] = {loader: [] for loader in LOADERS}
    for _ in range(rounds):
        for loader, taken in samples.items():
            taken.append(measure(loader, model))

    print(machine())
    print(f"{model.name}: {size_bytes:,} bytes; medians of {rounds} processes each, by turns\n")
    print(f"{'':12} {'import':>9} {'load':>9} {'peak':>10} {'peak / file':>12}")
    loads = {}
    for loader, taken in samples.items():
        imported, loads[loader], peak = (statistics.median(column) for column in zip(*taken, strict=True))
        megabytes = peak / 1e6
        print(f"{loader:12} {imported:7.3f} s {loads[loader]:7.3f} s {megabytes:7.0f} MB {peak / size_bytes:12.2f}")
    print(f"\nload, refnet / onnxruntime: {loads['refnet'] / loads['onnxruntime']:.2f}")


if __name__ == "__main__":
    main()
