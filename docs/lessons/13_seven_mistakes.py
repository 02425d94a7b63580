"""
Seven mistakes, and how each one looks
======================================

Most programs that recognise faces badly have a good network and a mistake around it. None of these mistakes raises an
error: every one of them gives embeddings, and similarities between -1 and 1. What gives them away is the *distribution*
of the similarities. Here are seven that are reported again and again, made on purpose, one picture each. ``refnet
doctor`` looks for all of them; its names for them are in brackets.
"""

# %%
# The right way
# -------------
# It takes *genuine* pairs, which should be alike, and *impostor* pairs, which should not. For real behaviour give a
# trained model in ``REFNET_MODEL`` and a folder with ``lfw/lfw-fold1.bin`` in ``REFNET_TEST_DATA``: pairs of
# photographs of one person, and of two.
#
# Without them, the lesson runs on a small network with seeded weights, in which no identity is, and on three pictures:
# refnet's two drawn portraits and NASA's portrait of Eileen Collins. A genuine pair is then *one picture twice*, each
# time a little turned, shifted and lit anew; an impostor pair are *two pictures*. So it shows what a mistake does to
# similarities, and not how well persons are told apart. (The full-size network takes a minute or two here.)
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from refnet.evaluation.pairs import read_pairs
from refnet.evaluation.rates import area, roc, tar_at_far
from refnet.faces.align import align, warp
from refnet.network import Network
from refnet.zoo.lesson import lesson_graph
from refnet.zoo.samples import sample_crops

rng = np.random.default_rng(0)
network = Network(lesson_graph(), cache=True)
size = network.contract.crop_size[0]


def moved(crops, degrees, shift, scale):
    """Crops (N, 3, H, W), each turned about its middle, shifted and scaled; black where nothing is."""
    result = []
    for crop, turn, by, factor in zip(crops, np.radians(degrees), shift, scale, strict=True):
        matrix = factor * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.full(2, (size - 1) / 2)
        matrix = np.column_stack([matrix, middle + by - matrix @ middle])
        result.append(warp(crop.transpose(1, 2, 0), matrix, size).transpose(2, 0, 1))
    return np.stack(result)


def photographs(count=100):
    """Real pairs: crops of the first and of the second image, and whether they show one person."""
    pairs = read_pairs(pairs_file)
    chosen = np.concatenate([np.flatnonzero(pairs.same == kind)[:count] for kind in (True, False)])
    images = [np.stack([pairs.crop(k, size, size) for k in side[chosen]]) for side in (pairs.first, pairs.second)]
    return *images, pairs.same[chosen]


def pictures(count=100):
    """Made-up pairs of three pictures, every image taken anew."""
    landmarks = np.array([[200.1, 101.8], [247.1, 102.6], [220.4, 124.5], [198.6, 142.8], [239.7, 143.6]])  # by YuNet
    astronaut = align(skimage.data.astronaut(), landmarks, size).crop.transpose(2, 0, 1)
    three = np.stack([*sample_crops(size, size), astronaut])
    first = rng.integers(0, 3, 2 * count)
    same = np.arange(2 * count) < count
    second = np.where(same, first, (first + rng.integers(1, 3, 2 * count)) % 3)
    taken = []
    for which in (first, second):
        n = len(which)
        crops = moved(three[which], rng.normal(0, 2.5, n), rng.normal(0, 1.2, (n, 2)), rng.normal(1, 0.025, n))
        light = rng.normal(1, 0.08, (n, 1, 1, 1))
        taken.append(np.clip(crops * light, 0, 255).astype(np.uint8))
    return *taken, same


pairs_file = Path(os.environ.get("REFNET_TEST_DATA", ".")) / "lfw" / "lfw-fold1.bin"
real = "REFNET_MODEL" in os.environ and pairs_file.is_file()
first, second, same = photographs() if real else pictures()


def embed(crops):
    """Raw embeddings of crops 0..255; `prepare` scales them if the network does not do so itself."""
    return network(network.contract.prepare(crops)).astype(np.float64)


def cosines(a, b):
    """Similarity of each pair of rows."""
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


a, b = embed(first), embed(second)
right = cosines(a, b)
threshold = tar_at_far(roc(right, same), 0.01, int((~same).sum())).threshold
print(network.synthetic or "trained weights")
print(f"{same.sum()} genuine and {(~same).sum()} impostor pairs; threshold {threshold:.3f}, where FAR is 0.01")

# %%
# Four mistakes before the network
# --------------------------------
# **1. Red and blue swapped** (`channel-order`). OpenCV reads BGR. If *every* image is swapped, nobody notices: the network
# is merely worse. Here it is one image of each pair: the gallery was made by one program, the probe by another.
found = {"red and blue swapped": cosines(a, embed(second[:, ::-1]))}

# %%
# **2. Not aligned** (`unfamiliar-images`). A detector's box instead of five landmarks: heads stay as they were held, and
# boxes sit a little differently each time. We turn by up to 25 degrees, shift by up to 10 pixels and scale by up to a fifth.
count = len(same)
found["not aligned"] = cosines(
    *(
        embed(moved(crops, rng.uniform(-25, 25, count), rng.uniform(-10, 10, (count, 2)), rng.uniform(0.8, 1.2, count)))
        for crops in (first, second)
    )
)

# %%
# **3. The template of another network** (`alignment`). ArcFace's places are 8 pixels further to the right than those of the
# older crops of 96 columns; programs forget to add them. Again the gallery is right and the probe is not.
shifted = moved(second, np.zeros(count), np.tile([-8.0, 0.0], (count, 1)), np.ones(count))
found["template of another network"] = cosines(a, embed(shifted))

# %%
# **4. Scaled twice** (`input-range`). The network scales pixels itself, and the program did so before: instead of 0 to 255
# it is given 0 to 1, a black wall with a breath of a face on it.
found["scaled twice"] = cosines(*(embed(crops / 255) for crops in (first, second)))

# %%
# Three mistakes behind it
# ------------------------
# **5. Embeddings of two models** (`embeddings-origins`). Turn all embeddings by one and the same rotation of their
# space: no similarity among them changes, so this is another model, and exactly as good. But compare a gallery of
# the one with a probe of the other:
rotation, _ = np.linalg.qr(rng.standard_normal((a.shape[1], a.shape[1])))
assert np.allclose(cosines(a @ rotation, b @ rotation), right, rtol=0, atol=1e-9)
found["embeddings of two models"] = cosines(a, b @ rotation)

# %%
# **6. Raw embeddings** (`raw-embedding`). The network's output is not of length 1, and the Euclidean distance of raw
# embeddings is not what thresholds of the literature, such as 1.24 for the squared one, are meant for. (Some models
# divide by the length themselves; with such a one, this mistake cannot be made.)
raw = ((a - b) ** 2).sum(axis=1)
lengths = np.linalg.norm(np.concatenate([a, b]), axis=1)
print(f"lengths of embeddings: {lengths.min():.1f} to {lengths.max():.1f}")
assert np.allclose(lengths, 1, atol=1e-3) or raw.min() > 1.24  # nobody is accepted any more, not even the right ones

# %%
# **7. A threshold in another unit** (`threshold-unit`). The similarities are right, the number is right, but it was meant
# for a cosine and the program takes it for a cosine *distance*: it accepts from a cosine of 1 minus threshold on.
misread = 1 - threshold

# %%
# All of them
# -----------
# Filled: with the mistake. Outlined: the right way. The line is the threshold.
BLUE, VERMILION = "#0072B2", "#D55E00"
genuine_name, impostor_name = ("one person", "two persons") if real else ("one picture, twice", "two pictures")


bins = np.linspace(min(right.min(), *(some.min() for some in found.values())) - 0.02, 1, 40)


def panel(axes, title, values, bins, line, outline):
    """Two histograms, the right ones as outlines, and the threshold."""
    for kind, colour in ((~same, BLUE), (same, VERMILION)):
        axes.hist(values[kind], bins=bins, color=colour, alpha=0.55)
        if outline:
            axes.hist(right[kind], bins=bins, color=colour, histtype="step", lw=1)
    axes.axvline(line, color="black", lw=1.5)
    axes.set(yticks=[], ylim=(0, 1.25 * axes.get_ylim()[1]))
    axes.set_title(title, fontsize=10.5)
    axes.spines["left"].set_visible(False)


def accepted(decisions):
    """What is let in, in words."""
    return f"accepted: {decisions[same].mean():.0%} genuine,\n{decisions[~same].mean():.0%} impostors"


figure, grid = plt.subplots(2, 4, figsize=(11.5, 5.8))
cells = iter(grid.flat)
for number, (title, similarities) in enumerate({"the right way": right, **found}.items()):
    axes = next(cells)
    panel(axes, f"{number}. {title}" if number else title, similarities, bins, threshold, outline=number > 0)
    axes.set_xlabel(accepted(similarities >= threshold))
grid[0, 0].annotate(genuine_name, (1, 0.99), xycoords="axes fraction", color=VERMILION, ha="right", va="top")
grid[0, 0].annotate(impostor_name, (0.02, 0.99), xycoords="axes fraction", color=BLUE, va="top")

axes = next(cells)
panel(axes, "6. distance of raw embeddings", raw, np.geomspace(0.5, 1.1 * raw.max(), 40), 1.24, outline=False)
axes.set(xscale="log", xlabel=accepted(raw <= 1.24))
axes = next(cells)
panel(axes, "7. threshold in another unit", right, bins, misread, outline=False)
axes.set_xlabel(accepted(right >= misread))
plt.show()

# %%
# In numbers. The *area* is the chance that a genuine pair is more alike than an impostor pair: 1 is perfect, 0.5 a coin. A
# mistake that leaves the area alone can be mended by another threshold; one that lowers it has lost something.
areas = {title: area(roc(similarities, same)) for title, similarities in found.items()}
areas["distance of raw embeddings"] = area(roc(-raw, same))
areas["the right way"] = areas["threshold in another unit"] = area(roc(right, same))
for title, value in sorted(areas.items(), key=lambda item: -item[1]):
    print(f"{title:30} area {value:.4f}")

assert areas["not aligned"] < areas["the right way"]
assert found["scaled twice"][~same].mean() > 0.9  # everybody is alike
assert abs(found["embeddings of two models"].mean()) < 0.2  # nobody is
assert ((right >= threshold) != (right >= misread)).any()

# %%
# What to take away
# -----------------
# - Look at the histograms of your own pairs, genuine and impostor apart, before you look for a threshold.
# - Everybody alike: the network does not see the picture (scaling, layout, a dead layer). Nobody alike: the embeddings do
#   not belong together. Genuine pairs moved towards impostors: preparation, above all alignment. Histograms as they should
#   be and decisions that are not: the threshold, or its unit.
# - Swapped colours and a wrong template are the treacherous ones. A trained network may forgive them nearly: the
#   histograms look healthy, and what is lost shows only at strict thresholds.
#
# Where it is in refnet: the checks are in ``refnet/audit/doctor``, and :doc:`/doctor` lists all of them with the places
# where others have met each mistake. ``refnet doctor`` needs no labelled pairs for it: it asks the file, the images that are
# fed, and the embeddings.
