"""YuNet: W. Wu, H. Peng, S. Yu, YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 20, 2023.

The file is opencv_zoo's ``face_detection_yunet_2023mar.onnx``; how its outputs are read follows OpenCV's
``modules/objdetect/src/face_detect.cpp``. One candidate a cell and no anchors.
"""

from collections.abc import Mapping

import numpy as np

from refnet.faces.detect.candidates import Candidates, cells, joined
from refnet.graph import Array
from refnet.ops.exponential import exponential

STRIDES = (8, 16, 32)
OUTPUTS = frozenset(f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in STRIDES)


def prepare(pixels: Array) -> Array:
    """(H, W, 3) uint8 RGB to what the graph takes: (1, 3, H, W) float32, BGR, 0..255."""
    return pixels[np.newaxis, ..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)


def decode(outputs: Mapping[str, Array], height: int, width: int, threshold: float) -> Candidates:
    """Read the candidates whose score is at least the threshold.

    Of the cell in column i and row j at stride s, with d = bbox and k = kps:

        score = sqrt(cls obj), both clipped to [0, 1]
        centre = ((i + d0) s, (j + d1) s),  width = s exp(d2),  height = s exp(d3)
        landmark n = ((i + k[2n]) s, (j + k[2n+1]) s)

    Parameters
    ----------
    outputs : the graph's, of one image
    height, width : multiples of 32, what the graph was shown
    """
    return joined([_at_stride(outputs, stride, height // stride, width // stride, threshold) for stride in STRIDES])


def _at_stride(outputs: Mapping[str, Array], stride: int, rows: int, columns: int, threshold: float) -> Candidates:
    """The candidates of one map."""
    classes, objects, box, points = (
        outputs[f"{part}_{stride}"][0].astype(np.float64) for part in ("cls", "obj", "bbox", "kps")
    )
    scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    good = scores >= threshold
    cell, box, points = cells(rows, columns)[good], box[good], points[good]
    centre, half = (cell + box[:, :2]) * stride, exponential(box[:, 2:]) * (stride / 2)
    landmarks = (cell[:, np.newaxis] + points.reshape(-1, 5, 2)) * stride
    return Candidates(np.concatenate([centre - half, centre + half], axis=1), scores[good], landmarks)
