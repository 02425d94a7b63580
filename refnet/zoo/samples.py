"""The two sample portraits, drawn for refnet by `tools/draw_samples.py`: no photograph, no person."""

from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from refnet.graph import Array

SAMPLES = ("sample_a.png", "sample_b.png")


def sample_paths() -> tuple[Path, ...]:
    """Where the sample portraits lie."""
    return tuple(Path(str(resources.files("refnet") / "samples" / name)) for name in SAMPLES)


def sample_images() -> Array:
    """(4, 3, 112, 112) float64, RGB, 0..255: the samples, and each mirrored."""
    pixels = [np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) for path in sample_paths()]
    upright = np.stack(pixels).transpose(0, 3, 1, 2)
    return np.concatenate([upright, upright[..., ::-1]])
