r"""
PReLU: one slope for each channel
=================================

Between its convolutions a network needs something that is not linear, or all its layers would be one. ArcFace's
networks use the parametric rectifier,

.. math:: y_{c,i,j} = \begin{cases} x_{c,i,j} & x_{c,i,j} \ge 0 \\ a_c \, x_{c,i,j} & x_{c,i,j} < 0 \end{cases}

with a learnt slope :math:`a_c` for each channel. With :math:`a_c = 0` it is the ReLU, with :math:`a_c = 1` it is
nothing. This lesson looks at the slopes of a network, at what a ReLU would throw away, and at a trap: the same slopes
in an array of another shape.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx

import refnet
from refnet import resnet100
from refnet.faces.align import align
from refnet.faces.lesson import lesson_face
from refnet.ops.prelu import prelu
from refnet.zoo.lesson import WIDTH, lesson_graph
from refnet.zoo.synthetic import synthetic_model

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

# %%
# The slopes of a network
# -----------------------
#
# LResNet100E-IR has 50 PReLU layers: one in the stem and one in each of 49 units. Their slopes are few numbers:

blueprint = resnet100.Blueprint()
resnet100.network(blueprint, ("data", resnet100.IMAGE))
rectifiers = [node for node in blueprint.nodes if node.op == "PRelu"]
slopes_at_full_width = sum(blueprint.parameters[f"{node.output}_gamma"][0] for node in rectifiers)
assert len(rectifiers) == 50
assert slopes_at_full_width == 11_136

# %%
# Here are those of the network at hand, each a dot. It is the narrow one with seeded weights, whose slopes were drawn
# between 0.1 and 0.4 and say nothing. With ``REFNET_MODEL`` they are what training made of them. Look for dots below
# zero: there PReLU is no bent line but a V, which gives two different numbers the same answer.

graph = lesson_graph()


def slope_of(node, graph=graph):
    """The slopes of a PRelu node, one a channel, wherever its file keeps them."""
    makers = {maker.output: maker for maker in graph.nodes}
    name = node.inputs[1]
    while name not in graph.constants:
        name = makers[name].inputs[0]
    return name, graph.constants[name].astype(np.float64).ravel()


layers = [slope_of(node)[1] for node in graph.nodes if node.op == "PRelu"]
values = np.concatenate(layers)
number = np.concatenate([np.full(len(layer), place) for place, layer in enumerate(layers, start=1)])

figure, ax = plt.subplots(figsize=(8, 3.2))
spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(number))
ax.scatter(number + spread, values, s=7, color=np.where(values < 0, ORANGE, BLUE), linewidths=0)
for height, text in ((0, "0: ReLU"), (1, "1: nothing happens")):
    ax.axhline(height, color=GREY, linewidth=0.8, zorder=0)
    ax.annotate(text, (len(layers) + 1, height), (4, 0), textcoords="offset points", color=GREY, va="center")
ax.set(xlim=(0, len(layers) + 1), xlabel="PReLU layer", ylabel="slope of a channel")
plt.show()
print(f"{len(layers)} layers, {len(values):,} slopes, {np.mean(values < 0):.0%} below zero")

# %%
# What a ReLU would throw away
# ----------------------------
#
# One channel in the first unit, of our face, before and after. The ReLU turns all that is negative into the same zero:
# an area without a drawing. PReLU makes it fainter and keeps it. If the slope is positive nothing is lost at all, since
# the function can be turned round: :math:`x = y` where :math:`y \ge 0`, else :math:`x = y / a`.

if "stage1_unit1_bn2" not in {node.output for node in graph.nodes}:
    graph = synthetic_model(width=WIDTH)  # another network, or its normalisations are folded: the seeded one
network = refnet.Network(graph)

photograph, found = lesson_face()
face = align(photograph, found.landmarks).crop.transpose(2, 0, 1)
image = network.contract.prepare(face[np.newaxis])

embedding, tensors = network.trace(image, ["stage1_unit1_bn2", "stage1_unit1_relu1"])
x = tensors["stage1_unit1_bn2"][0]
node = next(node for node in graph.nodes if node.output == "stage1_unit1_relu1")
slope = slope_of(node, graph)[1].reshape(-1, 1, 1)
y = prelu(x, slope)
assert np.array_equal(y, tensors["stage1_unit1_relu1"][0])

kept = slope.ravel() > 0
back = np.where(y < 0, y / slope, y)
assert np.allclose(back[kept], x[kept], rtol=1e-15, atol=0)

negative = (x < 0).mean(axis=(1, 2))
channel = int(np.argmin(np.abs(negative - 0.6) + 10 * ~kept))
pictures = {
    "before": x[channel],
    f"ReLU: {negative[channel]:.0%} are zero": np.maximum(x[channel], 0),
    f"PReLU, slope {slope[channel, 0, 0]:.2f}": y[channel],
}
limit = np.percentile(np.abs(x[channel]), 99)

# sphinx_gallery_thumbnail_number = 2
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture, cmap="RdBu", vmin=-limit, vmax=limit)
    ax.set_title(title)
    ax.set_axis_off()
plt.show()

distinct = [len(np.unique(picture)) for picture in pictures.values()]
print("different numbers in the three pictures:", distinct)

# %%
# Without the bend
# ----------------
#
# The whole network, with other slopes. With slopes of 0 it is a ReLU network that was never trained as one. With slopes
# of 1 nothing bends, and 49 units with 103 convolutions collapse into one matrix and one vector: the embedding of the
# mean of two faces is the mean of their embeddings.


def with_slopes(value):
    """The network with all slopes at one value."""
    names = {slope_of(node, graph)[0] for node in graph.nodes if node.op == "PRelu"}
    changed = {name: np.full_like(graph.constants[name], value) for name in names}
    return refnet.Network(replace(graph, constants={**graph.constants, **changed}), engine="reference")


print(f"slopes of 0: similarity to the embedding {refnet.similarity(with_slopes(0)(image)[0], embedding[0]):.3f}")

pair = np.concatenate([image, image[..., ::-1]])
triple = np.concatenate([pair, pair.mean(axis=0, keepdims=True)])
a, b, of_mean = with_slopes(1)(triple)
assert np.linalg.norm(of_mean - (a + b) / 2) < 1e-10 * np.linalg.norm(of_mean)
a, b, of_mean = network.trace(triple, [network.output])[0]
bend = np.linalg.norm(of_mean - (a + b) / 2) / np.linalg.norm(of_mean)
print(f"the bent network misses the mean of two embeddings by {bend:.0%} of its length")
assert bend > 1e-3

# %%
# The trap: the same numbers, another shape
# -----------------------------------------
#
# ONNX, like NumPy, lines up shapes at the end. An activation is (N, C, H, W). Slopes of shape (C, 1, 1) are one for
# each channel. Slopes of shape (C,) line up with W: one for each *column*. Where C and W differ, a runtime must refuse
# or guess. Where they are equal it computes, and says nothing.

size = 28
grey = face.astype(np.float64).mean(axis=0).reshape(size, 4, size, 4).mean(axis=(1, 3))
x = np.repeat((grey - 170)[np.newaxis], size, axis=0)  # 28 channels of 28 x 28, all the same face
slope = np.random.default_rng(4).uniform(0, 1, size)

by_channel = prelu(x, slope.reshape(-1, 1, 1))
by_column = prelu(x, slope)
assert by_channel.shape == by_column.shape
assert not np.allclose(by_channel, by_column)

figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4))
for ax, y, title in zip(axes, (by_channel, by_column), ("slopes of (C, 1, 1)", "slopes of (C,)"), strict=True):
    ax.imshow(y[9], cmap="gray", vmin=x.min(), vmax=x.max())
    ax.set_title(title)
    ax.set_axis_off()
plt.show()

# %%
# In LResNet100E-IR no layer has as many columns as channels, so its files can only be meant in one way:

side, layers_seen = 112, [(64, 112)]  # the stem
for width in resnet100.WIDTHS:
    layers_seen += [(width, side), (width, side // 2)]  # the first unit halves the picture after its PReLU
    side //= 2
assert all(channels != columns for channels, columns in layers_seen)
print(layers_seen)

# %%
# refnet reads channels where columns would not fit, and notes that it did. Where both would fit it refuses the file:

tensors = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, size, size, size)) for name in "xy"]
node = onnx.helper.make_node("PRelu", ["x", "slope"], ["y"])
weights = [onnx.numpy_helper.from_array(slope.astype(np.float32), "slope")]
model = onnx.helper.make_model(onnx.helper.make_graph([node], "trap", tensors[:1], tensors[1:], weights))
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "trap.onnx"
    onnx.save(model, path)
    try:
        refnet.load(path)
    except refnet.UnsupportedModelError as error:
        refusal = str(error)
assert "channels" in refusal
assert "columns" in refusal
print(refusal.partition(": ")[2])

# %%
# To take away
# ------------
#
# - PReLU is a fraction of a per mille of the parameters, and all of what is not linear between the convolutions.
# - With a positive slope it loses nothing; a ReLU loses every negative number.
# - A shape is part of a weight's meaning. Broadcasting never asks what was meant.
#
# In refnet this is ``refnet/ops/prelu.py`` (:func:`refnet.ops.prelu.prelu`); what exporters meant is settled in
# ``refnet/formats/onnx_shape_rules.py``, and :doc:`/numerics` lists the readings that differ. Sources: He et al.,
# *Delving Deep into Rectifiers*, arXiv:1502.01852, equation 1; ONNX, *Operators*, PRelu, opset 7 and later.
