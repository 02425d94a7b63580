"""Photographs to embeddings: images a second, by stage and beside the same pipeline on onnxruntime and OpenCV.

    python tools/measure_embed.py PHOTOS DETECTOR MODEL [COUNT] [ROUNDS]

PHOTOS is a folder of photographs, taken over and over up to COUNT; DETECTOR is YuNet's file. Both pipelines decode,
find the largest face at the same size, align it and embed it, in processes of their own that take turns, on all cores.
Then ten thousand made-up crops go through `refnet embed`, once a thousand and once all of them, for the peak of memory.
Needs onnxruntime and opencv-python-headless.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from refnet.bench.machine import processor

REFNET = """
import os, sys, time
import refnet
from refnet.bulk.photographs import Photographs
from refnet.bulk.run import embed_images
photos, detector, model, count = sys.argv[1:5]
names = [os.path.join(photos, name) for name in sorted(os.listdir(photos))]
names = (names * (int(count) // len(names) + 1))[: int(count)]
network = refnet.load(model)
how = Photographs(detector=detector)(network)
rows = []
keep = lambda done: rows.extend(row for _, embeddings in done for row in embeddings)
embed_images(network, names[:8], how, keep)
rows.clear()
begun = time.perf_counter()
embed_images(network, names, how, keep, workers=len(os.sched_getaffinity(0)))
print(time.perf_counter() - begun, len(rows))
"""

PEER = """
import os, sys, time
import cv2, numpy as np, onnxruntime
photos, detector, model, count = sys.argv[1:5]
names = [os.path.join(photos, name) for name in sorted(os.listdir(photos))]
names = (names * (int(count) // len(names) + 1))[: int(count)]
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
finder = cv2.FaceDetectorYN.create(detector, "", (640, 640), 0.6)
template = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32)

def crop(path):
    image = cv2.imread(path)
    scale = min(1.0, 640 / max(image.shape[:2]))
    seen = cv2.resize(image, None, fx=scale, fy=scale) if scale < 1 else image
    finder.setInputSize((seen.shape[1], seen.shape[0]))
    _, faces = finder.detect(seen)
    best = max(faces, key=lambda face: face[2] * face[3])
    matrix, _ = cv2.estimateAffinePartial2D(best[4:14].reshape(5, 2) / scale, template, method=cv2.LMEDS)
    return cv2.warpAffine(image, matrix, (112, 112))[..., ::-1].transpose(2, 0, 1)

def run(names):
    rows = []
    for path in names:
        rows.append(session.run(None, {name: crop(path)[np.newaxis].astype(np.float32)})[0][0])
    return rows

run(names[:8])
begun = time.perf_counter()
rows = run(names)
print(time.perf_counter() - begun, len(rows))
"""

STAGES = """
import os, sys, time
import numpy as np
import refnet
from refnet.faces.detect import load_detector
from refnet.faces.image import read_image
from refnet.faces.pipeline import Pipeline, crops_of
photos, detector, model, count = sys.argv[1:5]
names = [os.path.join(photos, name) for name in sorted(os.listdir(photos))]
network = refnet.load(model)
pipeline = Pipeline(load_detector(detector))
seconds = {"decode": [], "detect and align": [], "network, batch 32": []}
images = [read_image(name) for name in names]
[crops_of(image, pipeline) for image in images]
for name in names * 5:
    begun = time.perf_counter(); image = read_image(name); seconds["decode"].append(time.perf_counter() - begun)
    begun = time.perf_counter(); crops_of(image, pipeline); seconds["detect and align"].append(time.perf_counter() - begun)
x = np.zeros((32, 3, 112, 112), np.float32)
network(x)
for _ in range(5):
    begun = time.perf_counter(); network(x); seconds["network, batch 32"].append((time.perf_counter() - begun) / 32)
import json
print(json.dumps({stage: sorted(taken)[len(taken) // 2] for stage, taken in seconds.items()}))
"""

PEAK = """
import resource, sys
from refnet.cli import main
assert main(["embed", sys.argv[1], "-m", sys.argv[2], "-o", sys.argv[3]]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def child(code: str, *arguments: object) -> str:
    """What a fresh process prints last."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Measure and print."""
    photos, detector, model = sys.argv[1:4]
    count, rounds = (int(number) for number in [*sys.argv[4:], "100", "5"][:2])
    ours, theirs = [], []
    for _ in range(rounds):
        for code, taken in ((REFNET, ours), (PEER, theirs)):
            seconds, faces = child(code, photos, detector, model, count).split()
            assert int(faces) == count, f"{faces} faces in {count} photographs"
            taken.append(count / float(seconds))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    stages = json.loads(child(STAGES, photos, detector, model, count))
    print(f"{processor()}, {os.cpu_count()} cores; {count} photographs, {rounds} rounds by turns; {Path(model).name}\n")
    print(f"refnet                {statistics.median(ours):7.1f} photographs a second")
    print(f"onnxruntime + OpenCV  {statistics.median(theirs):7.1f}")
    print(f"refnet / the other    {statistics.median(ratios):7.2f}, from {min(ratios):.2f} to {max(ratios):.2f}\n")
    for stage, seconds in stages.items():
        print(f"{stage:20} {1000 * seconds:7.2f} ms an image")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        for n in range(10_000):
            place = folder / ("few" if n < 1000 else "more") / f"{n:05}.jpg"
            place.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(place, quality=70)
        few = int(child(PEAK, folder / "few", model, folder / "few.npz"))
        every = int(child(PEAK, folder, model, folder / "all.npz"))
    print(f"\npeak memory of `refnet embed`: {few / 1e6:.0f} MB for 1,000 crops, {every / 1e6:.0f} MB for 10,000")


if __name__ == "__main__":
    main()
