"""Which parts of a face the similarity rests on: a grey square is slid over the first image.

Source: Zeiler & Fergus, arXiv:1311.2901, section 4.2, on the similarity of two embeddings instead of the probability of
a class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refnet.errors import UsageError
from refnet.faces.similarity import similarity
from refnet.graph import Array
from refnet.network import Network

GREY = 127.5  # what both conventions of scaling bring to 0
SQUARE_PX, STRIDE_PX = 16, 4
BATCH = 32


@dataclass(frozen=True)
class Occlusion:
    """What covering each place takes from the similarity.

    Attributes
    ----------
    changes : (rows, columns) float64
        Similarity with the square there, less the similarity without; below 0 where the two become less alike.
    tops, lefts : (rows,), (columns,) int
        Of the squares, in pixels.
    square_px : int
    whole : float
        The similarity of the images as they are.
    """

    changes: Array
    tops: Array
    lefts: Array
    square_px: int
    whole: float

    def per_pixel(self, height: int, width: int) -> Array:
        """(H, W): the mean change of the squares that cover each pixel."""
        total, covered = np.zeros((height, width)), np.zeros((height, width))
        for i, top in enumerate(self.tops):
            for j, left in enumerate(self.lefts):
                place = np.s_[top : top + self.square_px, left : left + self.square_px]
                total[place] += self.changes[i, j]
                covered[place] += 1
        return total / covered


def occlusion(
    network: Network,
    pixels: Array,
    other: Array,
    *,
    square_px: int = SQUARE_PX,
    stride_px: int = STRIDE_PX,
    on_step: Callable[[int], object] = lambda _: None,
) -> Occlusion:
    """Cover the image with a grey square at one place after another, and compare it each time.

    Parameters
    ----------
    network : Network
        Of either engine.
    pixels : (3, H, W), 0..255, RGB
    other : (D,)
        The embedding of the second image.
    square_px, stride_px : int
        Side of the square, and how far it moves; the last square of a row ends at the edge.
    on_step : called with the number of squares that were compared

    Raises
    ------
    UsageError
        If the square is larger than the image or leaves pixels uncovered.
    """
    _, height, width = pixels.shape
    if not 1 <= square_px <= min(height, width) or not 1 <= stride_px <= square_px:
        raise UsageError(
            f"the square is {square_px} pixels and moves by {stride_px}; expected a square of 1 to {min(height, width)} "
            "pixels that moves by 1 to its own side"
        )
    tops, lefts = _places(height, square_px, stride_px), _places(width, square_px, stride_px)
    whole = similarity(network(network.contract.prepare(pixels[np.newaxis]))[0], other)
    corners = [(top, left) for top in tops for left in lefts]
    values = []
    for start in range(0, len(corners), BATCH):
        part = corners[start : start + BATCH]
        covered = np.repeat(np.asarray(pixels, np.float32)[np.newaxis], len(part), axis=0)
        for image, (top, left) in zip(covered, part, strict=True):
            image[:, top : top + square_px, left : left + square_px] = GREY
        values += [similarity(row, other) for row in network.embeddings(network.contract.prepare(covered))]
        on_step(len(part))
    changes = np.reshape(values, (len(tops), len(lefts))) - whole
    return Occlusion(changes, tops, lefts, square_px, whole)


def _places(extent: int, square: int, stride: int) -> Array:
    """Where squares begin."""
    last = extent - square
    return np.unique(np.minimum(np.arange(0, last + stride, stride), last))
