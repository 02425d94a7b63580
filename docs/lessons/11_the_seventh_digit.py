r"""
Why two programs disagree in the seventh digit
==============================================

Run one face through one model in two programs and compare the embeddings. They agree to six digits or so, and then no
more. Neither has a bug. Both compute with float32, whose numbers have 24 bits, and after each operation the result is
rounded to the nearest of them:

.. math:: \mathrm{fl}(a \circ b) = (a \circ b)(1 + \delta), \qquad |\delta| \le u = 2^{-24} \approx 6 \cdot 10^{-8}

The order of the operations decides what is rounded. Every program chooses its own order. This lesson measures how much
comes of that, from one sum to the embedding, and whether it can ever change a decision.
"""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refnet
from refnet import fast
from refnet.audit.ablation import residual_units
from refnet.audit.winograd_error import winograd_bound
from refnet.faces.align import align
from refnet.faces.lesson import lesson_face
from refnet.graph import Graph, Node, Tensor
from refnet.ops import OPERATORS
from refnet.ops.conv import conv
from refnet.zoo.lesson import lesson_graph
from refnet.zoo.samples import sample_crops

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
u = 2.0**-24

# %%
# Addition has an order
# ---------------------
#
# In float32, 100,000,000 is a number and 100,000,001 is not. So a sum of three numbers depends on which two come first.

big, one = np.float32(1e8), np.float32(1)
assert (big + one) - big == 0
assert (big - big) + one == 1

# %%
# One layer, five orders
# ----------------------
#
# A 3 x 3 convolution that reads 256 channels adds 9 x 256 = 2304 products for every output; 58 of the 103 convolutions
# of LResNet100E-IR do. Here is one, with random numbers and 64 filters, as a matrix product: a row of ``columns`` is
# what a filter sees at one place.

rng = np.random.default_rng(0)
x = rng.standard_normal((1, 256, 14, 14)).astype(np.float32)
weight = (rng.standard_normal((64, 256, 3, 3)) / 48).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(np.pad(x[0], ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
columns = windows.transpose(1, 2, 3, 4, 0).reshape(196, -1)
filters = weight.transpose(2, 3, 1, 0).reshape(-1, 64)
terms = len(filters)
assert terms == 2304

# %%
# The products of two float32 numbers are exact in float64, and a float64 sum of 2304 of them is right to 13 digits.
# That is the truth we judge by. The fair unit of error is :math:`u\,(|w| * |x|)`: a rounding of everything that was
# added, as if nothing had cancelled.

exact = columns.astype(np.float64) @ filters.astype(np.float64)
unit = u * (np.abs(columns).astype(np.float64) @ np.abs(filters).astype(np.float64))
by_definition = conv(x.astype(float), weight.astype(float), padding=(1, 1, 1, 1))
assert np.allclose(exact.T.reshape(1, 64, 14, 14), by_definition, rtol=0, atol=1e-12)


def in_chains(length, fused=False):
    """Sum in chains of a length, each from left to right, and then the chains from left to right."""
    total = np.zeros_like(exact, dtype=np.float32)
    for first in range(0, terms, length):
        chain = np.zeros_like(total)
        for k in range(first, min(first + length, terms)):
            a, b = columns[:, k, np.newaxis], filters[k]
            if fused:  # the product is not rounded before it is added
                chain = (a.astype(float) * b + chain).astype(np.float32)
            else:
                chain += a * b
        total += chain
    return total


attributes = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
graph = Graph(
    "layer",
    (Tensor("x", "float32", x.shape),),
    (Tensor("y", "float32", (1, 64, 14, 14)),),
    (Node("conv", "Conv", ("x", "w"), "y", attributes),),
    {"w": weight},
)
winograd = fast.compile(graph, threads=1).run({"x": x})["y"][0].reshape(64, -1).T

results = {
    "one chain of 2304": in_chains(terms),
    "chains of 64": in_chains(64),
    "chains of 64, fused": in_chains(64, fused=True),
    "NumPy's BLAS": columns @ filters,
    "Winograd, as refnet does it": winograd,
}
assert len({result.tobytes() for result in results.values()}) == len(results)  # no two have the same bits

errors = {name: np.abs(result - exact) / unit for name, result in results.items()}
for name, error in errors.items():
    print(f"{name:28} median {np.median(error):.2f}, largest {error.max():.2f} units")
    if "Winograd" not in name:
        assert error.max() < terms  # the bound that holds for every order: Higham, section 3.1
bound = winograd_bound(x, weight)[0].reshape(64, -1).T
assert (np.abs(winograd - exact) <= bound).all()
print(f"bound of Winograd's: {np.median(bound / unit):.0f} units (median)")

# %%
# Every one of them is right, and no two are equal. The worst case for a sum of K numbers is K units, and no order comes
# near it, since roundings go up and down. Short chains lose less than a long one, because early terms are rounded less
# often. Fused multiply-adds save the rounding of each product, and it hardly shows: what is lost is lost in the sums.
#
# Winograd's algorithm needs a quarter to a half of the products and pays with roundings of its own. It is no order of the same
# sum: it also adds, and takes away again, what other outputs of its tile read. Here all numbers are of one size, and it
# loses about as much as the others, as measured. No number of units bounds that in general, because a number much larger
# than its neighbours leaves its rounding errors at every output of the tile:

spiked, centre = x.copy(), np.zeros_like(weight)
spiked[:, :, ::3, ::3] *= 10_000
centre[:, :, 1, 1] = weight[:, :, 1, 1]  # filters that read one pixel
y = fast.compile(replace(graph, constants={"w": centre}), threads=1).run({"x": spiked})["y"]
error = np.abs(y - conv(spiked.astype(float), centre.astype(float), padding=(1, 1, 1, 1)))
units = error / (u * conv(np.abs(spiked).astype(float), np.abs(centre).astype(float), padding=(1, 1, 1, 1)))
print(f"every third pixel 10,000 times larger, filters of one pixel: up to {units.max():,.0f} units")
assert units.max() > 1000
assert (error <= winograd_bound(spiked, centre)).all()

# %%
# (What holds is the algorithm's bound, computed from all numbers under a tile: :doc:`/numerics`. The maps of networks are not
# like that, and refnet's doctor measures it.)

figure, ax = plt.subplots(figsize=(8, 3.6))
edges = np.linspace(-3, 4, 141)
for row, (name, error) in enumerate(reversed(errors.items())):
    density, _ = np.histogram(np.log10(error[error > 0]), bins=edges)
    height = 0.85 * density / density.max()
    colour = GREEN if "refnet" in name else BLUE
    ax.fill_between((edges[1:] + edges[:-1]) / 2, row, row + height, color=colour, linewidth=0, step="mid")
    ax.annotate(name, (1, row + 0.15), color=colour)
    ax.plot(np.log10(np.median(error)), row, marker="^", color="black", markersize=5, clip_on=False, zorder=9)
ax.axvline(math.log10(terms), color=GREY, linewidth=1)
ax.annotate(
    f"worst case of\na sum of {terms}", (math.log10(terms), 3.4), (5, 0), textcoords="offset points", color=GREY
)
ax.set_xticks(range(-2, 4), ["1/100", "1/10", "1", "10", "100", "1000"])
ax.set(
    yticks=[], ylim=(0, 5.1), xlim=(-3, 4.4), xlabel="error of an output, in units of u (|w| * |x|); triangle: median"
)
ax.spines["left"].set_visible(False)
plt.show()

# %%
# Through the whole network
# -------------------------
#
# Now the network itself (narrow, with seeded weights, unless ``REFNET_MODEL`` names another), computed three times: in
# float64, by refnet's fast engine, and by a second float32 program that takes each operator's plain definition and
# gives it float32 arrays.

network = refnet.Network(lesson_graph())
photograph, found = lesson_face()
face = align(photograph, found.landmarks).crop.transpose(2, 0, 1)
faces = network.contract.prepare(np.stack([face, face[..., ::-1], *sample_crops()]))
image = faces[:1]

places = [unit.output for unit in residual_units(network.graph)] + [network.output]
_, truth = network.trace(image, places)

visible = tuple(Tensor(name, "float32", (1, *truth[name].shape[1:])) for name in places)
by_refnet = refnet.Network(replace(network.graph, outputs=visible)).run(image)
assert np.array_equal(by_refnet[network.output], network(image))  # looking changes no bit


def by_definitions(graph, image):
    """Every tensor of the graph, each operator's definition computed in the dtype it is given."""
    held = {graph.inputs[0].name: image.astype(np.float32), **graph.constants}
    for node in graph.nodes:
        held[node.output] = OPERATORS[node.op].compute(*(held.get(name) for name in node.inputs), **node.attributes)
    return held


by_numpy = by_definitions(network.graph, image)
assert by_numpy[network.output].dtype == np.float32


def distance(a, b):
    """The length of the difference in units of the length of b."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


embeddings_of_three = [tensors[network.output][0] for tensors in (truth, by_refnet, by_numpy)]
for numbers in list(zip(*embeddings_of_three, strict=True))[:4]:
    print("   ".join(f"{number: .9f}" for number in numbers))

# %%
# On the left float64, then the two. Where do they part? A rounding in one layer is a small change of the input of the
# next, and each layer adds its own. The distance between the two programs is about the root of the sum of the squares
# of their distances from float64: their roundings have nothing to do with each other. Neither program is the right one.

curves = {
    "two float32 programs": (ORANGE, [distance(by_numpy[name], by_refnet[name]) for name in places]),
    "refnet and float64": (BLUE, [distance(by_refnet[name], truth[name]) for name in places]),
    "NumPy and float64": (GREEN, [distance(by_numpy[name], truth[name]) for name in places]),
}
# sphinx_gallery_thumbnail_number = 2
figure, ax = plt.subplots(figsize=(8, 4.2))
for name, (colour, values) in curves.items():
    ax.plot(range(1, len(places)), values[:-1], ".-", color=colour, markersize=5)
    ax.plot(len(places) + 1, values[-1], "o", color=colour, markersize=7)
    up = 5 if colour == ORANGE else -5
    ax.annotate(name, (len(places) + 1, values[-1]), (9, up), textcoords="offset points", color=colour, va="center")
ax.axhline(u, color=GREY, linewidth=1)
ax.annotate("u, one rounding", (1, u), (0, 4), textcoords="offset points", color=GREY)
ax.set_yscale("log")
ax.set(ylim=(3e-8, 1e-5), xlabel="after unit", ylabel="relative distance")
ax.set_xticks([1, *range(10, len(places), 10), len(places) + 1], [1, *range(10, len(places), 10), "embedding"])
plt.show()

for name, (_, values) in curves.items():
    print(f"{name:22} at the embedding {values[-1]:.1e}")
    assert values[-1] < 1e-5

# %%
# Can it change a decision?
# -------------------------
#
# A decision compares the cosine of two embeddings with a threshold. If rounding turns the embedding of one face by an
# angle :math:`\varepsilon_a` and the other by :math:`\varepsilon_b`, the angle between them changes by no more than
# their sum, and a cosine by no more than an angle. So only a pair whose cosine lies closer to the threshold than
# :math:`\varepsilon_a + \varepsilon_b` can be decided differently.


def angle(a, b):
    """Radians between the rows of two arrays; by the chord, since the arc cosine of almost 1 has no digits."""
    a, b = (v.astype(np.float64) / np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True) for v in (a, b))
    return 2 * np.arcsin(np.linalg.norm(a - b, axis=1) / 2)


exact_embeddings = network.trace(faces, [network.output])[0]
embeddings = network(faces)
turned = angle(embeddings, exact_embeddings)
widest = 0.0
for i in range(len(faces)):
    for j in range(i):
        change = refnet.similarity(embeddings[i], embeddings[j]) - refnet.similarity(
            exact_embeddings[i], exact_embeddings[j]
        )
        assert abs(change) <= turned[i] + turned[j]
        widest = max(widest, abs(change))
print(f"embeddings turn by at most {turned.max():.1e}, cosines change by at most {widest:.1e}")

# %%
# How often is that? Take a crowd of pairs whose cosines are as dense at the threshold as ten to a unit of the cosine,
# which is about the middle of the crowd and no place for a threshold.

margin = 2 * turned.max()
print(f"at most one pair in {1 / (10 * 2 * margin):,.0f} lies close enough to be decided differently")
print(f"a threshold that is given to two digits is {0.005 / margin:,.0f} times less exact than that")
assert margin < 1e-4

# %%
# What changes decisions is another crop, another decoder of JPEG, another order of channels. They live in the first
# digits.
#
# Bits as a contract
# ------------------
#
# Small is not the same as harmless. If the same photograph gives other bits in another batch, no cache can be checked,
# no incident repeated, and no test can tell a fault from noise. So refnet fixes the order: every output is one sequence
# of operations that follows from the shape of the layer. Vectors run across outputs and never along a sum. Then nothing
# else can show in the result: not the batch, not the place in it, not the number of threads, not the processor.

one_thread = refnet.Network(network.graph, threads=1)
for i in range(len(faces)):
    assert network(faces[i : i + 1]).tobytes() == embeddings[i].tobytes()
    assert one_thread(faces[::-1])[len(faces) - 1 - i].tobytes() == embeddings[i].tobytes()

# %%
# It is not so by itself. The same row times the same matrix, alone and as one of 196, by NumPy:

together = columns @ filters
alone = np.concatenate([columns[i : i + 1] @ filters for i in range(len(columns))])
print(f"{np.mean(together != alone):.0%} of the outputs have other bits alone than in a batch")

# %%
# (How many depends on the BLAS behind NumPy, and on the processor.)
#
# To take away
# ------------
#
# - Two float32 programs agree to about :math:`10^{-6}` at the embedding. Agreement to the last bit is either the same
#   sequence of operations or chance.
# - Judge a program by its distance from float64, not from another program.
# - A difference in the third digit is not rounding. Look for its first tensor.
#
# In refnet :doc:`/numerics` and :doc:`/kernels` state the sequence of operations and its error. ``refnet validate``
# compares tensor by tensor and prints the margin of the decisions, and ``refnet/audit/rounding.py`` says how much
# rounding to expect. Sources: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., sections 2.2,
# 3.1 and 4.2; Lavin & Gray, *Fast Algorithms for Convolutional Neural Networks*, arXiv:1509.09308.
