"""
The hypersphere: why similarity is an angle
===========================================

A face becomes 512 numbers. Two faces are compared by the angle between their numbers, and every program writes that
angle in another way: cosine, distance, squared distance, half of one minus. This lesson draws all of them into one
picture, and then shows what makes 512 dimensions so different from the two that fit on paper: almost everything is at
right angles to everything else. That is the room in which a network can put millions of persons.
"""

# %%
# One angle, many numbers
# -----------------------
# Divide an embedding by its length and it lies on the sphere of radius 1. Two such vectors, however many numbers they
# have, span a plane, and in that plane everything can be drawn.
# sphinx_gallery_thumbnail_number = 2
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Arc

from refnet.faces.similarity import similarity
from refnet.faces.thresholds import CONVENTIONS, all_conventions

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ANGLE = np.radians(66.4)
cosine, sine = np.cos(ANGLE), np.sin(ANGLE)

figure, axes = plt.subplots(figsize=(6.5, 6.5))
turn = np.linspace(-0.12, np.pi / 2 + 0.2, 200)
axes.plot(np.cos(turn), np.sin(turn), color="0.8", lw=1)
for tip, name in (((1, 0), "u"), ((cosine, sine), "v")):
    axes.annotate(
        "", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "lw": 2, "color": "black", "shrinkA": 0, "shrinkB": 0}
    )
    axes.annotate(name, 1.05 * np.array(tip), ha="center", va="center", style="italic", size=15)
axes.plot([cosine, 1], [sine, 0], color=VERMILION)
axes.plot([cosine, cosine], [sine, 0], ":", color="0.5", lw=1.2)
for left, right, colour, label in ((0, cosine, BLUE, "cosine\n0.40"), (cosine, 1, GREEN, "cosine distance\n0.60")):
    axes.annotate("", (left, -0.07), (right, -0.07), arrowprops={"arrowstyle": "<->", "color": colour, "lw": 2})
    axes.annotate(label, ((left + right) / 2, -0.1), color=colour, ha="center", va="top")
axes.add_patch(Arc((0, 0), 0.36, 0.36, theta2=np.degrees(ANGLE), color=PURPLE, lw=2))
axes.annotate("angle\n66.4°", (0.2, 0.16), color=PURPLE)
axes.annotate("distance 1.10\nsquared 1.20", (0.74, 0.33), color=VERMILION, ha="right", va="top")
axes.set(xlim=(-0.1, 1.12), ylim=(-0.28, 1.1), aspect="equal")
axes.axis("off")
plt.show()

# %%
# Here are all eight conventions that refnet knows, for one pair of vectors with 512 numbers. Each is worked out from the
# vectors themselves, and then compared with what ``refnet threshold`` would say: one angle, said eight times.
rng = np.random.default_rng(0)
a = rng.standard_normal(512)
b = 0.45 * a + rng.standard_normal(512)  # something in common
u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
angle = np.arccos(u @ v)
from_vectors = {
    "cosine": u @ v,
    "cosine_distance": 1 - u @ v,
    "half_cosine_distance": (1 - u @ v) / 2,
    "l2": np.linalg.norm(u - v),
    "squared_l2": ((u - v) ** 2).sum(),
    "degrees": np.degrees(angle),
    "radians": angle,
    "angular": angle / np.pi,
}
converted = all_conventions(similarity(a, b), "cosine")
for name, convention in CONVENTIONS.items():
    assert np.isclose(converted[name], from_vectors[name], rtol=1e-12)
    closer = "larger" if convention.larger_is_closer else "smaller"
    print(f"{name:21} {from_vectors[name]:8.4f}   {convention.formula:20} more alike is {closer}")

# %%
# Each number is a strictly monotone function of each other. So it does not matter which one a program uses. It
# matters that the threshold is meant for the same one: 0.4 is a usual threshold for a cosine, and as a cosine distance
# it would be a cosine of 0.6.
#
# The length is not part of it
# ----------------------------
# The network was trained by a loss that sees angles only (lesson 8). What is left in the length depends on the
# photograph more than on the person, and the distance of *raw* embeddings mixes both. Twice as long is the same face:
assert abs(similarity(2 * a, b) - similarity(a, b)) < 1e-15
print(f"distance of raw vectors {np.linalg.norm(a - b):.1f}, of twice as long ones {np.linalg.norm(2 * a - b):.1f}")

# %%
# Room for everybody
# ------------------
# How alike are two faces that have nothing in common? Take it to mean: two random directions. On the sphere in
# :math:`d` dimensions, the directions at an angle :math:`\theta` to a given one form a ring of radius
# :math:`\sin\theta`, itself a sphere of :math:`d - 2` dimensions. So the density of the angle is
#
# .. math:: p_d(\theta) = \frac{\Gamma(d/2)}{\sqrt{\pi}\,\Gamma((d - 1)/2)} \sin^{d-2}\theta .
#
# For two dimensions every angle is as likely as any other. For 512 the power is 510, and only 90 degrees survives it.
DIMENSIONS = (2, 3, 16, 128, 512)
theta = np.linspace(0, np.pi, 36_001)  # steps of 0.005 degrees


def density(d):
    """Probability of the angle, per radian; the factor is found by summing up."""
    with np.errstate(divide="ignore"):
        power = np.exp((d - 2) * np.log(np.sin(theta))) if d > 2 else np.ones_like(theta)
    return power / np.trapezoid(power, theta)


def drawn_angles(d, count=20_000):
    """Angles between pairs of random directions: normal numbers point everywhere alike."""
    first, second = rng.standard_normal((2, count, d), dtype=np.float32)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.arccos(np.clip((first * second).sum(axis=1) / lengths, -1, 1))


figure, axes = plt.subplots(figsize=(8, 5))
per_degree = np.pi / 180
for d, colour, at, height in zip(
    DIMENSIONS,
    ("#555555", GREEN, PURPLE, BLUE, VERMILION),
    (2, 35, 65, 81.5, 91.5),
    (0.0085, 0.0085, 0.022, 0.075, 0.15),
    strict=True,
):
    axes.plot(np.degrees(theta), density(d) * per_degree, color=colour)
    angles = drawn_angles(d)
    axes.hist(np.degrees(angles), bins=np.arange(0, 181), density=True, color=colour, alpha=0.25)
    words = f"{d} dimensions" if d < 512 else "512 dimensions:\n90° ± 2.5°"
    axes.annotate(words, (at, height), color=colour, ha="right" if d in (16, 128) else "left")
    assert abs(np.cos(angles).std() * np.sqrt(d) - 1) < 0.03  # the cosine spreads by 1 / sqrt(d)
axes.axvline(66.4, color="0.5", lw=1, ls=":")
axes.annotate("cosine 0.4", (65.5, 0.155), color="0.35", ha="right")
axes.set(
    xlabel="angle between two random directions, degrees", ylabel="probability per degree", xlim=(0, 180),
    xticks=range(0, 181, 30), ylim=(0, 0.165),
)  # fmt: skip
plt.show()

# %%
# The cosine of two random directions has mean 0 and variance exactly :math:`1/d`: the squares of the cosines with
# :math:`d` axes at right angles add up to 1, and no axis is better than another. So 512 dimensions hold the angle
# within a few degrees of 90, and a threshold at 66 is a very long way off:


def chance_within(degrees, d):
    """Probability that two random directions are no further apart than that."""
    p = density(d)
    return np.trapezoid(np.where(theta <= np.radians(degrees), p, 0), theta)


chances = {d: chance_within(66.42, d) for d in DIMENSIONS}
for d, chance in chances.items():
    print(f"{d:4} dimensions: a cosine of 0.4 or more by chance once in {1 / chance:.3g}")
assert all(chances[more] < chances[less] for less, more in pairwise(DIMENSIONS))
assert chances[512] < 1e-20
assert abs(chances[3] - 0.3) < 1e-3  # Archimedes: on the ordinary sphere all cosines are equally likely, (1 - 0.4) / 2

# %%
# Or the other way round: put 85,000 persons on the sphere, as many as the network of refnet was trained on, simply at
# random. Of their 3.6 thousand million pairs, how close is the closest?
PERSONS = 85_000
pairs = PERSONS * (PERSONS - 1) / 2
for d in DIMENSIONS[2:]:
    below = np.cumsum(density(d)) * (theta[1] - theta[0])
    closest = np.degrees(np.interp(1 / pairs, below, theta))  # where one pair is expected
    print(f"{d:4} dimensions: the closest two of {PERSONS:,} are about {closest:.0f} degrees apart")
assert round(closest) == 74

# %%
# What to take away
# -----------------
# - A similarity is an angle. Cosine, distance and the others are ways to write it; convert, and no decision changes.
# - In 512 dimensions strangers are at right angles, give or take some degrees, without anybody arranging it. 85,000
#   random directions leave 74 degrees between the closest two.
# - So a cosine of 0.4 looks small and is not: chance alone would never make it.
#
# The embeddings of real faces are not random directions. Faces have something in common, above all age, sex and
# descent, and networks do not use all their dimensions alike: the similarities of real impostors spread more widely
# than this, and the rate at which a threshold lets them through is *measured*, on pairs (lesson 10), not computed from
# :math:`d`.
#
# Where it is in refnet: ``refnet/faces/similarity.py``, ``refnet/faces/thresholds.py`` and the command
# ``refnet threshold``; :doc:`/thresholds` lists the published thresholds.
#
# Reference: for the density, Cai, Fan and Jiang, *Distributions of angles in random packing on spheres*, Journal of
# Machine Learning Research 14, 2013, section 2.
