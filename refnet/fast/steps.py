"""A step of a plan: one call of a kernel, which kernel that is, and how its work is divided."""

from dataclasses import dataclass, field
from typing import Any

from refnet.fast.kernels.driver import Kernel
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.kernels.tiles import FREQUENCIES
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
