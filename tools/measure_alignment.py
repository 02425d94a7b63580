"""Write the figures of docs/alignment.md: what another template does to ArcFace, in pixels and in decisions.

    python tools/measure_alignment.py DATA

DATA is the folder of local test data. The stretched template is that of Open Model Zoo's demo
(demos/face_recognition_demo/python/face_identifier.py). LFW's aligned crops stand for photographs: their landmarks lie
at ArcFace's template, up to what the aligner of the data set left over, so that the transform between the two
templates takes a crop to what the demo would have cut.
"""

import argparse
import math
import pickle
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np

import refnet
from refnet.bench.machine import processor
from refnet.faces.align import align, apply, scale_of, similarity_transform, template, warp
from refnet.faces.detect import load_detector
from refnet.faces.image import read_image
from refnet.graph import Array

PAGE = Path(__file__).parents[1] / "docs" / "alignment.md"
MODELS = ("mobilefacenet-arcface-mxnet", "mobilefacenet-arcface-opset19")
DETECTOR = "models/face_detection_yunet_2023mar.onnx"
# As fractions of a 96 x 112 image, stretched over the region of the face.
DEMO = np.array(
    [[30.2946 / 96, 51.6963 / 112], [65.5318 / 96, 51.5014 / 112], [48.0252 / 96, 71.7366 / 112],
     [33.5493 / 96, 92.3655 / 112], [62.7299 / 96, 92.2041 / 112]]
)  # fmt: skip


def main() -> None:
    """Measure and write the blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    text = PAGE.read_text()
    for name, lines in (("template", templates()), ("decisions", decisions(data)), ("photographs", photographs(data))):
        block = f"<!-- {name}: tools/measure_alignment.py -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->"
        text, count = re.subn(rf"<!-- {name}: .*?<!-- end of {name} -->", lambda _, b=block: b, text, flags=re.S)
        if count != 1:
            raise SystemExit(f"{PAGE} has {count} blocks called {name}; expected one")
    PAGE.write_text(text)


def templates() -> list[str]:
    """How far the demo's template is from the one of the training, at 112 x 112."""
    demo, target = DEMO * 112, template()
    matrix = similarity_transform(target, demo)  # from what the network knows to what the demo hands it
    off = np.linalg.norm(apply(matrix, target) - demo, axis=1)
    rows = ["| | ArcFace's | the demo's |", "|---|---|---|"]
    rows += [
        f"| {name} | {x:.2f}, {y:.2f} | {u:.2f}, {v:.2f} |"
        for name, (x, y), (u, v) in zip(
            ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth"),
            target,
            demo,
            strict=True,
        )
    ]
    rows.append(f"| distance of the eyes | {math.dist(*target[:2]):.2f} | {math.dist(*demo[:2]):.2f} |")
    return [
        *rows,
        "",
        f"The best fit of one to the other enlarges by {scale_of(matrix) - 1:.1%}, shifts the middle of the crop by "
        f"{np.linalg.norm(apply(matrix, np.array([[55.5, 55.5]])) - 55.5):.1f} pixels, and leaves landmarks up to "
        f"{off.max():.1f} pixels off.",
    ]


def decisions(data: Path) -> list[str]:
    """What that does to 600 pairs, for two trained networks."""
    with (data / "lfw" / "lfw-fold1.bin").open("rb") as file:
        encoded, issame = pickle.load(file, encoding="bytes")
    same = np.array(issame, dtype=bool)
    crops = [read_image(bytes(crop)) for crop in encoded]
    matrix = similarity_transform(template(), DEMO * 112)
    zoomed = [warp(crop, matrix, 112) for crop in crops]
    rows = [
        "| network | crops of the pair | same people, mean | others, mean | best accuracy | at the threshold of the first row |",
        "|---|---|---|---|---|---|",
    ]
    told: list[str] = []
    for model in MODELS:
        network = refnet.load(data / "models" / f"{model}.onnx")
        right, wrong = (_embedded(network, images) for images in (crops, zoomed))
        itself = (right * wrong).sum(axis=1)
        told.append(f"{model}: {itself.mean():.3f} on average, {itself.min():.3f} at least")
        threshold = None
        for name, first, second in (
            ("both ArcFace's", right[0::2], right[1::2]),
            ("both the demo's", wrong[0::2], wrong[1::2]),
            ("one of each", right[0::2], wrong[1::2]),
        ):
            cosines = (first * second).sum(axis=1)
            candidates = np.sort(cosines)
            shares = np.array([((cosines >= candidate) == same).mean() for candidate in candidates])
            threshold = float(candidates[shares.argmax()]) if threshold is None else threshold
            rows.append(
                f"| {model} | {name} | {cosines[same].mean():.3f} | {cosines[~same].mean():.3f} | {shares.max():.2%} "
                f"| {((cosines >= threshold) == same).mean():.2%} |"
            )
    return [*rows, "", f"An image's similarity to itself, cut both ways: {'; '.join(told)}. {_made()}"]


def photographs(data: Path) -> list[str]:
    """What YuNet's landmarks leave over on photographs."""
    detector = load_detector(data / DETECTOR)
    rows = []
    for path in sorted((data / "photos").glob("*.jpg")):
        image = read_image(path)
        rows += [align(image, face.landmarks).rms for face in detector(image)]
    return [
        f"{len(rows)} faces of {len(list((data / 'photos').glob('*.jpg')))} photographs, YuNet's landmarks: residual (root "
        f"mean square) {min(rows):.1f} to {max(rows):.1f} pixels of the crop, median {np.median(rows):.1f}."
    ]


def _embedded(network: refnet.Network, images: list[Array]) -> Array:
    """Unit embeddings of crops."""
    raw = network(network.contract.prepare(np.stack(images).transpose(0, 3, 1, 2))).astype(np.float64)
    units: Array = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return units


def _made() -> str:
    """What measured it."""
    return f"({processor()}, refnet {version('refnet')}; `tools/measure_alignment.py`)"


if __name__ == "__main__":
    main()
