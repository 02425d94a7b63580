"""Time and memory of the float64 reference on the full-size model, beside onnx's own evaluator.

    python tools/measure_reference.py [MODEL.onnx]

Each side runs in a fresh process; onnx's ReferenceEvaluator gets the model converted to opset 17 (it is wrong below
14) and computes in float32. Without MODEL the synthetic model is made in a temporary folder.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from refnet.bench.machine import processor

SIDES = {
    "refnet reference, float64": """
import resource, sys, time
import numpy as np
import refnet
from refnet.zoo.samples import sample_images
net = refnet.load(sys.argv[1], engine="reference")
images = sample_images()[:1]
run = lambda: net(images)
""",
    "onnx ReferenceEvaluator, float32, opset 17": """
import resource, sys, time
import numpy as np
import onnx, onnx.reference, onnx.version_converter
from refnet.zoo.samples import sample_images
model = onnx.version_converter.convert_version(onnx.load(sys.argv[1]), 17)
session = onnx.reference.ReferenceEvaluator(model)
images = sample_images()[:1].astype(np.float32)
run = lambda: session.run(None, {"data": images})
""",
}
MEASURE = """
run()
times = []
for _ in range(5):
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
import json
print(json.dumps({"seconds": sorted(times)[2], "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def main() -> None:
    """Measure both sides three times, in turn, and print medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else _make(Path(folder))
        results: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
        for _ in range(3):
            for name, setup in SIDES.items():
                done = subprocess.run(
                    [sys.executable, "-c", setup + MEASURE, str(path)], check=True, capture_output=True, text=True
                )
                results[name].append(json.loads(done.stdout))
    print(f"{processor()}, Python {platform.python_version()}, NumPy {version('numpy')}, onnx {version('onnx')}")
    for name, runs in results.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        peak = statistics.median(run["peak"] for run in runs)
        print(f"{name:<44} {seconds:6.2f} s an image   peak {peak / 2**20:6.0f} MiB")


def _make(folder: Path) -> Path:
    """The full-size synthetic model."""
    from refnet.zoo.make import make_model

    make_model(folder / "model.onnx")
    return folder / "model.onnx"


if __name__ == "__main__":
    main()
