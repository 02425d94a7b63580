r"""
Why a face must be put in its place first
=========================================

A face-recognition network does not know what a face is. It knows 112 x 112 pixels, and has learnt what to expect at each
of them: in all of ArcFace's training images the eyes, the nose and the corners of the mouth lie at the same five places. So
face recognition begins with geometry, and that is where many programs that "recognise nobody" go wrong.

This lesson cuts a face out of a photograph in the right way, and in three ways that look reasonable and are not.
"""

# %%
# A photograph and five points
# ----------------------------
#
# The photograph is NASA's portrait of the astronaut Eileen Collins. It is in the public domain and comes with
# scikit-image. The detector YuNet found the face's box and five landmarks, which are kept as numbers, so that nothing
# has to be downloaded. Set ``REFNET_IMAGE`` to a photograph of your own, and the detector looks for them there.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Polygon

import refnet
from refnet.faces.align import apply, similarity_transform, template, warp
from refnet.faces.lesson import lesson_face
from refnet.zoo.lesson import lesson_graph

photograph, found = lesson_face()
assert found.box is not None
box, landmarks = np.array(found.box), found.landmarks  # left, top, right, bottom; five points (x, y)
print(landmarks)

target = template(112)  # where the network wants them: both eyes, nose, both corners of the mouth
print(target)

# %%
# The right way: turn, scale, shift
# ---------------------------------
#
# No two faces have the same proportions, so five points can never all reach their places. We look for the turn, the
# scale and the shift that bring them closest, in the sense of least squares. Let :math:`(x, y)` be the points in the
# photograph and :math:`(u, v)` those of the template, both about their means. Then the answer needs no solver (Umeyama
# 1991, in two dimensions):
#
# .. math::
#
#    a = \frac{\sum xu + yv}{\sum x^2 + y^2}, \qquad
#    b = \frac{\sum xv - yu}{\sum x^2 + y^2}, \qquad
#    \begin{pmatrix} x' \\ y' \end{pmatrix} =
#    \begin{pmatrix} a & -b \\ b & a \end{pmatrix} \begin{pmatrix} x \\ y \end{pmatrix} + t.
#
# Turn and scale are two numbers, the shift :math:`t` two more: four for the whole face, whose proportions stay as they are.
(x, y), (u, v) = (landmarks - landmarks.mean(axis=0)).T, (target - target.mean(axis=0)).T
a = (x @ u + y @ v) / (x @ x + y @ y)
b = (x @ v - y @ u) / (x @ x + y @ y)
turn_and_scale = np.array([[a, -b], [b, a]])
shift = target.mean(axis=0) - turn_and_scale @ landmarks.mean(axis=0)
aligned = np.column_stack([turn_and_scale, shift])

assert np.allclose(aligned, similarity_transform(landmarks, target))  # refnet's, which rounds each sum once

# %%
# Is it the best? Then every small change of the four numbers takes the points further away from their places.


def off(matrix):
    """How far from its place a landmark comes to lie: root of the mean square, in pixels of the crop."""
    return np.sqrt(((apply(matrix, landmarks) - target) ** 2).sum(axis=1).mean())


four = np.array([[[1, 0, 0], [0, 1, 0]], [[0, -1, 0], [1, 0, 0]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]])
for change in four:
    assert off(aligned + 1e-3 * change) > off(aligned) < off(aligned - 1e-3 * change)

# %%
# Three wrong ways
# ----------------
#
# **The detector's box, resized.** This needs no landmarks. But a box says where a face ends, and not where its eyes are.
# And a box is taller than it is wide, while the crop is square.
left, top, right, bottom = box
boxed = np.array([[112 / (right - left), 0, 0], [0, 112 / (bottom - top), 0]])
boxed[:, 2] = -boxed[:, :2] @ (left, top)

# %%
# **Another network's places.** Open Model Zoo's demo aligns for a network whose template is 96 pixels wide, and stretches it
# over the square. With ArcFace in its stead, everything looks right and is too large.
stretched = (target - [8, 0]) * [112 / 96, 1]
enlarged = similarity_transform(landmarks, stretched)

# %%
# **Six numbers instead of four.** A general affine map may squeeze and shear as well as turn. It can do all that the right
# map can, and so it never fits worse.
squeezed = np.linalg.lstsq(np.column_stack([landmarks, np.ones(5)]), target, rcond=None)[0].T

assert off(squeezed) <= off(aligned) < min(off(boxed), off(enlarged))

# %%
# By how much a map changes proportions is the ratio of its two singular values. It is 1 for every turn, scale and shift.


def distortion(matrix):
    """How many times longer a map makes one direction than another."""
    largest, smallest = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return largest / smallest


assert np.isclose(distortion(aligned), 1)
assert np.isclose(distortion(enlarged), 1)
assert np.isclose(distortion(boxed), (bottom - top) / (right - left))

# %%
# Look at them
# ------------
#
# Crosses are the places that the network knows, discs the landmarks of this face.
scale = np.sqrt(np.linalg.det(enlarged[:, :2]) / np.linalg.det(aligned[:, :2]))
ways = {
    "A": ("Turn, scale, shift", aligned, ""),
    "B": ("The box, resized", boxed, f", stretched {distortion(boxed) - 1:.0%}"),
    "C": ("Another template", enlarged, f", {scale - 1:.1%} too large"),
    "D": ("Six numbers", squeezed, f", stretched {distortion(squeezed) - 1:.0%}"),
}
blue, orange, green, red = "#0072B2", "#E69F00", "#009E73", "#D55E00"
figure, axes = plt.subplot_mosaic("PAB;PCD", figsize=(9.6, 5), width_ratios=[1.72, 1, 1])

corners = np.array([[-0.5, -0.5], [111.5, -0.5], [111.5, 111.5], [-0.5, 111.5]])
frame = np.linalg.solve(aligned[:, :2], (corners - aligned[:, 2]).T).T
middle, reach = frame.mean(axis=0), 0.85 * np.ptp(frame, axis=0).max()
height, width = photograph.shape[:2]
axes["P"].imshow(photograph)
axes["P"].add_patch(Polygon(frame, fill=False, edgecolor=orange, linewidth=2.5))
axes["P"].plot(*landmarks.T, "o", color=orange, markeredgecolor="black", markersize=7)
axes["P"].set_xlim(max(-0.5, middle[0] - reach), min(width - 0.5, middle[0] + reach))
axes["P"].set_ylim(min(height - 0.5, middle[1] + 1.3 * reach), max(-0.5, middle[1] - reach))
axes["P"].set_title("Five landmarks, and what is cut out")

for panel, (title, matrix, besides) in ways.items():
    axes[panel].imshow(warp(photograph, matrix, 112))
    axes[panel].plot(*target.T, "+", color="white", markersize=13, markeredgewidth=4)
    axes[panel].plot(*target.T, "+", color=blue, markersize=12, markeredgewidth=2.2)
    axes[panel].plot(*apply(matrix, landmarks).T, "o", color=orange, markeredgecolor="black", markersize=6)
    axes[panel].set_title(title, color=green if panel == "A" else red)
    axes[panel].set_xlabel(f"off by {off(matrix):.1f} px{besides}")
for axis in axes.values():
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
plt.show()

# %%
# The last crop is the one to remember. Its landmarks lie nearest to their places, and it shows a face that nobody has:
# the map has spent its two spare numbers on the proportions of the face, which are what tells people apart. The
# smallest residual is not the aim. The residual of the right map is no error either: it says how unlike the average
# this face is, in this pose.
#
# What the network makes of it
# ----------------------------
#
# Each crop goes through the network, and its embedding is compared with that of the right crop: 1 would mean that the crop
# makes no difference. On the seeded weights that the lesson has without ``REFNET_MODEL`` there is no identity in these
# numbers; they only show that the network sees other pixels. Over 600 pairs of photographs and two trained networks the
# cost of another template is measured in :doc:`/alignment`.
network = refnet.Network(lesson_graph(), engine="reference")
crops = np.stack([warp(photograph, matrix, 112) for _, matrix, _ in ways.values()])
embeddings = network(network.contract.prepare(crops.transpose(0, 3, 1, 2)))  # its own range and order of channels
for (title, _, _), embedding in zip(ways.values(), embeddings, strict=True):
    print(f"{title:20} {refnet.similarity(embeddings[0], embedding):.3f}")
print(network.synthetic or "trained weights")

assert np.isclose(refnet.similarity(embeddings[0], embeddings[0]), 1)

# %%
# **Take away.** A turn, a scale and a shift, by least squares, to the template that the network was trained with. Nothing
# less: a box does not say where the eyes are. Nothing more: what may bend the face may bend it into another.
#
# In refnet this is ``refnet/faces/align.py`` (:func:`refnet.faces.align.align`), and on the command line ``refnet align``,
# which also draws the picture. The formula: S. Umeyama, *Least-squares estimation of transformation parameters between two
# point patterns*, IEEE PAMI 13(4), 1991, equations 40 to 42. The template: insightface,
# ``python-package/insightface/utils/face_align.py``.
