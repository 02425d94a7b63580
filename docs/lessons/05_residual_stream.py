"""
Forty-nine units write into one stream
======================================

A face enters LResNet100E-IR as pixels and is passed on by 49 residual units. None of them replaces what it was given.
Each computes a correction and *adds* it:

.. math:: x_{i+1} = S_i(x_i) + F_i(x_i)

:math:`F_i` is the branch: normalisation, convolution, normalisation, PReLU, convolution, normalisation. :math:`S_i` is
the shortcut: the identity, except at the start of a stage, where it halves the picture and widens the channels. So
there is one thing, :math:`x`, that runs through the whole network, and units read from it and write into it. Here we
follow it: how large it is, how much each unit adds, and what happens when a unit, or its shortcut, is taken away.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import refnet
from refnet.audit.ablation import ablate_unit, residual_units
from refnet.faces.align import align
from refnet.faces.lesson import lesson_face
from refnet.zoo.lesson import lesson_graph

# %%
# The network is the narrow one with seeded weights: the same graph with a sixteenth of the channels, and no identity in
# its numbers. Set ``REFNET_MODEL`` to a model file to see a trained one, and ``REFNET_IMAGE`` to a photograph of your
# own.

network = refnet.Network(lesson_graph())

photograph, found = lesson_face()
face = align(photograph, found.landmarks).crop.transpose(2, 0, 1)
image = network.contract.prepare(face[np.newaxis])

# %%
# The units are found by the graph's structure: an addition whose two sides come from the same tensor. Each has a
# shortcut, a branch, and a sum. One pass in float64 keeps all three of all units.

units = residual_units(network.graph)
names = [name for unit in units for name in (unit.shortcut, unit.branch, unit.output)]
embedding, tensors = network.trace(image, names)

for unit in units:
    assert np.array_equal(tensors[unit.output], tensors[unit.branch] + tensors[unit.shortcut])
print(f"{len(units)} units; the stream ends as {tensors[units[-1].output].shape[1:]}")

# %%
# What the stream looks like
# --------------------------
#
# At each place of the picture the stream is a vector, one number a channel. Its three directions of largest variance
# become red, green and blue. What was in the upper left of the picture stays in the upper left: a unit adds to a place
# what it finds around it. With seeded weights the colours soon mean nothing. Give it a trained network, and look
# whether the two halves of the face get the same colours.


def as_colours(x):
    """(C, H, W) to (H, W, 3): the first three principal components of the channels, stretched."""
    vectors = x.reshape(len(x), -1).T
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    components = centred @ directions[:, ::-1][:, :3]
    components *= np.sign((components**3).sum(axis=0))  # a direction has no sign: its long tail is bright
    low, high = np.percentile(components, [2, 98], axis=0)
    return np.clip((components - low) / (high - low), 0, 1).reshape(*x.shape[1:], 3)


shown = np.unique(np.linspace(0, len(units) - 1, 6).round().astype(int))
figure, axes = plt.subplots(1, len(shown) + 1, figsize=(9.5, 1.9))
axes[0].imshow(face.transpose(1, 2, 0))
axes[0].set_title("pixels", fontsize=9)
for ax, i in zip(axes[1:], shown, strict=True):
    stream = tensors[units[i].output][0]
    ax.imshow(as_colours(stream))
    ax.set_title(f"after unit {i + 1}\n{' x '.join(map(str, stream.shape))}", fontsize=9)
for ax in axes:
    ax.set_axis_off()
plt.show()

# %%
# What a unit writes
# ------------------
#
# The size of a tensor is the root mean square of its numbers. Where a stage begins, the shortcut is a convolution and
# the stream takes a new scale. From there on the stream grows with what is added to it. Here every unit adds about as
# much as the others, so its share shrinks; a trained network need not be so even.
#
# So its direction settles. The cosine between the stream after each unit and the stream at the end of its stage goes to
# 1, which it reaches by definition.


def size(x):
    """Root mean square."""
    return float(np.sqrt(np.mean(x**2)))


def cosine(a, b):
    """Of two tensors of one shape."""
    return refnet.similarity(a.ravel(), b.ravel())


shapes = [tensors[unit.output].shape for unit in units]
end_of_stage = dict(zip(shapes, (tensors[unit.output] for unit in units), strict=True))  # the last of a shape stays
written = {
    "the stream": [size(tensors[unit.output]) for unit in units],
    "what the\nunit adds": [size(tensors[unit.branch]) for unit in units],
}
if network.synthetic:
    assert max(written["what the\nunit adds"]) < 2 * min(written["what the\nunit adds"])
settled = [cosine(tensors[unit.output], end_of_stage[tensors[unit.output].shape]) for unit in units]

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
number = np.arange(1, len(units) + 1)


def draw(ax, values, label, colour, style):
    """One value a unit, named at its right end; a grey line where a stage begins."""
    for i in range(1, len(units)):
        if shapes[i] != shapes[i - 1]:
            ax.axvline(i + 0.5, color="#cccccc", linewidth=1, zorder=0)
    ax.plot(number, values, style, color=colour, markersize=5)
    place = (number[-1], values[-1])
    ax.annotate(label, place, (8, 0), textcoords="offset points", color=colour, va="center", annotation_clip=False)


figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True)
for (label, values), colour in zip(written.items(), (BLUE, ORANGE), strict=True):
    draw(top, values, label, colour, ".-")
draw(bottom, settled, "cosine to the end\nof the stage", GREEN, ".-")
top.set(ylim=(0, None), ylabel="root mean square")
bottom.set(ylim=(0, 1.05), ylabel="cosine", xlabel="unit")
plt.show()

# %%
# What happens without it
# -----------------------
#
# Take a unit's branch away and the sum is its shortcut: the rest of the network gets a stream that lacks one
# correction. Take the shortcut away instead and the rest gets the correction alone, as in a network without shortcuts.
# Everything before the sum stays as it was, so the computation starts there, from the tensor we want in its place. (Two
# runs a unit: with a model of full size this takes minutes.)


def embedding_from(unit, stream):
    """The embedding when the unit's sum is replaced."""
    return network.trace(start={unit.output: stream}, patterns=[network.output])[0]


without_unit = [cosine(embedding, embedding_from(unit, tensors[unit.shortcut])) for unit in units]
without_shortcut = [cosine(embedding, embedding_from(unit, tensors[unit.branch])) for unit in units]

first = units[0]  # for one of them: the same, said in another way
patched, _ = network.trace(image, [network.output], patch=ablate_unit(network.graph, first.output))
assert np.array_equal(patched, embedding_from(first, tensors[first.shortcut]))

# %%
# Each pair of dots is one unit. Without its correction the embedding turns a little. Without its shortcut little is
# left of it, although the rest of the network is whole, and every weight is the same.

# sphinx_gallery_thumbnail_number = 3
figure, ax = plt.subplots(figsize=(8, 4.2))
ax.axhline(1, color="#999999", linewidth=0.8, zorder=0)
ax.vlines(number, without_shortcut, without_unit, color="#dddddd", zorder=0)
draw(ax, without_unit, "without\nthe unit", BLUE, "o")
draw(ax, without_shortcut, "without\nits shortcut", ORANGE, "o")
ax.set(xlabel="unit", ylabel="similarity to the embedding of the whole network")
plt.show()

print(f"median similarity without a unit:     {np.median(without_unit):.3f}")
print(f"median similarity without a shortcut: {np.median(without_shortcut):.3f}")
assert np.median(without_unit) > np.median(without_shortcut)

# %%
# One network, many paths
# -----------------------
#
# Follow a number of the embedding backwards. At every sum it has come through the branch or past it, so 49 units make
# :math:`2^{49}` paths. (They are ways, not summands: a branch is not linear.) Leaving one unit out closes half of them,
# and the other half is still open. How many units a path goes through is a matter of counting: of the 50 possible
# lengths the middle ones have nearly all paths.

length = np.arange(50)
paths = np.array([math.comb(49, k) for k in length])
assert paths.sum() == 2**49
middle = paths[(length >= 15) & (length <= 34)].sum() / 2**49
print(f"{2**49:,} paths; {middle:.1%} of them go through 15 to 34 units")
assert middle > 0.99

# %%
# To take away
# ------------
#
# A residual unit is not a step of a pipeline that later steps rely on. It is a small change of a large sum. Read a unit
# as "what does it add?", not as "what does it turn its input into?".
#
# In refnet a unit is the function ``unit`` of ``refnet/resnet100.py``. ``refnet/audit/ablation.py`` finds units and
# takes them out, :doc:`/inside` has more of this kind, and ``refnet explain`` shows what each unit does to the
# similarity of two faces. Sources: He et al., *Identity Mappings in Deep Residual Networks*, arXiv:1603.05027,
# equations 1 to 4; Veit, Wilber & Belongie, *Residual Networks Behave Like Ensembles of Relatively Shallow Networks*,
# arXiv:1605.06431, sections 3 and 4; Deng et al., *ArcFace*, arXiv:1801.07698, section 3.1, for the unit with three
# normalisations.
