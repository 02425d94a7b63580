"""
Why a face must be put in its place first
=========================================

A face-recognition network has no idea of a face. It has 112 x 112 pixels, and weights that learnt what to expect at each
of them: ArcFace's training images all had the eyes, the nose and the corners of the mouth at the same five places. So the
first step of face recognition is geometry, and it is where most programs that "do not recognise anybody" go wrong.

This lesson cuts a face out of a photograph rightly, and in three ways that are popular and wrong.
"""

# %%
# A photograph and five points
# ----------------------------
#
# The photograph is NASA's portrait of the astronaut Eileen Collins, which is in the public domain and travels with
# scikit-image. Its five landmarks were found by the detector YuNet; they stand here as numbers, so that nothing has to be
# downloaded. Set ``REFNET_IMAGE`` to a photograph of your own and the detector looks for them there.
import os

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Polygon

from refnet.faces.align import apply, similarity_transform, template, warp
from refnet.faces.detect import load_detector
from refnet.faces.image import read_image

if "REFNET_IMAGE" in os.environ:
    photograph = read_image(os.environ["REFNET_IMAGE"])
    face = max(load_detector()(photograph), key=lambda face: face.score)
    box, landmarks = np.asarray(face.box), np.asarray(face.landmarks)
else:
    photograph = skimage.data.astronaut()
    box = np.array([178.2, 62.9, 268.1, 176.2])  # left, top, right, bottom
    landmarks = np.array([[200.1, 101.8], [247.1, 102.6], [220.4, 124.5], [198.6, 142.8], [239.7, 143.6]])

target = template(112)  # where the network wants them: eyes, nose, corners of the mouth
print(target)

# %%
# The right way: turn, scale, shift
# ---------------------------------
#
# Five points cannot all be brought to their places, since no two faces are alike. We look for the turn, the scale and the
# shift that bring them closest, in the sense of least squares. With points :math:`(x, y)` of the photograph and
# :math:`(u, v)` of the template, both taken about their means, the answer needs no solver:
#
# .. math::
#
#    a = \frac{\sum x u + y v}{\sum x^2 + y^2}, \qquad
#    b = \frac{\sum x v - y u}{\sum x^2 + y^2}, \qquad
#    \begin{pmatrix} x' \\ y' \end{pmatrix} = \begin{pmatrix} a & -b \\ b & a \end{pmatrix}
#    \begin{pmatrix} x \\ y \end{pmatrix} + t .
#
# Two numbers for turn and scale, two for the shift: four for the whole face, so its proportions stay as they are.
(x, y), (u, v) = (landmarks - landmarks.mean(axis=0)).T, (target - target.mean(axis=0)).T
a = (x @ u + y @ v) / (x @ x + y @ y)
b = (x @ v - y @ u) / (x @ x + y @ y)
turn_and_scale = np.array([[a, -b], [b, a]])
matrix = np.column_stack([turn_and_scale, target.mean(axis=0) - turn_and_scale @ landmarks.mean(axis=0)])

assert np.allclose(matrix, similarity_transform(landmarks, target))  # refnet's, with every sum rounded once

# %%
# Is it the best? Every small change of the four numbers must bring the points further away.


def rms(matrix, to=target):
    """How far landmarks come to lie from their places: root of the mean square, pixels of the crop."""
    return np.sqrt(((apply(matrix, landmarks) - to) ** 2).sum(axis=1).mean())


directions = np.array([[[1, 0, 0], [0, 1, 0]], [[0, -1, 0], [1, 0, 0]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]])
for direction in directions:
    for step in (-1e-3, 1e-3):
        assert rms(matrix + step * direction) > rms(matrix)

# %%
# Three wrong ways
# ----------------
#
# **The detector's box, resized.** It looks like a face and needs no landmarks. But a box says where a face ends and not where
# its eyes are, and 90 x 113 pixels become a square: the face is stretched.
left, top, right, bottom = box
boxed = np.array([[112 / (right - left), 0, 0], [0, 112 / (bottom - top), 0]])
boxed[:, 2] = -boxed[:, :2] @ (left, top)

# %%
# **Another network's places.** Open Model Zoo's demo aligns for a network whose images have 96 columns, and stretches
# its five points over the square. Everything arrives, but a size too large.
other = target.copy()
other[:, 0] = (target[:, 0] - 8) * 112 / 96
enlarged = similarity_transform(landmarks, other)

# %%
# **Six numbers instead of four.** A general affine map, such as ``cv2.getAffineTransform`` gives, may also squeeze and
# shear. It always fits at least as well, because it may do all that the right map does, and more.
homogeneous = np.column_stack([landmarks, np.ones(5)])
sheared = np.linalg.lstsq(homogeneous, target, rcond=None)[0].T

assert rms(sheared) <= rms(matrix) < min(rms(boxed), rms(enlarged))

# %%
# Look at them
# ------------
#
# Crosses are the places the network knows, discs the landmarks of this face.
ways = {
    "aligned": ("turn, scale, shift", matrix),
    "box": ("the box, resized", boxed),
    "other": ("another network's places", enlarged),
    "affine": ("six numbers", sheared),
}
BLUE, ORANGE = "#0072B2", "#E69F00"

figure, axes = plt.subplot_mosaic(
    [["photo", "aligned", "box"], ["photo", "other", "affine"]], figsize=(9, 4.6), width_ratios=[2.05, 1, 1]
)
corners = np.array([[-0.5, -0.5], [111.5, -0.5], [111.5, 111.5], [-0.5, 111.5]])
backwards = np.linalg.inv(matrix[:, :2])
frame = (corners - matrix[:, 2]) @ backwards.T
axes["photo"].imshow(photograph)
axes["photo"].add_patch(Polygon(frame, fill=False, edgecolor=ORANGE, linewidth=2))
axes["photo"].plot(*landmarks.T, "o", color=ORANGE, markeredgecolor="black", markersize=6)
middle, half = frame.mean(axis=0), np.ptp(frame, axis=0).max()
axes["photo"].set(
    xlim=(middle[0] - half, middle[0] + half),
    ylim=(middle[1] + half, middle[1] - half),
    title="Five landmarks; the frame is what is cut out",
)
for name, (title, way) in ways.items():
    axes[name].imshow(warp(photograph, way, 112))
    axes[name].plot(*target.T, "+", color="white", markersize=11, markeredgewidth=3.5)
    axes[name].plot(*target.T, "+", color=BLUE, markersize=10, markeredgewidth=2)
    axes[name].plot(*apply(way, landmarks).T, "o", color=ORANGE, markeredgecolor="black", markersize=5)
    axes[name].set_title(title, fontsize=11)
    axes[name].set_xlabel(f"off by {rms(way):.1f} pixels")
for axis in axes.values():
    axis.set(xticks=[], yticks=[])
plt.show()
