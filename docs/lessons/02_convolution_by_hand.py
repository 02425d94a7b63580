r"""
One convolution, three ways, the same numbers
=============================================

Almost all the work of a face-recognition network is convolution: 103 layers of ResNet100, nearly all of its arithmetic.
Here is one by hand, on whole numbers that can be checked with a pencil. First as the definition says, in loops; then as
a matrix product, which computers are good at; then in a way that needs fewer than half of the multiplications and still
gives the same result, exactly.
"""

# %%
# What is computed
# ----------------
#
# A window of 3 x 3 pixels slides over the image. At each place its pixels are multiplied by nine weights and added up:
#
# .. math::
#
#    y_{ij} = \sum_{u=0}^{2} \sum_{v=0}^{2} x_{i+u,\,j+v} \, w_{uv}.
#
# With many channels there is one more sum, over the input's channels :math:`c`, and a filter :math:`w_{oc}` for every pair of an
# output channel and an input channel. The image is the face of the lesson before, in grey; the filter answers
# where it is brighter to the upper right than to the lower left.
import os
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Rectangle

from refnet.fast.kernels import tiles
from refnet.ops.conv import conv
from refnet.zoo.lesson import lesson_graph

if "REFNET_IMAGE" in os.environ:
    from refnet.faces.image import read_image

    photograph = read_image(os.environ["REFNET_IMAGE"])
else:
    photograph = skimage.data.astronaut()[48:188, 152:292]
grey = photograph.mean(axis=2)
edge = np.array([[0, 1, 2], [-1, 0, 1], [-2, -1, 0]])


def windows(x, height, width):
    """Every place of the image under each of the nine weights: (9, height, width), the weights in reading order."""
    return np.stack([x[u : u + height, v : v + width] for u in range(3) for v in range(3)])


edges = np.tensordot(edge.ravel(), windows(grey, grey.shape[0] - 2, grey.shape[1] - 2), axes=1)

figure, (before, after) = plt.subplots(1, 2, figsize=(7, 3.6))
before.imshow(grey, cmap="gray")
before.set_title("x")
after.imshow(edges, cmap="RdBu", vmin=-abs(edges).max(), vmax=abs(edges).max())
after.set_title("y: blue where it is brighter up right")
for axis in (before, after):
    axis.set_axis_off()
plt.show()

# %%
# First way: loops
# ----------------
#
# The definition, word for word. It works on any numbers that can be multiplied and added: here on exact fractions.


def by_loops(x, weight):
    """(IC, H, W), (OC, IC, 3, 3) -> (OC, H - 2, W - 2)."""
    oc, ic = weight.shape[:2]
    y = np.zeros((oc, x.shape[1] - 2, x.shape[2] - 2), dtype=x.dtype)
    for o, i, j in np.ndindex(y.shape):
        for c, u, v in np.ndindex(ic, 3, 3):
            y[o, i, j] += x[c, i + u, j + v] * weight[o, c, u, v]
    return y


# %%
# Second way: a matrix product
# ----------------------------
#
# Write every window into a column of its own. Then all sums of all output channels are one product of two matrices. The
# multiplications are the same ones. But each pixel now stands in up to nine columns, so the matrix is nine times as
# large as the image. This is called *im2col*.


def by_matrix_product(x, weight):
    """As `by_loops`."""
    oc, ic = weight.shape[:2]
    height, width = x.shape[1] - 2, x.shape[2] - 2
    columns = np.concatenate([windows(channel, height, width) for channel in x]).reshape(ic * 9, height * width)
    return (weight.reshape(oc, ic * 9) @ columns).reshape(oc, height, width)


# %%
# Third way: Winograd
# -------------------
#
# Look at two neighbouring outputs in one row, under a filter of three weights:
#
# .. math::
#
#    y_0 &= d_0 g_0 + d_1 g_1 + d_2 g_2 \\
#    y_1 &= d_1 g_0 + d_2 g_1 + d_3 g_2
#
# Six multiplications. But the two windows overlap, and four are enough:
#
# .. math::
#
#    m_0 &= (d_0 - d_2) \; g_0 &\qquad m_1 &= (d_1 + d_2) \; \tfrac12 (g_0 + g_1 + g_2) \\
#    m_3 &= (d_1 - d_3) \; g_2 &\qquad m_2 &= (d_2 - d_1) \; \tfrac12 (g_0 - g_1 + g_2)
#
# .. math::
#
#    y_0 = m_0 + m_1 + m_2, \qquad y_1 = m_1 - m_2 - m_3.
#
# The additions on the left, over pixels, the additions on the right, over weights, and those at the end are three small
# matrices: :math:`y = A^T [(G g) \odot (B^T d)]`, where :math:`\odot` multiplies element by element.
half = Fraction(1, 2)
BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]) * Fraction(1)
G = np.array([[1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]]) * Fraction(1)
AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]]) * Fraction(1)

# %%
# Is it true for all numbers? Both sides are linear in the pixels and linear in the weights. So it is enough to try each
# single pixel with each single weight: twelve cases in exact fractions are a proof.
for d in np.eye(4, dtype=int):
    for g in np.eye(3, dtype=int):
        assert (AT @ ((G @ g) * (BT @ d)) == [d[:3] @ g, d[1:] @ g]).all()

# %%
# In the plane the same is done to rows and to columns: :math:`Y = A^T [(G g G^T) \odot (B^T d B)] A`. A tile of 4 x 4 pixels gives
# 2 x 2 outputs with 16 multiplications instead of 36.


def by_winograd(x, weight, matrices=(BT, G, AT)):
    """As `by_loops`, for an even number of outputs in each direction."""
    oc, (bt, g, at) = len(weight), (matrix.astype(x.dtype) for matrix in matrices)
    y = np.zeros((oc, x.shape[1] - 2, x.shape[2] - 2), dtype=x.dtype)
    U = g @ weight @ g.T  # (OC, IC, 4, 4): once for all images
    for i in range(0, y.shape[1], 2):
        for j in range(0, y.shape[2], 2):
            V = bt @ x[:, i : i + 4, j : j + 4] @ bt.T  # (IC, 4, 4)
            M = (U * V).sum(axis=1)  # (OC, 4, 4): all multiplications are here
            y[:, i : i + 2, j : j + 2] = at @ M @ at.T
    return y


rng = np.random.default_rng(0)
x = rng.integers(-9, 10, (3, 6, 8)) * Fraction(1)
weight = rng.integers(-9, 10, (2, 3, 3, 3)) * Fraction(1)

assert (by_matrix_product(x, weight) == by_loops(x, weight)).all()
assert (by_winograd(x, weight) == by_loops(x, weight)).all()

# %%
# One tile, looked at
# -------------------
#
# The sixteen pixels where the filter answers most strongly, as digits from 0 to 9, and three ways to the same
# four numbers. (The page leaves out the lines that draw them; the file has them.)
i, j = np.unravel_index(np.abs(edges[1:-2, 1:-2]).argmax(), (edges.shape[0] - 3, edges.shape[1] - 3))
patch = grey[i : i + 4, j : j + 4]
d = np.rint(9 * (patch - patch.min()) / np.ptp(patch)).astype(int) * Fraction(1)
g = edge * Fraction(1)

Y = by_loops(d[np.newaxis], g[np.newaxis, np.newaxis])[0]
V, U = BT @ d @ BT.T, G @ g @ G.T
M = U * V
assert (AT @ M @ AT.T == Y).all()
rows = windows(d, 2, 2).reshape(9, 4).T  # a window a row
assert (rows @ g.ravel() == Y.ravel()).all()

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_start_ignore
figure, axis = plt.subplots(figsize=(10, 5.4))
colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]  # one for each of the four windows


def cells(numbers, x, y, fill="white", edges=None):
    """Draw a matrix with its upper left corner at x, y; each row's frame in a colour of its own, if any are given."""
    for (row, column), number in np.ndenumerate(numbers):
        shade = fill(number) if callable(fill) else fill
        axis.add_patch(Rectangle((x + column, y + row), 1, 1, facecolor=shade, edgecolor="#bbbbbb", linewidth=0.7))
        dark = shade != "white" and callable(fill) and number < 4
        size = 10 if len(str(number)) < 4 else 8
        axis.text(
            x + column + 0.5,
            y + row + 0.53,
            number,
            ha="center",
            va="center",
            fontsize=size,
            color="w" if dark else "k",
        )
    for row, colour in enumerate(edges or ()):
        axis.add_patch(frame(x, y + row, numbers.shape[1], 1, colour))


def frame(x, y, width, height, colour):
    """A frame around cells."""
    return Rectangle((x, y), width, height, facecolor="none", edgecolor=colour, linewidth=2.2)


def words(x, y, text, **kwargs):
    """A sign between matrices, or a sentence."""
    axis.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 15} | kwargs)


def pixel(number):
    """The grey of a digit."""
    return str(0.25 + 0.075 * float(number))


def outputs(x, y):
    """The four results, each in the colour of its window."""
    cells(Y, x, y)
    for window, (row, column) in enumerate(np.ndindex(2, 2)):
        axis.add_patch(frame(x + column + 0.06, y + row + 0.06, 0.88, 0.88, colours[window]))


weights = "#fff1d6"
heading = {"ha": "left", "fontsize": 12, "fontweight": "bold"}
words(0, -0.8, "Loops: 36 multiplications", **heading)
cells(d, 0, 0.7, pixel)
for window, (row, column) in enumerate(np.ndindex(2, 2)):
    inset = 0.09 * window
    axis.add_patch(frame(column + inset, 0.7 + row + inset, 3 - 2 * inset, 3 - 2 * inset, colours[window]))
words(4.6, 2.7, "$*$")
cells(g, 5.2, 1.2, weights)
words(8.8, 2.7, "$=$")
outputs(9.4, 1.7)

words(13.2, -0.8, "Matrix product: the same 36, side by side", **heading)
cells(g.reshape(1, 9), 13.2, 0, weights)
cells(rows, 13.2, 1.3, pixel, colours)
words(22.8, 3.3, "$=$")
cells(Y.reshape(4, 1), 23.4, 1.3, edges=colours)

words(0, 7.0, "Winograd: 16 multiplications", **heading)
cells(V, 0, 8, "#e3eef7")
words(2, 12.6, "$B^T d\\,B$", fontsize=12)
words(4.7, 10, "$\\odot$")
cells(U, 5.4, 8, weights)
words(7.4, 12.6, "$G\\,g\\,G^T$", fontsize=12)
words(10.1, 10, "$=$")
cells(M, 10.8, 8)
words(12.8, 12.6, "$M$", fontsize=12)
words(16.2, 10, r"$\rightarrow$")
outputs(17.6, 9)
words(18.6, 12.6, "$A^T M A$", fontsize=12)
words(21.2, 10, "the same\nfour numbers", ha="left", fontsize=11)
axis.set(xlim=(-0.3, 24.8), ylim=(13.1, -1.5), aspect="equal")
axis.set_axis_off()
# sphinx_gallery_end_ignore
plt.show()

# %%
# Both ways have a price. A matrix product wants its pixels copied: 16 of them stand at 36 places. Winograd wants pixels,
# weights and results transformed. Transforms pay when there are many channels: a tile is transformed once for all output
# channels, a filter once for all images, a result once for all input channels. Only the sixteen multiplications happen for
# every pair of channels.
#
# A layer of the network
# ----------------------
#
# 58 of ResNet100's convolutions are 3 x 3 over 14 x 14 places. How many multiplications does each pair of channels take? Larger
# tiles take fewer still. refnet's own kernel cuts 14 into tiles of 4, 4, 4 and 2 outputs, and a tile of :math:`m` takes
# :math:`m + 2` multiplications in each direction.
direct = 14 * 14 * 9
two = (14 // 2 * 4) ** 2
mixed = sum(m + 2 for m in tiles.tile_sizes(14)) ** 2
assert (direct, two, mixed) == (1764, 784, 484)

figure, axis = plt.subplots(figsize=(7.5, 2.2))
names = ["loops, matrix product", "Winograd, tiles of 2", "Winograd, tiles of 4, 4, 4, 2"]
bars = axis.barh(names, [direct, two, mixed], color=["#888888", "#56B4E9", "#0072B2"])
axis.bar_label(
    bars,
    [f"{direct}", f"{two}: {direct / two:.2f} times fewer", f"{mixed}: {direct / mixed:.2f} times fewer"],
    padding=5,
)
axis.set(xlim=(0, 2300), xticks=[], title="Multiplications a pair of channels, 14 x 14 outputs")
axis.spines[:].set_visible(False)
axis.tick_params(left=False)
axis.invert_yaxis()
plt.show()

# %%
# The formulas of that kernel are written for anything that adds and multiplies. So they can be proved like ours, in exact
# fractions, with each single pixel and each single weight. Its points are 0, 2/3, -2/3, 3/2, -3/2 and infinity, which lose
# less accuracy in floating point than whole numbers do.


def fma(x, y, z):
    """The one operation they need besides a sum."""
    return x * y + z


for m in (1, 2, 3, 4):
    for d in np.eye(m + 2, dtype=int) * Fraction(1):
        for g in np.eye(3, dtype=int) * Fraction(1):
            transformed = tiles.spread(list(d), fma)
            products = [v * tiles.expand(g, f, fma) for v, f in zip(transformed, tiles.USED[m], strict=True)]
            assert tiles.gather(products, fma) == [sum(d[k : k + 3] * g) for k in range(m)]

# %%
# And with the weights of a layer, in float64? Then the three ways round differently. The unit of such differences is
# :math:`u \sum |x||w|` with :math:`u = 2^{-53}`; a sum of :math:`K` terms may be off by :math:`K` of them, and so two sums
# by :math:`2K` from each other. In practice it is far less.
#
# Winograd's way is not such a sum. It adds pixels that an output does not read, and takes them away again at the end; a very
# large one leaves its rounding errors at all four outputs of its tile. What bounds the error is the same algorithm on absolute
# values, :math:`|A^T| [(|G||g||G^T|) \odot (|B^T||d||B|)] |A|`, times :math:`u` and the number of roundings on the way.
graph = lesson_graph()
node = next(
    node
    for node in graph.nodes
    if node.op == "Conv" and graph.constants[node.inputs[1]].shape[2:] == (3, 3) and node.attributes["groups"] == 1
)
weight = np.asarray(graph.constants[node.inputs[1]], dtype=np.float64)[:8]
x = rng.uniform(-1, 1, (weight.shape[1], 10, 10))
reference = conv(x[np.newaxis], weight)[0]  # refnet's definition: nine matrix products, one a weight
magnitude = conv(abs(x)[np.newaxis], abs(weight))[0]
terms, u = weight[0].size, 2.0**-53
roundings = 2 * (4 + 3 + 4) + 1 + len(x)  # products of matrices with 4, 3 and 4 terms, both ways; products; their sum
largest = by_winograd(abs(x), abs(weight), (abs(BT), abs(G), abs(AT)))
for way in (by_loops, by_matrix_product, by_winograd):
    difference = abs(way(x, weight) - reference)
    print(f"{way.__name__:18} differs from refnet.ops.conv by at most {(difference / (magnitude * u)).max():.1f} units")
    own = roundings * largest if way is by_winograd else terms * magnitude
    assert (difference <= u * (own + terms * magnitude)).all()

# %%
# **Take away.** A convolution is one sum. How it is computed is free, as long as the sum stays the same: in exact numbers it does
# to the last digit, and in floating point to a few units in the last place. So a fast convolution can always be held
# to a slow one, and should be.
#
# In refnet the definition is ``refnet/ops/conv.py`` (:func:`refnet.ops.conv.conv`), Winograd's formulas are in
# ``refnet/fast/kernels/tiles.py``, and :doc:`/kernels` tells what each step is worth. The source: A. Lavin and S. Gray, *Fast
# algorithms for convolutional neural networks*, arXiv:1509.09308, section 4.
