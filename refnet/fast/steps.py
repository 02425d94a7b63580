"""A step of a plan: one call of a kernel, which kernel that is, and how its work is divided."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from refnet.fast.kernels.driver import Kernel
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.kernels.tiles import FREQUENCIES, tile_sizes
from refnet.fast.lanes import WIDTH
from refnet.fast.layers import ConvLayer
from refnet.fast.storage import PIXEL, Border, Storage

CAPACITY = 8  # images that a workspace holds; a larger batch goes through in turns
GROUP_BYTES = 2 << 20  # of one activation, up to which images go through a layer together
_BAND_BYTES = 1 << 20  # of transformed inputs at a time; about a core's second-level cache
_COLOURS = 3  # of a photograph, whose first layer in detectors and small networks has a stride of two
_MANY_CHANNELS = 256
_ROWS_A_RANK = 7  # of tiles; ranks divide output channels where there are fewer
_BAND_ROWS = 128  # but at least so many tiles where images are small: filters are expanded once a band


@dataclass
class Step:
    """One call of a kernel."""

    name: str
    kernel: Kernel
    storages: dict[str, tuple[Storage, Border]]  # by role: x, y, residual, second
    fields: dict[str, int]
    flops: int = 0
    weight_bytes: int = 0
    private: dict[str, int] = field(default_factory=dict)  # scratch of each rank, by name: how many values
    shared: int = 0  # scratch of all ranks, in values
    group: int = CAPACITY

    @property
    def activation_bytes(self) -> int:
        """What it reads and writes for one image."""
        return 4 * sum(storage.layout.image for storage, _ in self.storages.values())


def choose_kernel(layer: ConvLayer) -> Kernel:
    """The algorithm of a convolution: by its shape alone, for its bits depend on it."""
    _, ic, kh, kw = layer.weight_shape
    if layer.depthwise:
        return Kernel.DEPTHWISE
    if (kh, kw, *layer.stride) == (3, 3, 2, 2) and ic == _COLOURS:
        return Kernel.DIRECT_PIXELS
    if (kh, kw) == (3, 3) and layer.stride == (1, 1):
        if ic <= PIXEL:
            return Kernel.DIRECT_PIXELS
        if layer.padding == (1, 1, 1, 1):
            return Kernel.WINOGRAD_3X3
    return Kernel.DIRECT


def divide_winograd(step: Step, threads: int) -> None:
    """How many tiles at a time, and scratch for them."""
    channels, height, width = (step.fields[name] for name in ("channels", "height", "width"))
    down, across = -(-height // 4), -(-width // 4)
    fitting = max(_BAND_BYTES // (4 * FREQUENCIES**2 * channels), 1)
    by_channel = down < _ROWS_A_RANK * threads
    if down * across <= max(fitting, _BAND_ROWS if channels >= _MANY_CHANNELS else 0):
        rows, images = down, min(step.group, max(1, max(fitting, _BAND_ROWS) // (down * across)))
    else:
        rows, images = -(-down // -(-down // max(1, fitting // across))), 1
    if not by_channel:
        even = (n for n in range(rows, 0, -1) if -(-down // n) % threads == 0)
        rows, images = next(even, rows), 1
    tiles = rows * images * across
    step.fields |= {"band_rows": rows, "band_images": images, "by_channel": int(by_channel)}
    step.private = {
        "u": 4 * channels * PANEL,
        "m": FREQUENCIES**2 * (tiles * PANEL + WIDTH),
        "h": 3 * channels * PANEL if step.fields["plain_filters"] else 0,
        "v": FREQUENCIES**2 * (tiles * channels + WIDTH),
    }


def write_row(row: Any, step: Step, shared_at: int, private_at: int, private_size: int) -> None:
    """One step as kernels read it."""
    values = {"residual_at": -1, "second_at": -1, **step.fields}
    values |= {"kernel": step.kernel, "shared_at": shared_at, "private_at": private_at, "private_size": private_size}
    for role, (storage, border) in step.storages.items():
        values |= storage.fields(role, border)
    at = 0
    for name, size in step.private.items():
        if name in ("m", "h", "v"):
            values[f"private_{name}"] = at
        at += size
    for name, value in values.items():
        row[name] = value


@dataclass(frozen=True)
class Described:
    """A step for people.

    Attributes
    ----------
    name, kernel : str
    shape : of its output, for one image
    flops : of the layer's definition, for one image
    executed_flops : of the algorithm, for one image; transforms not counted
    weight_bytes : read once a run, or once for so many images as go through together
    activation_bytes : read and written for one image
    together : images that go through the step and its neighbours together
    """

    name: str
    kernel: str
    shape: tuple[int, ...]
    flops: int
    executed_flops: int
    weight_bytes: int
    activation_bytes: int
    together: int


def describe(step: Step) -> Described:
    """What a person wants to know of a step."""
    return Described(
        step.name,
        step.kernel.name.lower(),
        step.storages["y"][0].layout.shape,
        step.flops,
        _executed(step),
        step.weight_bytes,
        step.activation_bytes,
        step.group,
    )


def _executed(step: Step) -> int:
    """What the algorithm computes: for Winograd, m + 2 products a direction for a tile of m outputs instead of 3 m."""
    if step.kernel is not Kernel.WINOGRAD_3X3:
        return step.flops
    down, across = (sum(size + 2 for size in tile_sizes(step.fields[side])) for side in ("height", "width"))
    return step.flops * down * across // (9 * step.fields["height"] * step.fields["width"])


def table_of(steps: Sequence[Described]) -> tuple[str, ...]:
    """A table for people; the expected share is that of the executed operations."""
    total = max(1, sum(step.executed_flops for step in steps))
    head = ("layer", "kernel", "output", "MFLOP", "executed", "share", "weights MB", "together")
    lines = ["{:40} {:14} {:>12} {:>9} {:>9} {:>6} {:>10} {:>8}".format(*head)]
    lines += [
        f"{step.name:40} {step.kernel:14} {'x'.join(map(str, step.shape)):>12} {step.flops / 1e6:9.1f} "
        f"{step.executed_flops / 1e6:9.1f} {step.executed_flops / total:6.1%} {step.weight_bytes / 1e6:10.2f} {step.together:8}"
        for step in steps
    ]
    return tuple(lines)
