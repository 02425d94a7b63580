"""What each piece of a plan's work costs by its shape alone: for the printed plan, and for a roofline beside it.

Two counts of arithmetic are told apart. The *direct* one is that of the layer's definition, 2 a multiply-add: what any
algorithm computes. The *executed* one is what the chosen kernel does, with channels filled up to whole vectors and
with Winograd's transforms of inputs and outputs. Not counted: the expansion of filters, which is done once for all
images that go through together, and what follows a sum (bias, PReLU, residual).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refnet.fast.draft import FLOAT_BYTES, Draft, Generic
from refnet.fast.kernels import tiles
from refnet.fast.kernels.driver import Kernel
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.pack import round_up
from refnet.fast.steps import Step
from refnet.graph import Shape
from refnet.ops.inference import flops as node_flops

BALANCE = 5  # FLOP in the time of one byte: a core of the AVX-512 machine that the kernels were made on


@dataclass(frozen=True)
class Cost:
    """One row of a printed plan; figures are those of one image.

    Attributes
    ----------
    name : the layer's, or the node's
    kernel : a kernel's name; for a node that no kernel knows "definition of" its operator
    output : shape, without N
    direct_flops, executed_flops : int
    weight_bytes : int
        As packed; read once for all images that go through together.
    activation_bytes : int
        What is read and written: inputs, residual, outputs, each once.
    together : int
        How many images go through at a time.
    kept_bytes : int
        Of the arena, that stay longer than their own readers need them because the result of a node may be a view of
        them.
    """

    name: str
    kernel: str
    output: Shape
    direct_flops: int
    executed_flops: int
    weight_bytes: int
    activation_bytes: int
    together: int
    kept_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Weights and activations of one image alone."""
        return self.weight_bytes + self.activation_bytes


def costs_of(draft: Draft, kept: Mapping[int, int]) -> tuple[Cost, ...]:
    """One a piece of work, in the order in which the plan runs them; `kept` is of `keep_what_is_shown`."""
    return tuple(
        _of_step(work) if isinstance(work, Step) else _of_node(draft, work, kept[n])
        for n, work in enumerate(draft.work)
    )


def expected_shares(costs: Sequence[Cost]) -> list[float]:
    """Each row's share of the time of one image, on a machine that does `BALANCE` FLOP while it moves a byte.

    A row takes as long as its arithmetic or its bytes, whichever is longer. What a machine really does is measured by
    `profile`.
    """
    parts = [max(cost.executed_flops, BALANCE * cost.bytes) for cost in costs]
    total = sum(parts) or 1
    return [part / total for part in parts]


def table_of(costs: Sequence[Cost]) -> list[str]:
    """For people: a head, and a line a row."""
    head = ("layer", "kernel", "output", "GFLOP", "executed", "weights", "activations", "expected", "together")
    lines: list[tuple[str, ...]] = [head]
    for cost, share in zip(costs, expected_shares(costs), strict=True):
        shape = "x".join(str(extent) for extent in cost.output)
        counted = [f"{flops / 1e9:.4f}" for flops in (cost.direct_flops, cost.executed_flops)]
        moved = [f"{size / 1e6:.2f} MB" for size in (cost.weight_bytes, cost.activation_bytes)]
        kernel = cost.kernel + (f", keeps {cost.kept_bytes / 1e6:.2f} MB as a view" if cost.kept_bytes else "")
        lines.append((cost.name, kernel, shape, *counted, *moved, f"{share:.1%}", str(cost.together)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _of_step(step: Step) -> Cost:
    output = step.storages["y"][0].layout.shape
    name, kernel = step.name, step.kernel.name.lower()
    return Cost(name, kernel, output, step.flops, _executed(step), step.weight_bytes, step.activation_bytes, step.group)


def _of_node(draft: Draft, work: Generic, kept_bytes: int) -> Cost:
    node, known = work.node, draft.known
    output, flops = known[node.output].shape, node_flops(node, known)
    sizes = {name: FLOAT_BYTES * math.prod(known[name].shape) for name in (*node.inputs, node.output) if name}
    weights = sum(size for name, size in sizes.items() if name in draft.constant)
    return Cost(
        node.name, f"definition of {node.op}", output[1:], flops, flops,
        weights, sum(sizes.values()) - weights, draft.capacity, kept_bytes,
    )  # fmt: skip


def _executed(step: Step) -> int:
    """Floating-point operations of a kernel for one image."""
    fields = step.fields
    channels = fields["channels"]
    if step.kernel in (Kernel.READ_IMAGES, Kernel.WRITE_IMAGES, Kernel.ENLARGE):
        return 0
    outputs = round_up(fields["out_channels"], PANEL)
    if step.kernel is Kernel.DENSE:
        return 2 * channels * outputs
    pixels = fields["height"] * fields["width"]
    if step.kernel is Kernel.WINOGRAD_3X3:
        spreading, products, gathering = winograd_flops(fields["height"], fields["width"])
        return channels * spreading + channels * outputs * products + outputs * gathering
    taps = fields["taps_down"] * fields["taps_across"]
    if step.kernel in (Kernel.MAX_POOL, Kernel.ADD):
        return taps * channels * pixels
    return 2 * taps * channels * pixels * (1 if step.kernel is Kernel.DEPTHWISE else outputs)


def winograd_flops(height: int, width: int) -> tuple[int, int, int]:
    """Of an image of height x width outputs: the transform of a channel, its products with another, the transform back.

    Examples
    --------
    A tile of 4 x 4 outputs takes 36 multiply-adds a pair of channels, where the definition takes 144:

    >>> winograd_flops(4, 4)[1]
    72
    """
    spreading = products = gathering = 0
    for m in tiles.tile_sizes(height):
        for n in tiles.tile_sizes(width):
            spread = {size: _flops(tiles.spread, size + 2) for size in (m, n)}
            gather = {size: _flops(tiles.gather, size + 2) for size in (m, n)}
            spreading += (n + 2) * spread[m] + (m + 2) * spread[n]
            products += 2 * (m + 2) * (n + 2)
            gathering += (m + 2) * gather[n] + n * gather[m]
    return spreading, products, gathering


def _flops(formula: Callable[[Sequence[Any], Callable[..., Any]], object], operands: int) -> int:
    """How many operations one of the formulas of `tiles` takes: they run on anything, so on what counts them."""
    done = 0

    class Operand:
        def __add__(self, _: object) -> "Operand":
            nonlocal done
            done += 1
            return self

        __sub__ = __mul__ = __add__

    def fma(_x: object, y: Operand, _z: object) -> Operand:
        return y + y + y

    formula([Operand()] * operands, fma)
    return done
