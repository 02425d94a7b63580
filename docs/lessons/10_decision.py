"""
From similarity to decision
===========================

A network says how alike two faces are. Somebody has to say from where on that is the same person. Wherever the line is
drawn, there are two kinds of mistakes, and less of one is more of the other. This lesson draws the line, counts both
kinds, asks what can be known from 6,000 pairs, and finds out why 99.68 % and 99.77 % are published for one and the same
network.
"""

# %%
# Six thousand pairs
# ------------------
# LFW, the best-known test, has 3,000 *genuine* pairs, two photographs of one person, and 3,000 *impostor* pairs. Its
# photographs are not part of refnet. So the similarities here are made up, in the shape that those of a good network
# have: impostors near 0, genuine pairs about 0.65, and a few pairs that are hard, since a person has aged by twenty
# years or half of the face is in the dark. To compute real ones, give a trained model in ``REFNET_MODEL`` and, in
# ``REFNET_TEST_DATA``, a folder that holds pairs in InsightFace's form, as ``lfw/lfw-fold1.bin``.
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from refnet.errors import UsageError
from refnet.evaluation.embedded import embed_pairs
from refnet.evaluation.insightface import flip_sum, insightface
from refnet.evaluation.intervals import binomial_p_value, wilson
from refnet.evaluation.omz import omz
from refnet.evaluation.pairs import read_pairs
from refnet.evaluation.rates import area, equal_error_rate, roc, tar_at_far
from refnet.network import Network
from refnet.zoo.lesson import lesson_graph

BLUE, VERMILION = "#0072B2", "#D55E00"


def made_up(count=3000, seed=0):
    """Similarities of upright images, of mirror sums, and which pairs are genuine: both kinds in turn."""
    rng = np.random.default_rng(seed)
    same = np.tile([True, False], count)
    alike = np.where(same, rng.normal(0.66, 0.10, 2 * count), rng.normal(0.02, 0.07, 2 * count))
    hard = same & (rng.random(2 * count) < 0.006)
    alike = np.where(hard, rng.normal(0.25, 0.12, 2 * count), alike)
    of_upright, of_mirrored = rng.normal(0, 0.02, (2, 2 * count))  # what the pose of the moment adds
    return np.tanh(alike + of_upright), np.tanh(alike + (of_upright + of_mirrored) / 2), same


def computed(path):
    """The same three of a file of pairs."""
    pairs = read_pairs(path)
    found = embed_pairs(Network(lesson_graph(), cache=True), pairs, mirror=True)
    in_turn = np.argsort(np.where(pairs.same, np.cumsum(pairs.same), np.cumsum(~pairs.same)), kind="stable")
    first, second, same = pairs.first[in_turn], pairs.second[in_turn], pairs.same[in_turn]
    summed, _ = flip_sum(found.upright, found.mirrored)
    plain = found.upright / np.linalg.norm(found.upright, axis=1, keepdims=True)
    return (plain[first] * plain[second]).sum(axis=1), (summed[first] * summed[second]).sum(axis=1), same


pairs_file = Path(os.environ.get("REFNET_TEST_DATA", ".")) / "lfw" / "lfw-fold1.bin"
real = "REFNET_MODEL" in os.environ and pairs_file.is_file()
upright, similarities, same = computed(pairs_file) if real else made_up()
impostors = int((~same).sum())
source = f"{pairs_file.name}, {Path(os.environ['REFNET_MODEL']).name}" if real else "made up"
print(f"{same.sum()} genuine and {impostors} impostor pairs, {source}")

# %%
# The line
# --------
# A pair is *accepted* if its similarity is at least the threshold. The **false accept rate** (FAR) is the share of
# impostor pairs that are accepted, the **true accept rate** (TAR) the share of genuine ones. Every distinct similarity
# is a possible threshold, and gives one point of the curve on the right: false accepts against false rejects, both
# logarithmic, which is called DET. (ROC is the same curve in other axes.)
TARGET = 0.01 if real else 0.001
curve = roc(similarities, same)
point = tar_at_far(curve, TARGET, impostors)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), width_ratios=[1.35, 1])
bins = np.linspace(-0.4, 1, 71)
for kind, colour, wrong in (
    (same, VERMILION, similarities < point.threshold),
    (~same, BLUE, similarities >= point.threshold),
):
    left.hist(similarities[kind], bins=bins, color=colour, alpha=0.45)
    left.hist(similarities[kind & wrong], bins=bins, color=colour, zorder=3)
left.axvline(point.threshold, color="black", lw=1.5)
left.set(yscale="log", ylim=(0.7, 3 * impostors), xlabel="similarity (cosine)", ylabel="pairs", xlim=(-0.4, 1))
left.set_title(f"Similarities, {'computed' if real else 'made up'}")
left.annotate("different persons", (-0.37, 0.9 * impostors), color=BLUE)
left.annotate("the same person", (0.98, 0.9 * impostors), color=VERMILION, ha="right")
left.annotate(f" accepted from {point.threshold:.2f} on", (point.threshold, 1.9 * impostors))
rejected = int((same & (similarities < point.threshold)).sum())
accepted = int((~same & (similarities >= point.threshold)).sum())
assert accepted == round(point.far * impostors)
assert rejected == round((1 - point.tar) * same.sum())

smallest = 1 / impostors
right.axvspan(smallest / 5, smallest, color="0.93", zorder=0)
right.annotate(f"{impostors:,} pairs\ncannot say", (smallest / 4.5, 0.6), color="0.4", va="top", size=10)
right.step(curve.far[curve.far > 0], 1 - curve.tar[curve.far > 0], color="black", where="post")
right.plot(point.far, 1 - point.tar, "o", color="black", ms=8)
right.annotate(
    f"  {accepted} impostors accepted,\n  {rejected} genuine rejected", (point.far, 1 - point.tar), va="bottom"
)
right.set(
    xscale="log", yscale="log", xlim=(smallest / 5, 1), ylim=(1 / same.sum(), 1), xlabel="false accept rate (FAR)",
    ylabel="false reject rate (1 - TAR)", title="Every possible line",
)  # fmt: skip
plt.show()

# %%
# Some numbers sum the curve up. The *area* under the ROC is the chance that a genuine pair is more alike than an
# impostor pair. The *equal error rate* is where both mistakes are as frequent. But who runs a door or a search wants
# the **TAR at a FAR**: how many of the right persons come in, if no more than one in a thousand of the wrong may.
print(f"area {area(curve):.5f}   equal error rate {equal_error_rate(curve):.4f}")
for target in (0.01, 0.001, 0.0001):
    try:
        at = tar_at_far(curve, target, impostors)
        print(f"TAR {at.tar:.4f} at FAR {target:g}, from {at.threshold:.3f} on")
    except UsageError as refusal:
        print(f"FAR {target:g}: {refusal}")
assert real or area(curve) > 0.99

# %%
# The last line is no lack of refnet's. 3,000 impostor pairs among which one in ten thousand is accepted are, on average,
# 0.3 pairs. A threshold for such a rate cannot be found with them. With none accepted of 3,000, all that is known is
# that the rate is likely below 1 in 1,000: the *rule of three*.
assert np.isclose((1 - 3 / 3000) ** 3000, np.exp(-3), rtol=2e-3)  # 3 in 3,000 would have shown themselves, at 95 %

# %%
# Two protocols, one network
# --------------------------
# 99.77 % is published for ``arcfaceresnet100-8`` by InsightFace, 99.68 % by Open Model Zoo: 5,986 and 5,981 right of
# 6,000 pairs. The weights are the same. But InsightFace adds the embedding of the mirror image, and searches the best
# threshold on nine tenths of the pairs to test it on the last tenth; Open Model Zoo takes one image, and the median of
# all similarities as its threshold. Both on our pairs:
by_insightface = insightface(2 - 2 * similarities, same, xnorm=1.0)  # it thinks in squared distances
by_zoo = omz((1 - upright) / 2, same)  # and it in half cosine distances
print(f"InsightFace's protocol     {by_insightface.correct:,} of {len(same):,} right, {by_insightface.accuracy:.2%}")
print(f"Open Model Zoo's protocol  {by_zoo.correct:,} of {len(same):,} right, {by_zoo.accuracy:.2%}")
assert real or by_insightface.correct > by_zoo.correct

# %%
# And by how much would either figure change with *other* pairs? Suppose the network is right in 5,986 of 6,000 cases in
# the long run, and test it on six thousand new pairs, again and again. The counts of right ones are binomial:
PAIRS, INSIGHTFACE, ZOO = 6000, 5986, 5981
counts = np.arange(5965, 6001)
log_factorial = np.append(0, np.cumsum(np.log(np.arange(1, PAIRS + 1))))
rate = INSIGHTFACE / PAIRS
log_chance = log_factorial[PAIRS] - log_factorial[counts] - log_factorial[PAIRS - counts]
chances = np.exp(log_chance + counts * np.log(rate) + (PAIRS - counts) * np.log1p(-rate))
assert abs(chances.sum() - 1) < 1e-3

p_value = binomial_p_value(ZOO, PAIRS, rate)
(low, high), (zoo_low, zoo_high) = wilson(INSIGHTFACE, PAIRS), wilson(ZOO, PAIRS)
assert zoo_low < low < zoo_high < high  # the intervals overlap
assert p_value > 0.05
print(f"5,986 of 6,000: {rate:.2%}, 95 % interval {low:.2%} to {high:.2%}")
print(f"5,981 of 6,000: {ZOO / PAIRS:.2%}, 95 % interval {zoo_low:.2%} to {zoo_high:.2%}; p = {p_value:.2f}")

figure, axes = plt.subplots(figsize=(8, 4.2))
colours = [{INSIGHTFACE: VERMILION, ZOO: BLUE}.get(count, "0.8") for count in counts]
axes.bar(counts, chances, color=colours)
for count, name, colour, place in (
    (INSIGHTFACE, "InsightFace\n5,986 = 99.77 %", VERMILION, (5987.4, 0.112)),
    (ZOO, "Open Model Zoo\n5,981 = 99.68 %", BLUE, (5980.6, 0.052)),
):
    axes.annotate(name, place, color=colour, ha="left" if count == INSIGHTFACE else "right", va="center")
axes.set(
    xlabel="right answers in 6,000 new pairs", ylabel="chance", ylim=(0, 0.125),
    title="One network, tested again and again",
)  # fmt: skip
plt.show()

# %%
# A network that is right in 99.77 % of all cases gets 5,981 or a count as unlikely in a fifth of such tests. The tenths
# of a per cent by which models on LFW are ranked are differences of a handful of pairs. (The two figures come from the
# *same* pairs, of course. There the difference is real, and lies in the protocol: five pairs near the line.)
assert 0.15 < p_value < 0.25

# %%
# What to take away
# -----------------
# - A threshold belongs to a rate of false accepts, on certain faces, through a certain pipeline. Without these, "0.4"
#   says nothing.
# - To speak of one in ten thousand takes many tens of thousands of impostor pairs.
# - No figure without its protocol and its interval.
#
# Where it is in refnet: ``refnet/evaluation``, the rates in ``rates.py``, intervals in ``intervals.py``, the protocols
# in ``insightface.py`` and ``omz.py``; the command is ``refnet evaluate``, and :doc:`/evaluation` describes it.
#
# References: Huang, Ramesh, Berg and Learned-Miller, *Labeled Faces in the Wild*, 2007. ISO/IEC 19795-1, which calls
# the rates FMR and FNMR. InsightFace ``recognition/arcface_mxnet/verification.py``; Open Model Zoo
# ``face-recognition-resnet100-arcface-onnx/accuracy-check.yml``.
