"""How a model with made-up weights says so, in a file that has no room to say anything.

`arcfaceresnet100-8.onnx` carries no documentation strings, and a synthetic copy of it has the same bytes but for the
numbers. The final BatchNormalization's running mean is the one vector a synthetic model does not need: it holds a
sentence, one character a number, 2**-20 apart, far below anything the network's output resolves.

Folding that vector into others would lose the sentence: a converted file repeats it among what it says of itself.
"""

import numpy as np

from refnet.graph import Array, Graph

SENTENCE = "synthetic weights: numerically complete, no identity in them"
CARRIER = "fc1_moving_mean"
STATEMENT = "refnet.weights"  # what a converted file calls the sentence
_STEP = np.float32(2.0**-20)


def write(length: int, seed: int) -> Array:
    """(length,) float32: the sentence and the seed, then zeros."""
    text = f"{SENTENCE} (seed {seed})".encode("ascii")
    codes = np.zeros(length, dtype=np.float32)
    codes[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    return codes * _STEP


def read(graph: Graph) -> str | None:
    """Return the sentence if the graph's weights are synthetic, else None."""
    said = graph.source.metadata.get(STATEMENT, "")
    if said.startswith(SENTENCE):
        return said
    carrier = graph.constants.get(CARRIER)
    if carrier is None:
        return None
    codes = carrier.astype(np.float64) / float(_STEP)
    if not ((codes >= 0) & (codes < 128) & (codes == np.floor(codes))).all():
        return None
    text = codes.astype(np.uint8).tobytes().rstrip(b"\0").decode("ascii")
    return text if text.startswith(SENTENCE) else None
