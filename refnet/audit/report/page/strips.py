"""The network's picture, cut into strips that stand below one another: a trunk that runs down, branches to its right.

Every strip is one layer of the trunk with the branches that end in it. Strips join wherever they are put, so that the
page can break the picture into as many columns as there is room for. Lengths are in the units of the strip's view box.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refnet.audit.report.page.split import SOURCE, Plan, Stretch, split

WIDTH = 344
TRUNK = 44  # where the trunk runs, from the left
_FIRST = TRUNK + 26  # where branches begin
_LAST = WIDTH - 14  # where they end at the latest
_HEIGHT, _GAP, _STEP = 16, 5, 22  # of a block; between blocks; from one row to the next
_RADIUS = 6  # of a sum, which is a circle, and of the corners of wires
_NARROWEST, _WIDEST = 18, 38
_SHORT = {
    "BatchNormalization": "BN",
    "PRelu": "PR",
    "Relu": "R",
    "LeakyRelu": "LR",
    "Gemm": "FC",
    "MatMul": "MM",
    "Flatten": "Fl",
    "Dropout": "Dr",
    "Reshape": "Re",
    "Identity": "Id",
    "GlobalAveragePool": "GP",
    "AveragePool": "AP",
    "MaxPool": "MP",
    "Concat": "Cc",
    "Transpose": "Tr",
    "Sub": "−",
    "Mul": "×",
    "Div": "÷",
    "Add": "+",
}


@dataclass(frozen=True)
class Drawn:
    """What the picture needs to know of a layer."""

    name: str
    op: str
    channels: int | None
    kernel: tuple[int, ...] | None
    label: str  # beside the strip that the layer ends
    words: str  # right of the layer where it is alone on its row


@dataclass(frozen=True)
class Block:
    """A layer in the picture: a rounded box around (x, y), or a circle if `round`; `dot` if no image changes it."""

    layer: int
    x: float
    y: float
    width: float
    height: float
    text: str
    round: bool = False
    dot: bool = False


@dataclass(frozen=True)
class Strip:
    """One layer of the trunk with what leads to it; `wires` are paths, `words` stand right of a layer that is alone."""

    height: float
    blocks: tuple[Block, ...]
    wires: tuple[str, ...]
    end: int
    label: str
    words: str


def strips(
    layers: Sequence[Drawn], wiring: Sequence[tuple[Sequence[str], Sequence[str]]], inputs: Sequence[str]
) -> list[Strip]:
    """Draw a graph.

    Parameters
    ----------
    layers : what to write on each
    wiring, inputs : as `split` takes them
    """
    plan = split(wiring, inputs)
    beside: dict[int, list[int]] = {}
    for layer, reader in plan.constants.items():
        beside.setdefault(reader, []).append(layer)
    return [_strip(stretch, plan, layers, beside) for stretch in plan.stretches]


def _strip(stretch: Stretch, plan: Plan, layers: Sequence[Drawn], beside: Mapping[int, Sequence[int]]) -> Strip:
    """Lay out one stretch: its trunk, its branches row by row, and the wire of every pair of layers."""
    end = layers[stretch.end]
    trunk, branches = _trunk(stretch, plan)
    blocks: dict[int, Block] = {}
    y = _HEIGHT / 2 + 3
    for run in branches:
        x = float(_FIRST)
        for layer in run:
            width = _width(layers[layer])
            if x + width > _LAST:
                x, y = float(_FIRST), y + _STEP
            blocks[layer] = Block(layer, x + width / 2, y, width, _HEIGHT, _text(layers[layer]))
            x += width + _GAP
        y += _STEP
    below = y - _STEP + 14 if branches else 0.0
    down = _HEIGHT / 2 + 3 + (14 if branches else 0)
    for layer in trunk:
        blocks[layer] = Block(layer, TRUNK, down, _width(layers[layer]), _HEIGHT, _text(layers[layer]))
        down += _HEIGHT + 4
    down = max(down, below)
    joins = len(plan.producers[stretch.end]) > 1
    width = 2 * _RADIUS if joins else _width(end)
    height = 2 * _RADIUS if joins else _HEIGHT
    blocks[stretch.end] = Block(stretch.end, TRUNK, down, width, height, _text(end), round=joins)
    wires = [f"M{TRUNK} 0V{down:g}", f"M{TRUNK} {down:g}V{down + height / 2 + 3:g}"]
    if branches and not trunk and stretch.start not in plan.producers[stretch.end]:
        wires = wires[1:]
    wires += _wires(stretch, plan, blocks, frozenset(trunk))
    placed = list(blocks.values())
    for reader, block in blocks.items():
        placed += [_dot(layer, block, n) for n, layer in enumerate(beside.get(reader, ()))]
    alone = not branches
    return Strip(
        height=down + height / 2 + 3,
        blocks=tuple(sorted(placed, key=lambda block: block.layer)),
        wires=tuple(wires),
        end=stretch.end,
        label=end.label,
        words=end.words if alone else "",
    )


def _trunk(stretch: Stretch, plan: Plan) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Which run goes on down the trunk: the shortest of those that lead from end to end, where no plain wire does."""
    through = [
        run
        for run in stretch.branches
        if plan.producers[run[0]] == (stretch.start,) and run[-1] in plan.producers[stretch.end]
    ]
    if stretch.start in plan.producers[stretch.end] or len(through) < len(stretch.branches) or not through:
        return (), list(stretch.branches)
    shortest = min(through, key=len)
    return shortest, [run for run in stretch.branches if run != shortest]


def _wires(stretch: Stretch, plan: Plan, blocks: Mapping[int, Block], trunk: frozenset[int]) -> list[str]:
    """A path from each layer to each that reads it; those along the trunk are drawn with it."""
    found = []
    for layer, block in blocks.items():
        for source in plan.producers[layer]:
            if source == stretch.start:
                if layer not in trunk and layer != stretch.end:
                    found.append(_out(block))
            elif source in blocks and source not in trunk:
                found.append(_back(blocks[source], block) if layer == stretch.end else _on(blocks[source], block))
            elif source in trunk and layer not in trunk and layer != stretch.end:
                found.append(_on(blocks[source], block))
    return found


def _out(block: Block) -> str:
    """From the trunk to the first layer of a branch."""
    left = block.x - block.width / 2
    return f"M{TRUNK} {block.y - _RADIUS - 3:g}q0 {_RADIUS + 3} {_RADIUS + 3} {_RADIUS + 3}H{left:g}"


def _on(source: Block, block: Block) -> str:
    """From one layer to the next: straight in a row, else in a curve."""
    right, left = source.x + source.width / 2, block.x - block.width / 2
    if source.y == block.y and right <= left:
        return f"M{right:g} {source.y:g}H{left:g}"
    return f"M{right:g} {source.y:g}C{right + 18:g} {source.y:g} {left - 18:g} {block.y:g} {left:g} {block.y:g}"


def _back(source: Block, end: Block) -> str:
    """From the last layer of a branch back to the trunk, below the blocks."""
    right, r = source.x + source.width / 2, _RADIUS
    drop = end.y - source.y - 2 * r
    return f"M{right:g} {source.y:g}h2q{r} 0 {r} {r}v{drop:g}q0 {r} -{r} {r}H{end.x + end.width / 2:g}"


def _dot(layer: int, reader: Block, place: int) -> Block:
    """A layer that no image changes, on the upper edge of the layer that reads it."""
    left = reader.x - reader.width / 2 + 5
    return Block(layer, left + 8 * place, reader.y - reader.height / 2, 6, 6, "", dot=True)


def _width(layer: Drawn) -> float:
    """Wider where there are more channels: each doubling adds the same."""
    if not layer.channels or layer.channels < 1:
        return _NARROWEST
    return min(max(6.0 * math.log2(layer.channels) - 16, _NARROWEST), _WIDEST)


def _text(layer: Drawn) -> str:
    """What is written on a block: two or three letters."""
    if layer.op == "Conv" and layer.kernel:
        return "×".join(map(str, layer.kernel))
    return _SHORT.get(layer.op, layer.op[:2])


__all__ = ["SOURCE", "TRUNK", "WIDTH", "Block", "Drawn", "Strip", "strips"]
