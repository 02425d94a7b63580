"""Write the figures of docs/detection.md: faces found and time taken, by how large the photograph is shown.

    python tools/measure_detection.py DATA

DATA is the folder of local test data. Times are those of the network alone, one thread, the fastest of many runs in
turn with onnxruntime's.
"""

import argparse
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from refnet import fast
from refnet.bench.machine import processor
from refnet.faces.detect import load_detector
from refnet.faces.detect.kinds import at_size
from refnet.faces.detect.shown import shown
from refnet.faces.image import read_image
from refnet.graph import Array
from refnet.runtimes import import_runtime

onnxruntime = import_runtime("onnxruntime")
PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
LIMITS, ROUNDS = (160, 320, 640, 1280), 60


def main() -> None:
    """Measure and write the block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    path = data / "models" / "face_detection_yunet_2023mar.onnx"
    group = read_image(data / "photos" / "group.jpg")
    detector = load_detector(path)
    rows = [
        "| longer side at most | shown | faces of 6 | lowest score | refnet | onnxruntime | ratio |",
        "|---:" * 7 + "|",
    ]
    for limit in LIMITS:
        faces = detector(group, limit=limit)
        seen, _ = shown(group, limit)
        blob = detector.kind.prepare(seen)
        engine = fast.compile(at_size(detector.graph, *seen.shape[:2]), threads=1)
        ours, theirs = fastest(engine, session(path, blob), blob)
        lowest = min((face.score or 0 for face in faces), default=0)
        rows.append(
            f"| {limit} | {seen.shape[1]} x {seen.shape[0]} | {len(faces)} | {lowest:.2f} | {ours * 1e3:.1f} ms "
            f"| {theirs * 1e3:.1f} ms | {ours / theirs:.1f} |"
        )
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "onnxruntime"))
    block = "\n".join([*rows, "", f"({processor()}, one thread, {versions}; `tools/measure_detection.py`)"])
    block = f"<!-- figures -->\n{block}\n<!-- /figures -->"
    PAGE.write_text(re.sub(r"<!-- figures -->.*?<!-- /figures -->", lambda _: block, PAGE.read_text(), flags=re.S))


def session(path: Path, blob: Array) -> Any:
    """onnxruntime, for images of the blob's size."""
    model = onnx.load(path)
    del model.graph.value_info[:]
    for dimension, extent in zip(model.graph.input[0].type.tensor_type.shape.dim, blob.shape, strict=True):
        dimension.dim_value = extent
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def fastest(engine: fast.Engine, other: Any, blob: Array) -> tuple[float, float]:
    """Seconds of either, the least of many rounds, in turn."""
    feeds = {other.get_inputs()[0].name: blob}
    best = [np.inf, np.inf]
    for _ in range(ROUNDS):
        for n, run in enumerate((lambda: engine.run(feeds), lambda: other.run(None, feeds))):
            start = time.perf_counter()
            run()
            best[n] = min(best[n], time.perf_counter() - start)
    return best[0], best[1]


if __name__ == "__main__":
    main()
