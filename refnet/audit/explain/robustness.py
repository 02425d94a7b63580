"""How far the first image can be spoilt before the similarity goes: one curve for each way of spoiling.

The ways are what happens to photographs: out of focus, dark, compressed, cut out a little beside the template or turned
against it, red and blue exchanged. Noise is drawn from a fixed seed. What comes in from outside the image is grey.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from refnet.faces.similarity import similarity
from refnet.graph import Array
from refnet.network import Network

_GREY = (127, 127, 127)


@dataclass(frozen=True)
class Way:
    """One way of spoiling a crop, and how much of it is tried."""

    unit: str
    amounts: tuple[float, ...]
    spoil: Callable[[Image.Image, float], Image.Image]


@dataclass(frozen=True)
class Curve:
    """Similarity to the second image, by the amount of one way of spoiling the first."""

    way: str
    unit: str
    amounts: tuple[float, ...]
    similarities: tuple[float, ...]

    def lost_at(self, threshold: float) -> float | None:
        """The least amount tried at which the similarity is below the threshold; None if it never is."""
        pairs = zip(self.amounts, self.similarities, strict=True)
        return next((amount for amount, value in pairs if value < threshold), None)


def robustness(
    network: Network, pixels: Array, other: Array, on_step: Callable[[int], object] = lambda _: None
) -> list[Curve]:
    """Spoil an image in every way, and compare it each time.

    Parameters
    ----------
    network : Network
    pixels : (3, H, W) uint8, RGB
    other : (D,)
        The embedding of the second image.
    on_step : called with the number of images that were compared
    """
    curves = []
    for name, way in WAYS.items():
        rows = network.embeddings(network.contract.prepare(spoilt(pixels, name, way.amounts)))
        curves.append(Curve(name, way.unit, way.amounts, tuple(similarity(row, other) for row in rows)))
        on_step(len(rows))
    return curves


def spoilt(pixels: Array, way: str, amounts: Sequence[float]) -> Array:
    """(n, 3, H, W) uint8: an image, spoilt in one of `WAYS` by each amount."""
    whole = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return np.stack([np.asarray(WAYS[way].spoil(whole, amount)).transpose(2, 0, 1) for amount in amounts])


def _noise(image: Image.Image, deviation: float) -> Image.Image:
    pixels = np.asarray(image)
    noisy = pixels + deviation * np.random.default_rng(0).standard_normal(pixels.shape)
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, loss: float) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(100 - loss))
    return Image.open(file).convert("RGB")


def _factor(image: Image.Image, factor: float) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(np.asarray(image, np.float64) * factor), 0, 255).astype(np.uint8))


def _shift(image: Image.Image, across: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, (1, 0, -across, 0, 1, 0), fillcolor=_GREY)


def _turn(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=_GREY)


def _reorder(image: Image.Image, exchanged: float) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.asarray(image)[..., ::-1])) if exchanged else image


WAYS: Mapping[str, Way] = {
    "blur": Way(
        "standard deviation, pixels", (0, 0.5, 1, 2, 3, 4, 6), lambda i, r: i.filter(ImageFilter.GaussianBlur(r))
    ),
    "noise": Way("standard deviation, of 255", (0, 5, 10, 20, 30, 50, 80), _noise),
    "jpeg": Way("100 - quality", (5, 25, 50, 70, 80, 90, 95), _jpeg),
    "darker": Way(
        "share of the light taken away", (0, 0.2, 0.4, 0.6, 0.8, 0.9), lambda i, amount: _factor(i, 1 - amount)
    ),
    "brighter": Way("share of the light added", (0, 0.25, 0.5, 1, 2, 3), lambda i, amount: _factor(i, 1 + amount)),
    "shift": Way("pixels to the right", (0, 1, 2, 4, 8, 12, 16), _shift),
    "rotation": Way("degrees anticlockwise", (0, 2, 5, 10, 20, 30, 45), _turn),
    "channels": Way("red and blue exchanged", (0, 1), _reorder),
}
