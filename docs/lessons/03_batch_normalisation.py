r"""
Batch normalisation, and how to make it disappear
=================================================

LResNet100E-IR has 103 convolutions and 154 batch normalisations, which in a finished network do nothing but scale and
shift. Each is one straight line for every channel :math:`c`:

.. math:: y_c = \gamma_c \, \frac{x_c - \mu_c}{\sqrt{v_c + \epsilon}} + \beta_c = a_c\, x_c + b_c

The mean :math:`\mu` and the variance :math:`v` were measured in training and are numbers in the file now;
:math:`\gamma` and :math:`\beta` were learnt. A straight line before or after a convolution, which is linear too, can be
made part of it. One way this is exact. The other way it is exact except at the border, and that error has a shape.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refnet
from refnet.faces.align import align
from refnet.faces.lesson import lesson_face
from refnet.ops.conv import conv
from refnet.zoo.lesson import WIDTH, lesson_graph
from refnet.zoo.samples import sample_images
from refnet.zoo.synthetic import synthetic_model

# %%
# The network is narrow and has seeded weights, unless ``REFNET_MODEL`` names another LResNet100E-IR. Many exporters
# fold every normalisation away; from their files there is nothing to see here, and the seeded network takes their
# place.

graph = lesson_graph()
if "stage2_unit1_bn3" not in {node.output for node in graph.nodes}:
    graph = synthetic_model(width=WIDTH)
network = refnet.Network(graph)
operators = [node.op for node in graph.nodes]
assert (operators.count("Conv"), operators.count("BatchNormalization")) == (103, 154)

photograph, found = lesson_face()
face = align(photograph, found.landmarks).crop.transpose(2, 0, 1)
image = network.contract.prepare(face[np.newaxis])

# %%
# What it does to a histogram
# ---------------------------
#
# A layer in the second stage, and the numbers of its first eight channels for the four sample portraits. What a
# convolution makes lies anywhere and is as wide as it likes. Subtract the stored mean and divide by the stored
# deviation, and every channel lies around 0 with a width of 1. Then :math:`\gamma` and :math:`\beta` give each channel
# the place and width that training found useful for it. The step in the middle is what makes a deep network trainable;
# at inference it is only half of a straight line.


def constants(name):
    """Gamma, beta, mean and variance of a normalisation, in float64, and its epsilon."""
    node = next(node for node in graph.nodes if node.output == name)
    vectors = [graph.constants[vector].astype(np.float64) for vector in node.inputs[1:]]
    return *vectors, node.attributes["epsilon"]


layer = "stage2_unit1_bn3"
gamma, beta, mean, var, epsilon = constants(layer)
_, tensors = network.trace(sample_images(), ["stage2_unit1_conv2", layer])
x = tensors["stage2_unit1_conv2"]

column = (-1, 1, 1)
standardised = (x - mean.reshape(column)) / np.sqrt(var + epsilon).reshape(column)
y = gamma.reshape(column) * standardised + beta.reshape(column)
np.testing.assert_allclose(y, tensors[layer], rtol=0, atol=1e-13 * np.abs(y).max())
if network.synthetic:  # its statistics were measured on these very portraits, and kept to 8 bits
    assert np.abs(standardised.mean(axis=(0, 2, 3))).max() < 2**-8
    assert np.abs(standardised.std(axis=(0, 2, 3)) - 1).max() < 2**-8

figure, axes = plt.subplots(1, 3, figsize=(9, 4.2), sharey=True)
titles = ("what the convolution makes", "minus mean, over deviation", "times gamma, plus beta")
low, high = np.percentile(x[:, :8], [0.1, 99.9])
for ax, values, title in zip(axes, (x, standardised, y), titles, strict=True):
    for channel in range(8):
        density, edges = np.histogram(values[:, channel], bins=70, range=(low, high), density=True)
        base = 7 - channel
        height = density / density.max() * 1.3
        centres = (edges[1:] + edges[:-1]) / 2
        ax.fill_between(centres, base, base + height, color="#0072B2", alpha=0.85, linewidth=0, zorder=channel)
        ax.plot(centres, base + height, color="white", linewidth=0.9, zorder=channel)
    ax.axvline(0, color="#777777", linewidth=0.8, zorder=20)
    ax.set_yticks([])
    ax.set_title(title, fontsize=10)
    ax.spines["left"].set_visible(False)
axes[0].set_ylabel("eight channels")
plt.show()

# %%
# Into the convolution before it: always
# --------------------------------------
#
# A convolution followed by a straight line is a convolution: multiply each filter by its :math:`a`, and add :math:`b`.
# Nothing else in the network has to know. In exact arithmetic the two are the same; in float64 they agree to rounding.

a = gamma / np.sqrt(var + epsilon)
b = beta - a * mean
weight = graph.constants["stage2_unit1_conv2_weight"].astype(np.float64)
_, tensors = network.trace(image, ["stage2_unit1_relu1", layer])
before, wanted = tensors["stage2_unit1_relu1"], tensors[layer]

folded = conv(before, a.reshape(-1, 1, 1, 1) * weight, b, stride=(2, 2), padding=(1, 1, 1, 1))
error = np.abs(folded - wanted).max() / np.abs(wanted).max()
print(f"folded into the convolution before: largest difference {error:.0e} of the largest number")
assert error < 1e-13

# %%
# Into the convolution after it: not at the border
# ------------------------------------------------
#
# A unit begins with a normalisation, and its first convolution comes after. Inside the picture the same trick works:
# the filters take the :math:`a` of their *input* channels, and the sum over all :math:`b` becomes a bias,
#
# .. math:: \sum_{c,u,v} w_{ocuv} (a_c x_c + b_c) = \sum_{c,u,v} (w_{ocuv} a_c)\, x_c + \sum_{c,u,v} w_{ocuv}\, b_c .
#
# But a 3 x 3 convolution puts zeros around what it reads, and it puts them around the *normalised* picture. The bias
# counts :math:`b_c` under all nine taps; at the border three of them lie on a zero that never was shifted.

name = "stage2_unit8"
gamma, beta, mean, var, epsilon = constants(f"{name}_bn1")
a = gamma / np.sqrt(var + epsilon)
b = beta - a * mean
weight = graph.constants[f"{name}_conv1_weight"].astype(np.float64)
source = next(node.inputs[0] for node in graph.nodes if node.output == f"{name}_bn1")
_, tensors = network.trace(image, [source, f"{name}_conv1"])
x, wanted = tensors[source], tensors[f"{name}_conv1"]

scaled = weight * a.reshape(1, -1, 1, 1)
bias = np.einsum("ocuv,c->o", weight, b)
folded = conv(x, scaled, bias, padding=(1, 1, 1, 1))
off = folded - wanted
inside = np.abs(off[:, :, 1:-1, 1:-1]).max() / np.abs(wanted).max()
border = np.sqrt(np.mean(off[:, :, 0, :] ** 2) / np.mean(wanted[:, :, 0, :] ** 2))
print(f"inside: largest difference {inside:.0e}; in the first row: {border:.0%} of the numbers' own size")
assert inside < 1e-13
assert border > 1e-3

# %%
# The frame can be seen. One channel, computed in both ways, and what lies between, drawn five times as strong.

edges = np.abs(np.stack([off[0, :, 0, 9], off[0, :, -1, 9], off[0, :, 9, 0], off[0, :, 9, -1]]))
channel = int(np.argmax(edges.min(axis=0) / np.abs(wanted[0]).max(axis=(1, 2))))
limit = np.abs(wanted[0, channel]).max()

# sphinx_gallery_thumbnail_number = 2
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
pictures = {
    "normalise, then convolve": wanted,
    "folded into the filters": folded,
    "the difference, times 5": 5 * off,
}
for ax, (title, values) in zip(axes, pictures.items(), strict=True):
    ax.imshow(values[0, channel], cmap="RdBu", vmin=-limit, vmax=limit)
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(True)
plt.show()

# %%
# The mend is one line: around the picture goes not zero but what the normalisation would have turned into zero, the
# number :math:`-b_c / a_c` for each channel.

channels = len(a)
padded = np.empty((1, channels, x.shape[2] + 2, x.shape[3] + 2))
padded[:] = (-b / a).reshape(1, -1, 1, 1)
padded[:, :, 1:-1, 1:-1] = x
mended = conv(padded, scaled, bias)
error = np.abs(mended - wanted).max() / np.abs(wanted).max()
print(f"with the right padding: largest difference {error:.0e}")
assert error < 1e-13

# %%
# What the frame would cost
# -------------------------
#
# Fold the first normalisation of every unit, with the zeros left where they are, and compare embeddings. Of 7 x 7
# places 24 are border.

constants_of = dict(graph.constants)
nodes = []
for node in graph.nodes:
    if node.output.endswith("_bn1"):
        gamma, beta, mean, var, epsilon = constants(node.output)
        a = gamma / np.sqrt(var + epsilon)
        unit = node.output.removesuffix("_bn1")
        weight = graph.constants[f"{unit}_conv1_weight"].astype(np.float64)
        constants_of[f"{unit}_folded"] = weight * a.reshape(1, -1, 1, 1)
        constants_of[f"{unit}_bias"] = np.einsum("ocuv,c->o", weight, beta - a * mean)
        nodes.append(replace(node, op="Identity", inputs=node.inputs[:1], attributes={}))
    elif node.output.endswith("_conv1"):
        unit = node.output.removesuffix("_conv1")
        nodes.append(replace(node, inputs=(node.inputs[0], f"{unit}_folded", f"{unit}_bias")))
    else:
        nodes.append(node)
careless = refnet.Network(replace(graph, nodes=tuple(nodes), constants=constants_of), engine="reference")

right = network.trace(image, [network.output])[0]
wrong = careless(image)
print(f"similarity of the two embeddings of one face: {refnet.similarity(right[0], wrong[0]):.3f}")

# %%
# No error is raised anywhere, and the face still resembles itself. Such a fault is found by comparing tensors, not by
# looking at results.
#
# To take away
# ------------
#
# - At inference, batch normalisation is a line for each channel, :math:`a_c x_c + b_c`.
# - The line behind a convolution can be folded into it, always. The line before a convolution can be folded into it if
#   there is no padding, or no shift :math:`b`, or if the padding is changed to :math:`-b_c / a_c`.
# - So the third normalisation of a unit disappears, and the second, and the stem's. The first stays. refnet's fast
#   engine computes it where the sum of the unit before is still in a register, which costs next to nothing.
#
# In refnet this is ``refnet/ops/batch_normalization.py`` (:func:`refnet.ops.batch_normalization.batch_normalization`),
# and ``refnet/fast/simplify/folding.py``, which folds, and refuses to where there is padding. :doc:`/validation`
# compares every tensor with another runtime's. Sources: Ioffe & Szegedy, *Batch Normalization*, arXiv:1502.03167,
# algorithm 2; Deng et al., *ArcFace*, arXiv:1801.07698, section 3.1, for the order of layers in a unit.
