"""What a detector is shown of a photograph: scaled down if it is large, filled up with black to a multiple of 32.

Black goes to the right and below, so that places stay what they are. A photograph is never enlarged. It is scaled by
Pillow's bilinear filter, which averages over all pixels that fall into one, in integers: the same bits everywhere.
"""

import numpy as np
from PIL import Image

from refnet.faces.detect.kinds import STRIDE
from refnet.graph import Array


def shown(pixels: Array, limit: int) -> tuple[Array, float]:
    """Prepare a photograph.

    Parameters
    ----------
    pixels : (H, W, 3) uint8, RGB
    limit : pixels that the longer side has at most

    Returns
    -------
    (H', W', 3) uint8, both multiples of 32
    float
        Pixels of it to one of the photograph, at most 1. A place in it divided by this is the place in the photograph.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, limit / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    below, right = (-extent % STRIDE for extent in pixels.shape[:2])
    return np.pad(pixels, ((0, below), (0, right), (0, 0))), scale
