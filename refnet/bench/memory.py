"""Whether a batch can be measured at all: an estimate from the graph, made before any process is started."""

import math

from refnet.bench.machine import available_bytes
from refnet.errors import UsageError
from refnet.graph import Graph
from refnet.ops.inference import infer

FLOAT_BYTES = 4


def needed_bytes(graph: Graph, batch: int, peers: int) -> int:
    """What a comparison takes at least, weights not counted.

    The images are in this process, in refnet's, and in each peer's; a peer computes a batch as a whole, so it holds
    the inputs and the output of the largest node. refnet's own activations are those of a few images.
    """
    known = infer(graph, {tensor.name: (1, *_fixed(tensor.shape)) for tensor in graph.inputs})
    weights = set(graph.constants)

    def size(name: str) -> int:
        return FLOAT_BYTES * math.prod(known[name].shape) if name and name not in weights else 0

    images = sum(size(tensor.name) for tensor in graph.inputs)
    largest = max((sum(map(size, {*node.inputs, node.output})) for node in graph.nodes), default=0)
    return batch * ((2 + peers) * images + peers * largest)


def refuse_what_cannot_fit(graph: Graph, batch: int, peers: int) -> None:
    """Raise UsageError if this machine has less memory to give than a comparison takes at least."""
    needed, there = needed_bytes(graph, batch, peers), available_bytes()
    if needed > there:
        beside = f"refnet and {peers} other runtime{'s' * (peers != 1)}" if peers else "refnet"
        raise UsageError(
            f"--batch {batch:,} takes at least {needed / 1e9:,.1f} GB for {beside}; {there / 1e9:,.1f} GB are free. "
            f"At most {batch * there // needed:,} images fit"
        )


def _fixed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """An input's extents but the first, which have been found to be fixed."""
    return tuple(int(extent or 0) for extent in shape[1:])
