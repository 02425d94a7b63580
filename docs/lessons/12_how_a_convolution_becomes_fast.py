r"""
How a convolution becomes fast
==============================

LResNet100E-IR spends nearly all its time in 3 x 3 convolutions:

.. math:: y_{o,i,j} = \sum_{c=1}^{C} \sum_{u=0}^{2} \sum_{v=0}^{2} x_{c,\, i+u,\, j+v} \; w_{o,c,u,v}

Written in Python as it stands, that takes about an hour for one face. refnet takes some hundredths of a second. Nothing
in between is magic. This lesson climbs from the one to the other in seven rungs, and each rung is one idea. All compute
the same layer, 256 channels of 14 x 14 to 256 channels, which is that of 58 of the network's 103 convolutions.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from refnet import fast
from refnet.fast.lanes import fma, load, splat, store
from refnet.graph import Graph, Node, Tensor
from refnet.ops.conv import conv

CHANNELS, SIDE = 256, 14
rng = np.random.default_rng(0)
x = rng.standard_normal((CHANNELS, SIDE, SIDE)).astype(np.float32)
w = (rng.standard_normal((CHANNELS, CHANNELS, 3, 3)) / 48).astype(np.float32)
padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))

multiplications = 9 * CHANNELS**2 * SIDE**2
assert multiplications == 115_605_504

# %%
# The judge is the definition in float64. A rung may differ from it by rounding, of which :math:`u\,(|w| * |x|)`, with
# :math:`u = 2^{-24}`, is the natural unit.

exact = conv(x[None].astype(float), w.astype(float), padding=(1, 1, 1, 1))[0]
unit = 2.0**-24 * conv(np.abs(x[None]).astype(float), np.abs(w).astype(float), padding=(1, 1, 1, 1))[0]
rungs = {}


def climb(name, call, share=1.0):
    """Check a rung, which returns (channels, 14, 14), and note the seconds of the whole layer: the least of some runs."""
    y = call()
    error = (np.abs(y - exact[: len(y)]) / unit[: len(y)]).max()
    assert error < 30, f"{name}: {error}"
    runs = []
    with threadpool_limits(1):
        while len(runs) < 3 or (sum(runs) < 0.15 and len(runs) < 200):
            start = time.perf_counter()
            call()
            runs.append(time.perf_counter() - start)
    rungs[name] = min(runs) / share
    print(f"{name:40} {rungs[name] * 1e3:12.3f} ms   largest error {error:4.1f} units")


# %%
# 1. The formula
# --------------
#
# Six loops. Python is so slow at it that we compute one channel of the 256 and multiply the time by 256.


def loops(x, w, y):
    """Six nested loops."""
    for o in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = np.float32(0)
                for c in range(x.shape[0]):
                    for u in range(3):
                        for v in range(3):
                            total += x[c, i + u, j + v] * w[o, c, u, v]
                y[o, i, j] = total
    return y


climb("loops in Python", lambda: loops(padded, w, np.empty((1, SIDE, SIDE), np.float32)), share=1 / CHANNELS)

# %%
# 2. The same, compiled
# ---------------------
#
# Not a letter is changed. numba turns the function into machine code, which knows the types and does not ask again at
# every step.

compiled = njit(loops)
y = np.empty_like(x)
climb("the same loops, compiled", lambda: compiled(padded, w, y))

# %%
# 3. Another order of the loops
# -----------------------------
#
# A processor can multiply 8 or 16 numbers at once, if they lie side by side. The sum over channels is one chain, in
# which each addition waits for the one before, and a compiler may not reorder it. But 256 *outputs* at one place have
# nothing to do with each other. Let them be the innermost loop, and store the channels last, so that they lie side by
# side.


@njit
def channels_last(x, w, y):
    """The same sums, outputs innermost: x (H, W, IC), w (3, 3, IC, OC), y (H, W, OC)."""
    y[:] = 0
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for u in range(3):
                for v in range(3):
                    for c in range(x.shape[2]):
                        for o in range(y.shape[2]):
                            y[i, j, o] += x[i + u, j + v, c] * w[u, v, c, o]
    return y


x_last = np.ascontiguousarray(padded.transpose(1, 2, 0))
w_last = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
y_last = np.empty((SIDE, SIDE, CHANNELS), np.float32)
climb("outputs side by side", lambda: channels_last(x_last, w_last, y_last).transpose(2, 0, 1))

# %%
# 4. A matrix product
# -------------------
#
# Write what the filter sees at each place as a row of 2304 numbers, and the layer is one product of two matrices.
# Libraries for that (BLAS) have been tuned for decades. The price: every pixel is copied nine times.

windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
matrix = w.reshape(CHANNELS, -1)


def im2col():
    """Places as columns of a matrix, and one product."""
    columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, SIDE * SIDE)
    return (matrix @ columns).reshape(CHANNELS, SIDE, SIDE)


climb("im2col and a matrix product (BLAS)", im2col)

# %%
# 5. A block of sums in registers
# -------------------------------
#
# What does BLAS know? Rung 3 reads and writes its sums in memory for every product. Keep them where the arithmetic is
# instead: seven places times 16 outputs are seven registers (of a processor with AVX-512), and they stay there for all
# 2304 terms. Nothing needs to be copied for it. Each load of 16 weights now serves seven multiplications. ``Lanes`` are
# refnet's 16 numbers that numba handles as one; ``fma(a, b, c)`` is a b + c with one rounding.


@njit
def register_block(x, w, y):
    """Seven places and 16 outputs at a time; w in panels of 16 outputs, (OC / 16, 3, 3, IC, 16)."""
    flat_w, flat_y = w.ravel(), y.ravel()
    for panel in range(w.shape[0]):
        for i in range(14):
            for j in range(0, 14, 7):
                s0 = s1 = s2 = s3 = s4 = s5 = s6 = splat(np.float32(0))
                at = panel * 9 * x.shape[2] * 16
                for u in range(3):
                    for v in range(3):
                        row = x[i + u, j + v : j + v + 7]
                        for c in range(x.shape[2]):
                            weights = load(flat_w, at)
                            s0 = fma(splat(row[0, c]), weights, s0)
                            s1 = fma(splat(row[1, c]), weights, s1)
                            s2 = fma(splat(row[2, c]), weights, s2)
                            s3 = fma(splat(row[3, c]), weights, s3)
                            s4 = fma(splat(row[4, c]), weights, s4)
                            s5 = fma(splat(row[5, c]), weights, s5)
                            s6 = fma(splat(row[6, c]), weights, s6)
                            at += 16
                at = (i * 14 + j) * y.shape[2] + panel * 16
                for number, total in enumerate((s0, s1, s2, s3, s4, s5, s6)):
                    store(flat_y, at + number * y.shape[2], total)
    return y


panels = np.ascontiguousarray(w_last.reshape(3, 3, CHANNELS, -1, 16).transpose(3, 0, 1, 2, 4))
climb("a block of sums in registers", lambda: register_block(x_last, panels, y_last).transpose(2, 0, 1))

# %%
# 6. Fewer multiplications
# ------------------------
#
# Winograd's F(2 x 2, 3 x 3) makes a tile of 2 x 2 outputs from 4 x 4 inputs with 16 products instead of 36, because
# products can be shared between neighbours:
#
# .. math:: Y = A^T \bigl[ (G\, g\, G^T) \odot (B^T d\, B) \bigr] A
#
# Summed over channels, that is 16 matrix products, one for each place of the transformed tile. The filters are
# transformed once, before any image comes.

BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)

U = np.ascontiguousarray((G @ w @ G.T).transpose(2, 3, 0, 1).reshape(16, CHANNELS, CHANNELS))
tiles = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(1, 2))[:, ::2, ::2]  # (256, 7, 7, 4, 4)
spread, gather = np.kron(BT, BT), np.kron(AT, AT)  # down and across at once: tiles as vectors of 16


def winograd():
    """Transform tiles, 16 products of matrices, transform back."""
    V = spread @ tiles.transpose(3, 4, 0, 1, 2).reshape(16, -1)
    M = U @ V.reshape(16, CHANNELS, 49)
    Y = gather @ M.reshape(16, -1)
    return Y.reshape(2, 2, CHANNELS, 7, 7).transpose(2, 3, 0, 4, 1).reshape(CHANNELS, SIDE, SIDE)


climb("Winograd F(2,3), with BLAS", winograd)
products = 16 * 49 * CHANNELS**2
assert multiplications == products * 9 / 4

# %%
# 7. The kernel in refnet
# -----------------------
#
# The same ideas together: register blocks (larger ones, as the processor's registers allow), Winograd with tiles of 4 x
# 4 and, for what is left of 14, of 2 x 2, at points that lose less accuracy, filters stored half transformed, so that
# less has to be read from memory, and everything that follows the convolution done before an output leaves its
# register.

attributes = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
graph = Graph(
    "layer",
    (Tensor("x", "float32", (1, *x.shape)),),
    (Tensor("y", "float32", (1, *x.shape)),),
    (Node("conv", "Conv", ("x", "w"), "y", attributes),),
    {"w": w},
)
engine = fast.compile(graph, threads=1)
climb("refnet", lambda: engine.run({"x": x[None]})["y"][0])

# %%
# The ladder
# ----------
#
# Times are of the machine that built this page, one thread, and change from one day to the next. The speed counts the
# multiplications and additions of the formula, whatever a rung really does; so Winograd's may exceed what the processor
# can do.

BLUE, GREEN = "#0072B2", "#009E73"
figure, ax = plt.subplots(figsize=(8, 4))
for place, (name, seconds) in enumerate(rungs.items()):
    gflops = 2 * multiplications / seconds / 1e9
    ax.barh(-place, gflops, left=0, color=GREEN if name == "refnet" else BLUE, height=0.72)
    took = f"{seconds:.0f} s" if seconds > 1 else f"{seconds * 1e3:.3g} ms"
    ax.annotate(f" {took}", (gflops, -place), va="center")
ax.set_xscale("log")
ax.set_xlim(0.3 * 2 * multiplications / rungs["loops in Python"] / 1e9, 4e3)
ax.set_yticks([-place for place in range(len(rungs))], list(rungs))
ax.tick_params(axis="y", length=0)
ax.set_xlabel("GFLOP/s, as if computed by the formula")
ax.spines["left"].set_visible(False)
plt.show()

first, last = rungs["loops in Python"], rungs["refnet"]
print(f"from the first rung to the last: {first / last:,.0f} times")
print(f"58 such layers: {58 * first / 60:,.0f} minutes, or {58 * last * 1e3:.0f} ms")

# %%
# To take away
# ------------
#
# - Most of the speed is in *where the numbers lie*: side by side, in registers, in cache. The arithmetic of rungs 1 to
#   5 is the same.
# - An algorithm with fewer operations helps once the operations are fast, and not before.
# - Each rung has the one before as its test. No rung here is trusted: each was compared with float64.
#
# In refnet the definition is ``refnet/ops/conv.py`` (:func:`refnet.ops.conv.conv`), and the kernels are in
# ``refnet/fast/kernels``, one algorithm a file. :doc:`/kernels` tells what each step gained, and what was tried and
# lost. Sources: Goto & van de Geijn, *Anatomy of High-Performance Matrix Multiplication*, ACM TOMS 34(3), 2008; Huang &
# van de Geijn, *BLISlab*, arXiv:1609.00076, a ladder for the matrix product; Lavin & Gray, *Fast Algorithms for
# Convolutional Neural Networks*, arXiv:1509.09308, section 4.1.
