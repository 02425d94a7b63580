"""The network's picture, cut into strips that stand below one another: a trunk that runs down, branches to its right.

Every strip is one layer of the trunk with the branches that end in it. Strips join wherever they are put, so that the
page can break the picture into as many columns as there is room for. Lengths are in the units of the strip's view box.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refnet.audit.report.page.split import Plan, Stretch, split

WIDTH = 344
TRUNK = 44  # where the trunk runs, from the left
_FIRST = TRUNK + 26  # where branches begin
_LAST = WIDTH - 14  # where they end at the latest
_HEIGHT, _GAP, _STEP = 16, 5, 22  # of a block; between blocks; from one row to the next
_TOP, _RETURN = 11.0, 14.0  # the middle of the first row; from the last row to where branches come back
_RADIUS = 6  # of a sum, which is a circle, and of the corners of wires
_NARROWEST, _WIDEST = 20, 38
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

    op: str
    channels: int | None
    kernel: tuple[int, ...] | None
    label: str  # left of the strip that the layer ends
    words: str  # right of the layer where it is alone on its row


@dataclass(frozen=True)
class Block:
    """A layer in the picture: a rounded box around (x, y), or a circle if `round`."""

    layer: int
    x: float
    y: float
    width: float
    height: float
    text: str
    round: bool = False


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
    return [_strip(stretch, plan, layers) for stretch in plan.stretches]


def _strip(stretch: Stretch, plan: Plan, layers: Sequence[Drawn]) -> Strip:
    """Lay out one stretch: branches in rows, the trunk beside them and the layer they end in below."""
    end = layers[stretch.end]
    trunk, branches = _trunk(stretch, plan)
    blocks, down = _rows(branches, layers, plan)
    beside = _TOP + (_RETURN if branches else 0)
    for layer in trunk:
        blocks[layer] = _block(layer, layers[layer], TRUNK, beside)
        beside += _HEIGHT + 4
    down = max(down, beside)
    joins = len(plan.producers[stretch.end]) > 1
    last = Block(stretch.end, TRUNK, down, 2 * _RADIUS, 2 * _RADIUS, _text(end), round=True)
    blocks[stretch.end] = last if joins else _block(stretch.end, end, TRUNK, down)
    height = down + blocks[stretch.end].height / 2 + 3
    whole = trunk or stretch.start in plan.producers[stretch.end]
    return Strip(
        height=height,
        blocks=tuple(blocks[layer] for layer in sorted(blocks)),
        wires=(f"M{TRUNK} {0 if whole else down:g}V{height:g}", *_wires(stretch, plan, blocks, frozenset(trunk))),
        end=stretch.end,
        label=end.label,
        words="" if branches else end.words,
    )


def _rows(branches: Sequence[Sequence[int]], layers: Sequence[Drawn], plan: Plan) -> tuple[dict[int, Block], float]:
    """The blocks of branches, a row each or more where they are long; and where the layer they end in may stand."""
    blocks: dict[int, Block] = {}
    y = _TOP
    for run in branches:
        widths = _widths([layers[layer] for layer in run])
        fed = [blocks[layer].x + blocks[layer].width / 2 for layer in plan.producers[run[0]] if layer in blocks]
        x = max(fed, default=_FIRST - _STEP) + _STEP  # right of what feeds it
        if x + sum(widths) + _GAP * (len(run) - 1) > _LAST:
            x = float(_FIRST)
        for layer, width in zip(run, widths, strict=True):
            if x + width > _LAST:
                x, y = float(_FIRST), y + _STEP
            blocks[layer] = _block(layer, layers[layer], x + width / 2, y, width)
            x += width + _GAP
        y += _STEP
    return blocks, y - _STEP + _RETURN if branches else _TOP


def _widths(run: Sequence[Drawn]) -> list[float]:
    """The widths of a run's blocks: narrowed to fit one row, if the narrowest would."""
    widths = [_width(layer) for layer in run]
    room = _LAST - _FIRST - _GAP * (len(run) - 1)
    if sum(widths) <= room or room < _NARROWEST * len(run):
        return widths
    spare = (room - _NARROWEST * len(run)) / (sum(widths) - _NARROWEST * len(run))
    return [_NARROWEST + spare * (width - _NARROWEST) for width in widths]


def _block(number: int, layer: Drawn, x: float, y: float, width: float | None = None) -> Block:
    """A box around a point."""
    return Block(number, x, y, width or _width(layer), _HEIGHT, _text(layer))


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
    return f"M{TRUNK} 0V{block.y - _RADIUS - 3:g}q0 {_RADIUS + 3} {_RADIUS + 3} {_RADIUS + 3}H{left:g}"


def _on(source: Block, block: Block) -> str:
    """From one layer to the next: straight in a row, between rows to the beginning of the next, else in a curve."""
    right, left = source.x + source.width / 2, block.x - block.width / 2
    if source.y == block.y and right <= left:
        return f"M{right:g} {source.y:g}H{left:g}"
    if block.y - source.y == _STEP and left == _FIRST:
        half, r = _STEP / 2 - 3, 3
        turn = f"q{r} 0 {r} {r}v{half - r:g}q0 {r} -{r} {r}"
        return f"M{right:g} {source.y:g}h2{turn}H{left - 4:g}q-{r} 0 -{r} {r}v{half - r:g}q0 {r} {r} {r}h4"
    return f"M{right:g} {source.y:g}C{right + 18:g} {source.y:g} {left - 18:g} {block.y:g} {left:g} {block.y:g}"


def _back(source: Block, end: Block) -> str:
    """From the last layer of a branch back to the trunk, below the blocks."""
    right, r = source.x + source.width / 2, _RADIUS
    drop = end.y - source.y - 2 * r
    return f"M{right:g} {source.y:g}h2q{r} 0 {r} {r}v{drop:g}q0 {r} -{r} {r}H{end.x + end.width / 2:g}"


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
