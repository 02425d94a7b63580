"""`refnet demo`: the main job from end to end, and what each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from refnet import zoo
from refnet.audit.oracle import OnnxRuntime
from refnet.cli.console import out, say
from refnet.cli.options import announce_compiling
from refnet.cli.validate import report, run_comparison, sample_input
from refnet.errors import MissingExtraError
from refnet.faces.similarity import angle_degrees, similarity
from refnet.network import load
from refnet.zoo.make import make_model


def demo() -> int:
    """Find or make the model, embed two sample portraits, compare them, and prove every tensor against onnxruntime.

    Uses the real arcfaceresnet100-8 if it is in the cache, else writes one with synthetic weights there.
    """
    card = zoo.find_card(zoo.DEFAULT_MODEL)
    path = zoo.cached_file(card)
    if path is None:
        path = zoo.synthetic_path(card, seed=0, spatial=1)
        if not path.exists():
            with _step("make the full-size model with synthetic weights (the real ones are not in the cache)"):
                make_model(path)
    out.print(f"model        {path}")
    with _step("read the model"):
        network = load(path)
    announce_compiling()
    if network.synthetic:
        out.print(f"             {network.synthetic}")
    images = sample_input(network)
    with _step(f"embed {len(images)} sample portraits"):
        embeddings = network(images)
    cosine = similarity(*embeddings)
    out.print(f"embeddings   {embeddings.shape[0]} of {embeddings.shape[1]} numbers, by the {network.engine} engine")
    out.print(f"similarity   {cosine:.6f} (angle {angle_degrees(cosine):.2f} degrees)")
    try:
        other = OnnxRuntime(path)
    except MissingExtraError as error:
        say(f"not validated: {error}")
        return 0
    with _step(f"compare every tensor with {other.name}"):
        comparison = run_comparison(network, images, other)
    label = "validation"
    for line in report(comparison):
        out.print(f"{label:<12} {line}")
        label = ""
    return 0 if comparison.agrees else 1


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and what it took."""
    start = time.perf_counter()
    yield
    say(f"{time.perf_counter() - start:6.1f} s  {what}")
