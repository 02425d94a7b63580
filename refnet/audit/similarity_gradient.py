"""Which pixels hold two faces together: how their similarity grows with each value of one image."""

from dataclasses import dataclass

import numpy as np

from refnet.errors import ShapeError
from refnet.faces.similarity import similarity, similarity_gradient
from refnet.graph import Array
from refnet.network import Network


@dataclass(frozen=True)
class PixelGradient:
    """The similarity of two faces, and its derivative by every value of the first image."""

    similarity: float
    gradient: Array


def pixel_gradient(network: Network, image: Array, other: Array) -> PixelGradient:
    """Differentiate the similarity of an image to an embedding by the image, exactly, in float64.

    With the embedding f(x) and its Jacobian J: J' (w - (u.w) u) / |f(x)|, where u = f(x) / |f(x)| and w is the other
    embedding at unit length.

    Parameters
    ----------
    network : Network
    image : (C, H, W)
        As the network's input takes it.
    other : (D,)
        Embedding of the other image.

    Returns
    -------
    PixelGradient, with gradient (C, H, W): change of the cosine for one step of a value.

    Raises
    ------
    ShapeError, InputError
        As `Network.__call__` and `similarity`.
    """
    if np.ndim(image) != 3:
        raise ShapeError(f"the image has shape {np.shape(image)}; expected one image, (C, H, W), without a batch axis")
    outputs, pull = network.pullback(np.asarray(image)[np.newaxis])
    (embedding,) = outputs[network.output]
    seed = similarity_gradient(embedding, other)
    (gradients,) = pull({network.output: seed[np.newaxis]}).values()
    return PixelGradient(similarity(embedding, other), gradients[0])
