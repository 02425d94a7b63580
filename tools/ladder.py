"""The ladder from loops to the shipped kernel, measured: one layer, one thread, rung by rung.

    python tools/ladder.py [--write]

The layer is the commonest of LResNet100E-IR: 3x3, stride 1, 256 to 256 channels, 14 x 14 (58 of its 103 convolutions).
Every rung computes the same layer for 8 images; rungs take turns, and the figure is the median of the ratios of the
rounds. `--write` puts the table between the markers of docs/kernels.md.
"""

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
from numba import njit

from refnet import fast
from refnet.bench.machine import processor
from refnet.fast import draft
from refnet.fast.kernels.driver import Kernel
from refnet.graph import Array, Graph, Node, Tensor
from refnet.ops.conv import conv

IMAGES, CHANNELS, SIDE = 8, 256, 14
ATTRIBUTES = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
ROUNDS = 7
PAGE = Path(__file__).parents[1] / "docs" / "kernels.md"


@njit(nogil=True)
def loops(x: Array, weight: Array, y: Array) -> None:
    """The definition: y (N, OC, OH, OW) from x (N, IC, OH+2, OW+2)."""
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = np.float32(0)
                    for c in range(x.shape[1]):
                        for u in range(3):
                            for v in range(3):
                                total += x[n, c, i + u, j + v] * weight[o, c, u, v]
                    y[n, o, i, j] = total


@njit(nogil=True)
def loops_across_channels(x: Array, weight: Array, y: Array) -> None:
    """The same with channels last, so that the innermost loop runs over outputs: x (N, H, W, IC), weight (3, 3, IC, OC)."""
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(y.shape[3]):
                    y[n, i, j, o] = np.float32(0)
                for u in range(3):
                    for v in range(3):
                        for c in range(x.shape[3]):
                            value = x[n, i + u, j + v, c]
                            for o in range(y.shape[3]):
                                y[n, i, j, o] += value * weight[u, v, c, o]


def rungs() -> dict[str, Callable[[], object]]:
    """Each rung as a call without arguments."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((IMAGES, CHANNELS, SIDE, SIDE)).astype(np.float32)
    weight = (rng.standard_normal((CHANNELS, CHANNELS, 3, 3)) / 48).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    last, weight_last = (
        np.ascontiguousarray(padded.transpose(0, 2, 3, 1)),
        np.ascontiguousarray(weight.transpose(2, 3, 1, 0)),
    )
    y, y_last = np.empty_like(x), np.empty((IMAGES, SIDE, SIDE, CHANNELS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    matrix = np.ascontiguousarray(weight.reshape(CHANNELS, -1).T)

    def im2col() -> Array:
        rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(IMAGES * SIDE * SIDE, -1)
        return rows @ matrix

    graph = Graph(
        "layer",
        (Tensor("x", "float32", (1, CHANNELS, SIDE, SIDE)),),
        (Tensor("y", "float32", (1, CHANNELS, SIDE, SIDE)),),
        (Node("conv", "Conv", ("x", "weight"), "y", ATTRIBUTES),),
        {"weight": weight},
    )
    with mock.patch.object(draft, "choose_kernel", return_value=Kernel.DIRECT):
        direct = fast.compile(graph, threads=1)
    winograd = fast.compile(graph, threads=1)
    return {
        "loops, compiled": lambda: loops(padded, weight, y),
        "loops, channels last: vectors over outputs": lambda: loops_across_channels(last, weight_last, y_last),
        "nine matrix products (`refnet/ops/conv.py` in float32, BLAS)": lambda: conv(x, weight, padding=(1, 1, 1, 1)),
        "im2col and one matrix product (BLAS)": im2col,
        "register block over taps (`kernels/direct.py`)": lambda: direct.run({"x": x}),
        "Winograd, mixed tiles (`kernels/winograd.py`), shipped": lambda: winograd.run({"x": x}),
    }


def table() -> str:
    """Measure, and write down."""
    calls = rungs()
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    flops = 2 * 9 * CHANNELS**2 * SIDE**2 * IMAGES
    lines = [
        "| rung | ms an image | GFLOP/s, as if direct | over the rung before | over the first |",
        "|---|---|---|---|---|",
    ]
    before = first = next(iter(seconds.values()))
    for name, times in seconds.items():
        median = statistics.median(times)
        step = statistics.median(a / b for a, b in zip(before, times, strict=True))
        whole = statistics.median(a / b for a, b in zip(first, times, strict=True))
        lines.append(
            f"| {name} | {median / IMAGES * 1e3:.3f} | {flops / median / 1e9:.0f} | {step:.2f}x | {whole:.1f}x |"
        )
        before = times
    about = f"Python {platform.python_version()}, NumPy {version('numpy')}, numba {version('numba')}, llvmlite {version('llvmlite')}"
    return "\n".join([*lines, "", f"Measured by `tools/ladder.py`, one thread; {processor()}; {about}."])


def main() -> None:
    """Print the table; with --write put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    written = table()
    print(written)
    if parser.parse_args().write:
        text = PAGE.read_text()
        PAGE.write_text(
            re.sub(
                r"<!-- ladder -->.*?<!-- /ladder -->",
                lambda _: f"<!-- ladder -->\n{written}\n<!-- /ladder -->",
                text,
                flags=re.S,
            )
        )


if __name__ == "__main__":
    main()
