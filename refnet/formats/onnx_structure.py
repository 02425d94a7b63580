"""Whether the names of a file's nodes make a graph, and in which order the nodes can be computed."""

import heapq
from collections.abc import Iterable, Sequence

from refnet.errors import ModelError
from refnet.formats.onnx_node import FileNode


def topological_order(nodes: Sequence[FileNode], given: Iterable[str], outputs: Iterable[str]) -> list[FileNode]:
    """Order nodes so that each comes after those it reads, and otherwise as they were.

    Parameters
    ----------
    nodes : the file's nodes, in any order
    given : names of inputs and constants
    outputs : names of the graph's outputs

    Raises
    ------
    ModelError
        If a name is made twice, made by no one, or made from itself.
    """
    maker: dict[str, int] = {}
    known: set[str] = set()
    for name in given:
        if not name or name in known:
            raise ModelError(f"there are two graph inputs named {name!r}" if name else "a graph input has no name")
        known.add(name)
    for i, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in maker or name in known:
                other = nodes[maker[name]] if name in maker else "a graph input or weight of that name"
                raise ModelError(f"{node}: output {name!r} is also made by {other}; expected each to be made once")
            maker[name] = i
    for name in outputs:
        if name not in maker and name not in known:
            raise ModelError(f"graph output {name!r} is made by no node")

    waits_for: list[set[int]] = []
    readers: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        before: set[int] = set()
        for name in filter(None, node.inputs):
            if name in maker:
                before.add(maker[name])
            elif name not in known:
                raise ModelError(f"{node}: input {name!r} is made by no node, and is no graph input or weight")
        for j in before:
            readers.setdefault(j, []).append(i)
        waits_for.append(before)

    ready = [i for i, before in enumerate(waits_for) if not before]
    order: list[int] = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for reader in readers.get(i, ()):
            waits_for[reader].discard(i)
            if not waits_for[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        raise ModelError(f"nodes feed each other in a circle: {_circle(nodes, waits_for)}")
    return [nodes[i] for i in order]


def _circle(nodes: Sequence[FileNode], waits_for: Sequence[set[int]]) -> str:
    """One circle among nodes that wait for each other, as a sentence."""
    i = next(i for i, before in enumerate(waits_for) if before)
    path: list[int] = []
    while i not in path:
        path.append(i)
        i = min(waits_for[i])
    circle = [*path[path.index(i) :], i]
    return " reads ".join(repr(nodes[j].name) for j in circle)
