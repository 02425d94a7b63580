"""How long a process takes to its first embedding, and its peak memory, beside onnxruntime.

    python tools/measure_start.py MODEL [ROUNDS]

Every process starts Python, imports, loads the file and computes one image with one thread; the subjects take turns.
Caches are warm: the page cache, Python's byte code, refnet's kernels and packed weights. Seconds are those of the whole
process, from its making to its end. The peak is its largest resident set, Python and libraries included.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure_load import machine

from refnet.runtimes import silence

CHILD = """
import json, resource, sys
import numpy as np
x = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
{code}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

REFNET = "import refnet; refnet.load(sys.argv[1], threads=1, memory={memory!r})(x)"
ONNXRUNTIME = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level, options.intra_op_num_threads = 3, 1
onnxruntime.InferenceSession(sys.argv[1], options).run(None, {"data": x})
"""
SUBJECTS = {
    "refnet": REFNET.format(memory="default"),
    'refnet, memory="low"': REFNET.format(memory="low"),
    "onnxruntime": ONNXRUNTIME,
}


def measure(code: str, model: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak bytes of one fresh process."""
    command = [sys.executable, "-c", CHILD.replace("{code}", code), str(model)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return time.perf_counter() - start, json.loads(done.stdout)


def main() -> None:
    """Measure and print the table."""
    silence()  # children inherit it
    model = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    size_bytes = model.stat().st_size
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for code in SUBJECTS.values():
            measure(code, model, environment)
        for _ in range(rounds):
            for name, taken in samples.items():
                taken.append(measure(SUBJECTS[name], model, environment))

    print(machine())
    print(f"{model.name}: {size_bytes:,} bytes; medians of {rounds} processes each, by turns; one thread, one image\n")
    print(f"{'':22} {'start to embedding':>18} {'peak':>8} {'peak / file':>12}")
    seconds = {}
    for name, taken in samples.items():
        seconds[name], peak = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{name:22} {seconds[name]:16.2f} s {peak / 1e6:5.0f} MB {peak / size_bytes:12.2f}")
    ratios = [mine / theirs for (mine, _), (theirs, _) in zip(samples["refnet"], samples["onnxruntime"], strict=True)]
    print(
        f"\nstart, refnet / onnxruntime: {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main()
