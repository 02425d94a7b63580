"""Time and memory of the gradient of a similarity in float64, beside PyTorch's autograd, which has to be installed.

    python tools/measure_gradient.py [MODEL.onnx]

Each side runs in a fresh process, in turns, on one image; without MODEL the full-size synthetic model is made in a
temporary folder. The last line is how far the two gradients are apart.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from refnet.bench.machine import processor
from refnet.zoo.make import make_model

TURNS, RUNS = 3, 3
COMMON = """
import json, resource, sys, time
import numpy as np
import refnet
from refnet.zoo.samples import sample_crops
net = refnet.load(sys.argv[1], engine="reference")
a, b = net.contract.prepare(sample_crops()).astype(np.float64)
other = net(b[np.newaxis])[0]
"""
SIDES = {
    "refnet": """
from refnet.audit.similarity_gradient import pixel_gradient
run = lambda: pixel_gradient(net, a, other).gradient
""",
    "torch": """
from refnet.bench.torch_form import torch_module
from refnet.runtimes import import_runtime
torch = import_runtime("torch")
module, b = torch_module(net.graph).double(), torch.tensor(other[np.newaxis])
def run():
    x = torch.tensor(a[np.newaxis], requires_grad=True)
    torch.nn.functional.cosine_similarity(module(x), b).sum().backward()
    return x.grad[0].numpy()
""",
}
MEASURE = """
gradient = run()
times = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
np.save(sys.argv[2], gradient)
print(json.dumps({"seconds": sorted(times)[len(times) // 2], "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def main() -> None:
    """Measure both sides in turns, and print medians and how far the results are apart."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "model.onnx"
        if len(sys.argv) == 1:
            make_model(path)
        results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(TURNS):
            for side, setup in SIDES.items():
                command = [sys.executable, "-c", COMMON + setup + MEASURE, path, folder / f"{side}.npy", str(RUNS)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                results[side].append(json.loads(done.stdout))
        gradients = {side: np.load(folder / f"{side}.npy") for side in SIDES}
    print(f"{processor()}, Python {platform.python_version()}, NumPy {version('numpy')}, torch {version('torch')}")
    for side, runs in results.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        print(f"{side:<8} {seconds:6.2f} s   peak {statistics.median(run['peak'] for run in runs) / 1024:6.0f} MiB")
    ratio = np.divide(*(statistics.median(run["seconds"] for run in results[side]) for side in SIDES))
    apart = np.linalg.norm(gradients["refnet"] - gradients["torch"]) / np.linalg.norm(gradients["torch"])
    print(f"refnet takes {ratio:.2f} times as long; the gradients are {apart:.1e} apart, relative L2")


if __name__ == "__main__":
    main()
