"""The ArcFace ResNet100 face-recognition network, rebuilt in NumPy: every number visible, every bit reproducible."""

from refnet.errors import (
    InputError,
    MissingExtraError,
    ModelError,
    RefnetError,
    ShapeError,
    UnsupportedModelError,
    UsageError,
)
from refnet.faces.similarity import similarity
from refnet.network import Network, load
from refnet.version import __version__ as __version__

__all__ = [
    "InputError",
    "MissingExtraError",
    "ModelError",
    "Network",
    "RefnetError",
    "ShapeError",
    "UnsupportedModelError",
    "UsageError",
    "load",
    "similarity",
]
