"""The model that the lessons of docs/lessons run on: the reader's own, or a small one that is made at once."""

import os
from fractions import Fraction

from refnet.graph import Graph
from refnet.zoo.cache import resolve
from refnet.zoo.synthetic import synthetic_model

WIDTH = Fraction(1, 16)


def lesson_graph() -> Graph:
    """The graph of `$REFNET_MODEL`, a file or a card's name; where it is not set, the seeded model at 1/16 of its width.

    The small model has the layers, names and shapes of `arcfaceresnet100-8`, with 4 to 32 channels instead of 64 to 512.
    Its weights are synthetic, there is no identity in them, and `Network.synthetic` says so.

    Raises
    ------
    ModelError, UnsupportedModelError
        As `refnet.load`, if `$REFNET_MODEL` is no model that refnet reads.
    """
    if not os.environ.get("REFNET_MODEL"):
        return synthetic_model(0, width=WIDTH)
    from refnet.formats.reading import read_model  # onnx takes a third of a second to import

    return read_model(resolve(None))
