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


def sample_crops(height: int = 112, width: int = 112) -> Array:
    """(2, 3, H, W) uint8, RGB: the samples, resized if another size than theirs is asked for."""
    drawings = [Image.open(path).convert("RGB") for path in sample_paths()]
    pixels = [np.asarray(drawing.resize((width, height), Image.Resampling.BILINEAR)) for drawing in drawings]
    return np.stack(pixels).transpose(0, 3, 1, 2)


def sample_images() -> Array:
    """(4, 3, 112, 112) float64, RGB, 0..255: the samples, and each mirrored."""
    upright = sample_crops().astype(np.float64)
    return np.concatenate([upright, upright[..., ::-1]])
