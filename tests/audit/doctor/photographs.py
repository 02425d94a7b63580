"""Aligned photographs, where they are at hand."""

import io
import pickle

import numpy as np
from PIL import Image

from refnet.graph import Array
from tests import localdata


def lfw(count: int) -> Array:
    """(N, 3, 112, 112) uint8 of LFW, each of another pair."""
    bins, _ = pickle.loads(localdata.path("lfw/lfw-fold1.bin").read_bytes(), encoding="bytes")
    faces = [np.asarray(Image.open(io.BytesIO(bytes(it))).convert("RGB")) for it in bins[: 2 * count : 2]]
    return np.stack(faces).transpose(0, 3, 1, 2)
