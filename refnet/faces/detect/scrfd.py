"""SCRFD with landmarks: J. Guo et al., Sample and computation redistribution for efficient face detection, ICLR 2022.

insightface's ``det_10g.onnx`` and ``det_500m.onnx`` (``scrfd_*_bnkps``); how the outputs are read follows its
``python-package/insightface/model_zoo/scrfd.py``. Nine outputs by position: scores, boxes and landmarks at strides 8,
16 and 32; two candidates a cell.

Does not cover the files without landmarks (six outputs), nor those of five strides.
"""

from collections.abc import Sequence

import numpy as np

from refnet.faces.detect.candidates import Candidates, cells, joined
from refnet.graph import Array

STRIDES = (8, 16, 32)
WIDTHS = (1, 1, 1, 4, 4, 4, 10, 10, 10)  # last extent of each output
ANCHORS = 2


def prepare(pixels: Array) -> Array:
    """(H, W, 3) uint8 RGB to what the graph takes: (1, 3, H, W) float32, RGB, (x - 127.5) / 128."""
    x = pixels[np.newaxis].transpose(0, 3, 1, 2).astype(np.float32)
    return (x - np.float32(127.5)) / np.float32(128)


def decode(outputs: Sequence[Array], height: int, width: int, threshold: float) -> Candidates:
    """Read the candidates whose score is at least the threshold.

    Of both candidates of the cell in column i and row j at stride s, with d the distances and k the landmarks:

        left, top = (i - d0) s, (j - d1) s      right, bottom = (i + d2) s, (j + d3) s
        landmark n = ((i + k[2n]) s, (j + k[2n+1]) s)

    Parameters
    ----------
    outputs : nine arrays in the graph's order, with or without a batch axis of one
    height, width : multiples of 32, what the graph was shown
    """
    parts = []
    for n, stride in enumerate(STRIDES):
        scores, box, points = (
            outputs[n + 3 * part].reshape(-1, last).astype(np.float64) for part, last in enumerate((1, 4, 10))
        )
        good = scores[:, 0] >= threshold
        cell = np.repeat(cells(height // stride, width // stride), ANCHORS, axis=0)[good]
        box, points = box[good], points[good]
        corners = np.concatenate([cell - box[:, :2], cell + box[:, 2:]], axis=1) * stride
        landmarks = (cell[:, np.newaxis] + points.reshape(-1, 5, 2)) * stride
        parts.append(Candidates(corners, scores[good, 0], landmarks))
    return joined(parts)
