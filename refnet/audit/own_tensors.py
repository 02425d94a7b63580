"""Every tensor as the network's own engine computes it.

The fast engine fuses: most tensors of the file never exist in a run. Here it gets one node at a time, from its own
tensors: convolutions and matrix products by its kernels, everything else by its definition in float32, as the engine
does where it has no kernel. The outputs of a fused run differ from these in the last bits and are judged by themselves.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from refnet import fast
from refnet.graph import Array, Graph, Node, Tensor
from refnet.network import Network
from refnet.ops import OPERATORS

_BY_KERNEL = ("Conv", "Gemm")


def own_tensors(network: Network, images: Array) -> Iterator[tuple[str, Array]]:
    """Yield (name, float32 array) of every node in the graph's order; one is let go when nothing needs it any more."""
    graph = network.graph
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    held: dict[str, Array] = {graph.inputs[0].name: np.asarray(images, dtype=np.float32)}
    for node in graph.nodes:
        y = _apply(node, graph, held)
        for name in node.inputs:
            readers[name] -= 1
            if not readers[name]:
                held.pop(name, None)
        held[node.output] = y
        yield node.output, y


def _apply(node: Node, graph: Graph, held: dict[str, Array]) -> Array:
    """One node's output."""
    x = node.inputs[0]
    if node.op in _BY_KERNEL and x in held and all(name in graph.constants for name in node.inputs[1:]):
        alone = Graph(
            name=node.name,
            inputs=(Tensor(x, "float32", (None, *held[x].shape[1:])),),
            outputs=(Tensor(node.output, "float32", ()),),
            nodes=(node,),
            constants={name: graph.constants[name] for name in node.inputs[1:]},
        )
        return fast.compile(alone, memory="low").run({x: held[x]})[node.output]
    inputs = [None if not name else held[name] if name in held else graph.constants[name] for name in node.inputs]
    with np.errstate(over="ignore", invalid="ignore"):  # it is judged by what comes out
        y: Array = OPERATORS[node.op].compute(*inputs, **node.attributes)
    return y.astype(np.float32, copy=False) if y.dtype.kind == "f" else y
