"""The network as a page shows it: its tensors in the order of the graph, in blocks.

A block is a residual unit with everything that belongs to it, or a run of layers between two of them. What is shown of
the graph is what is computed from the image's values: slopes that are brought into shape, and arithmetic on shapes, are
parts of layers and no layers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from refnet.audit.ablation import residual_units
from refnet.graph import Graph, Node, Shape
from refnet.ops import OPERATORS
from refnet.ops.inference import infer

SEPARATORS = "_./:"


@dataclass(frozen=True)
class Layer:
    """One node's output, of one image: (C, H, W), or (C,) where nothing is left of the picture.

    `reads` are the image, or the layers, that it is made from.
    """

    name: str
    op: str
    shape: Shape
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Layers that belong together; `residual` where they end in the sum of a branch and a shortcut."""

    title: str
    residual: bool
    layers: tuple[Layer, ...]


def blocks_of(graph: Graph, crop: tuple[int, int, int]) -> tuple[Block, ...]:
    """Cut a graph into blocks.

    Parameters
    ----------
    graph : Graph with one input of images
    crop : (channels, height, width) of that input

    Returns
    -------
    Every tensor of rank 2 or 4 that is computed from the values of the image is in exactly one block.
    """
    known = infer(graph, {graph.inputs[0].name: (1, *crop)})
    behind = _behind(graph)
    nodes = [node for node in graph.nodes if node.output in behind and len(known[node.output].shape) in (2, 4)]
    shown = {node.output for node in nodes} | {graph.inputs[0].name}
    unit_of: dict[str, int] = {}
    for number, unit in enumerate(residual_units(graph)):
        own_shortcut = (behind[unit.shortcut] | {unit.shortcut}) - behind[unit.branch]
        for name in (*unit.inside, *own_shortcut, unit.output):
            unit_of.setdefault(name, number)
    parts = [(number is not None, run) for number, run in _runs(nodes, unit_of)]
    blocks = []
    for place, (residual, run) in enumerate(parts):
        layers = tuple(
            Layer(
                node.output,
                node.op,
                known[node.output].shape[1:],
                tuple(name for name in node.inputs if name in shown),
            )
            for node in run
        )
        shared = _shared_name([layer.name for layer in (layers[:-1] if residual else layers)])
        title = shared or (f"unit {place}" if residual else "between")
        if not residual and place in (0, len(parts) - 1):
            title = "stem" if place == 0 else "head"
        blocks.append(Block(title, residual, layers))
    return tuple(blocks)


def _behind(graph: Graph) -> dict[str, set[str]]:
    """For the input and what is computed from its values: the tensors it is computed from."""
    behind: dict[str, set[str]] = {graph.inputs[0].name: set()}
    for node in graph.nodes:
        moving = [name for name in node.inputs if name in behind]
        if moving and not OPERATORS[node.op].reads_only_shapes:
            behind[node.output] = set().union(*(behind[name] | {name} for name in moving))
    return behind


def _runs(nodes: Sequence[Node], unit_of: Mapping[str, int]) -> Iterator[tuple[int | None, list[Node]]]:
    """Nodes of one unit, at the place of its first; and runs of nodes that belong to none."""
    first = {unit_of[node.output]: place for place, node in reversed(list(enumerate(nodes))) if node.output in unit_of}
    placed = [
        (first[unit_of[node.output]] if node.output in unit_of else place, node) for place, node in enumerate(nodes)
    ]
    placed.sort(key=lambda pair: pair[0])  # stable: a unit keeps its order
    for number, run in groupby((node for _, node in placed), key=lambda node: unit_of.get(node.output)):
        yield number, list(run)


def _shared_name(names: Sequence[str]) -> str:
    """What names begin with, up to a whole word; empty if they share none.

    Examples
    --------
    >>> _shared_name(["stage3_unit1_bn1", "stage3_unit1_conv1"])
    'stage3_unit1'
    """
    if len(names) == 1:
        return names[0].strip(SEPARATORS)
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in columns)
    whole = max((shared.rfind(mark) for mark in SEPARATORS), default=-1)
    return shared[: whole + 1].strip(SEPARATORS)
