"""What the audit feeds the network: faces of images that were given, else of the pairs, else the sample portraits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from refnet.audit.doctor.running import Origin
from refnet.bulk.prepared import Preparation, crop_size, prepare
from refnet.errors import InputError
from refnet.evaluation.pairs import PairSet
from refnet.graph import Array
from refnet.network import Network
from refnet.zoo.samples import SAMPLES, sample_crops

MOST = 64  # faces looked at: enough for the doctor, and a folder of millions is not read for it


@dataclass(frozen=True)
class Fed:
    """Aligned crops.

    Attributes
    ----------
    crops : (N, 3, H, W) uint8, RGB
    names : one each
    origin : as the doctor calls it.
    notes : sentences for the reader.
    """

    crops: Array
    names: tuple[str, ...]
    origin: Origin
    notes: tuple[str, ...]


def fed_samples(network: Network) -> Fed:
    """The sample portraits."""
    note = (
        "No images were given: the network was fed the two portraits drawn for refnet, which are no photographs; what is "
        "said of activations is said of these. Give images with --images."
    )
    return Fed(sample_crops(*crop_size(network)), SAMPLES, "samples", (note,))


def fed_pairs(network: Network, pairs: PairSet) -> Fed:
    """The first images of the pairs, each once."""
    height, width = crop_size(network)
    order = dict.fromkeys(int(index) for pair in zip(pairs.first, pairs.second, strict=True) for index in pair)
    chosen = list(order)[:MOST]
    crops = np.stack([pairs.crop(index, height, width) for index in chosen])
    note = (
        f"No images were given besides the pairs: the network was fed the first {len(chosen)} images of {pairs.name}."
    )
    return Fed(crops, tuple(pairs.images[index] for index in chosen), "pictures", (note,))


def fed_images(
    names: Iterable[str], how: Preparation, progress: Callable[[], object] = lambda: None, most: int = MOST
) -> Fed:
    """The faces of images, up to `most`; images without one are named in the notes.

    Parameters
    ----------
    names : image files
    how : from a file to its crops
    progress : called after each image
    most : faces to take

    Raises
    ------
    InputError
        If no image has a face, or none can be read.
    """
    crops: list[Array] = []
    labels: list[str] = []
    notes: list[str] = []
    failed = 0
    for name in names:
        if len(crops) >= most:
            notes.append(f"More images were given: the first {most} faces were looked at.")
            break
        image = prepare(name, how)
        failed += bool(image.reason)
        notes += [f"Left out: {image.reason}"] * bool(image.reason) + [*image.notes]
        for number, face in enumerate(image.faces[: most - len(crops)], 1):
            crops.append(face.crop)
            labels.append(name if len(image.faces) == 1 else f"{name}#{number}")
        progress()
    if not crops:
        raise InputError(f"none of {failed} images could be used: " + "; ".join(notes))
    return Fed(np.stack(crops), tuple(labels), "pictures", tuple(notes))
