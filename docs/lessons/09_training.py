"""
A complete training in NumPy: softmax beside ArcFace
====================================================

What does a margin do to a network? The ArcFace paper shows it with a toy (its figure 3): features of only two
numbers, so that they can be drawn. This lesson is that experiment from the first weight to the last picture: a small
residual network, forwards and backwards, written out in NumPy, and trained on handwritten digits from one start with
softmax and with ArcFace. Only the loss differs.
"""

# %%
# The digits
# ----------
# 1,797 handwritten digits of 8 x 8 pixels come with scikit-learn. 500 are held out: no training sees them, and every
# picture and every number below that is not called otherwise is theirs.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from refnet.evaluation.rates import equal_error_rate, roc
from refnet.ops.conv import conv
from refnet.ops.conv import vjp as conv_vjp
from refnet.ops.prelu import prelu
from refnet.ops.prelu import vjp as prelu_vjp

pixels, labels = load_digits(return_X_y=True)
images = pixels.reshape(-1, 1, 8, 8) / 8 - 1  # 0..16 becomes -1..1
shuffled = np.random.default_rng(0).permutation(len(images))
held_out, training = shuffled[:500], shuffled[500:]

# %%
# The network
# -----------
# The pieces are those of ResNet100: convolutions, PReLU, one shortcut that is added to what it jumps over, a fully
# connected layer at the end. There are 4,122 weights instead of 65 million, and 2 features instead of 512.
WIDTH, DEEP = 8, 16
AROUND = (1, 1, 1, 1)  # padding


def first_weights(seed):
    """He's initialisation; the ten centres evenly around the circle, in random order."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * rng.permutation(10) / 10

    def filters(*shape):
        return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))

    return {
        "weight1": filters(WIDTH, 1, 3, 3), "bias1": np.zeros(WIDTH), "slope1": np.full((WIDTH, 1, 1), 0.25),
        "weight2": filters(DEEP, WIDTH, 3, 3), "bias2": np.zeros(DEEP), "slope2": np.full((DEEP, 1, 1), 0.25),
        "weight3": filters(DEEP, DEEP, 3, 3), "bias3": np.zeros(DEEP), "slope3": np.full((DEEP, 1, 1), 0.25),
        "weight4": filters(2, DEEP * 4 * 4), "bias4": np.zeros(2),
        "centres": np.stack([np.cos(angles), np.sin(angles)], axis=1),
    }  # fmt: skip


assert sum(weight.size for name, weight in first_weights(0).items() if name != "centres") == 4122


def forward(p, x):
    """The two features of every image, and what the way back needs."""
    z1 = conv(x, p["weight1"], p["bias1"], padding=AROUND)  # (N, 8, 8, 8)
    a1 = prelu(z1, p["slope1"])
    z2 = conv(a1, p["weight2"], p["bias2"], padding=AROUND, stride=(2, 2))  # (N, 16, 4, 4)
    a2 = prelu(z2, p["slope2"])
    z3 = conv(a2, p["weight3"], p["bias3"], padding=AROUND)
    a3 = a2 + prelu(z3, p["slope3"])  # the shortcut
    flat = a3.reshape(len(x), -1)
    return flat @ p["weight4"].T + p["bias4"], (x, z1, a1, z2, a2, z3, flat)


# %%
# Backwards, the same lines are read from the last to the first. Each operator of refnet has its *vector-Jacobian
# product* beside its definition: given the gradient by its output, the gradient by its input number 0, 1, ... Where
# the shortcut forked, two gradients meet and are added.


def backward(p, dy, kept):
    """Gradients by all weights, from those by the features."""
    x, z1, a1, z2, a2, z3, flat = kept
    g = {"weight4": dy.T @ flat, "bias4": dy.sum(axis=0)}
    da3 = (dy @ p["weight4"]).reshape(a2.shape)
    dz3 = prelu_vjp(0, da3, z3, p["slope3"])
    da2 = da3 + conv_vjp(0, dz3, a2, p["weight3"], padding=AROUND)
    dz2 = prelu_vjp(0, da2, z2, p["slope2"])
    da1 = conv_vjp(0, dz2, a1, p["weight2"], padding=AROUND, stride=(2, 2))
    dz1 = prelu_vjp(0, da1, z1, p["slope1"])
    for number, z, da in ((1, z1, da1), (2, z2, da2), (3, z3, da3)):
        g[f"slope{number}"] = prelu_vjp(1, da, z, p[f"slope{number}"])
    for number, a, dz, stride in ((1, x, dz1, 1), (2, a1, dz2, 2), (3, a2, dz3, 1)):
        g[f"weight{number}"] = conv_vjp(1, dz, a, p[f"weight{number}"], padding=AROUND, stride=(stride, stride))
        g[f"bias{number}"] = dz.sum(axis=(0, 2, 3))
    return g


# %%
# The two losses
# --------------
# Softmax multiplies features by the ten centres, whatever their lengths. ArcFace brings both to length 1, adds the
# margin to the angle of the right digit and multiplies by a scale; lesson 8 derives it. With margin 0 it is the
# *normalised softmax*, which is trained too: it tells what the margin does from what the normalisation does.
SCALE, MARGIN = 24.0, 0.4


def cross_entropy(logits, right):
    """Mean loss, and its gradient by the logits."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(right))
    loss = -np.log(p[rows, right]).mean()
    p[rows, right] -= 1
    return loss, p / len(right)


def softmax_loss(p, features, right):
    """Loss, gradient by the features, gradients by the weights of the loss."""
    loss, d = cross_entropy(features @ p["centres"].T, right)
    return loss, d @ p["centres"], {"centres": d.T @ features}


def angular_loss(margin):
    """ArcFace with a margin in radians; beyond pi - margin the cosine goes on falling (lesson 8)."""

    def loss_of(p, features, right):
        u, length = unit(features)
        w, size = unit(p["centres"])
        cosines = np.clip(u @ w.T, -1 + 1e-12, 1 - 1e-12)
        rows = np.arange(len(right))
        target = cosines[rows, right]
        theta, before = np.arccos(target), target > np.cos(np.pi - margin)
        logits = SCALE * cosines
        logits[rows, right] = SCALE * np.where(before, np.cos(theta + margin), target - margin * np.sin(margin))
        loss, d = cross_entropy(logits, right)
        d *= SCALE
        d[rows, right] *= np.where(before, np.sin(theta + margin) / np.sin(theta), 1)
        return loss, across(d @ w, u) / length, {"centres": across(d.T @ u, w) / size}

    return loss_of


def unit(x):
    """Rows of length 1, and their lengths before."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / length, length


def across(dy, u):
    """What of dy is at right angles to u: along u nothing changes."""
    return dy - (dy * u).sum(axis=1, keepdims=True) * u


LOSSES = {"softmax": softmax_loss, "normalised": angular_loss(0.0), "ArcFace": angular_loss(MARGIN)}

# %%
# A gradient that is almost right trains almost as well, and nobody notices. So, before anything is trained: one
# weight of every tensor is moved a little to both sides, and the loss has to move as the gradient says.
STEP = 1e-5
start, few = first_weights(1), training[:32]
for name, loss_of in LOSSES.items():
    features, kept = forward(start, images[few])
    _, dy, dp = loss_of(start, features, labels[few])
    gradient = backward(start, dy, kept) | dp
    for tensor, values in start.items():
        at = tuple(extent // 2 for extent in values.shape)
        moved = []
        for sign in (1, -1):
            changed = values.copy()
            changed[at] += sign * STEP
            p = start | {tensor: changed}
            moved.append(loss_of(p, forward(p, images[few])[0], labels[few])[0])
        difference = (moved[0] - moved[1]) / (2 * STEP)
        assert abs(difference - gradient[tensor][at]) < 1e-6 * max(1, abs(difference)), (name, tensor)

# %%
# The training
# ------------
# Stochastic gradient descent with momentum, and a rate that falls along a cosine. In two dimensions, angular losses
# have a difficulty that 512 do not: a digit between two others cannot get past them on the circle. So ten epochs of
# softmax put the digits in an order, and from there every loss has the same fourteen epochs: same weights to begin
# with, same images in the same order, same rates.


def train(p, loss_of, epochs, rates, seed):
    """Train a copy of the weights; rates are the first and the last."""
    p, velocity = dict(p), {name: np.zeros_like(values) for name, values in p.items()}
    rng = np.random.default_rng(seed)
    batches = [batch for _ in range(epochs) for batch in np.split(rng.permutation(training)[:1280], 20)]
    for step, batch in enumerate(batches):
        features, kept = forward(p, images[batch])
        _, dy, dp = loss_of(p, features, labels[batch])
        gradient = backward(p, dy, kept) | dp
        length = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        rate = rates[1] + (rates[0] - rates[1]) * (1 + np.cos(np.pi * step / len(batches))) / 2
        for name in p:
            decayed = gradient[name] * min(1, 5 / length) + 5e-4 * p[name]  # no step longer than 5; weights shrink
            velocity[name] = 0.9 * velocity[name] + decayed
            p[name] = p[name] - rate * velocity[name]
    return p


SEEDS = (0, 1, 2)
trained = {}
for seed in SEEDS:
    ordered = train(first_weights(seed), softmax_loss, 10, (0.05, 0.01), seed)
    for name, loss_of in LOSSES.items():
        trained[name, seed] = train(ordered, loss_of, 14, (0.03, 0.0), 100 + seed)

# %%
# What the loss asked for
# -----------------------
# First the *training* digits, since they are what a loss sees. Above, their two features as they are; below, only the
# directions, counted two degrees at a time. Ten colours would be too many to tell apart: five take turns, and the
# digit is written in the middle of its own directions.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def directions(p, which):
    """(N, 2) features of length 1."""
    return unit(forward(p, images[which])[0])[0]


def counted(u):
    """How many directions lie in each two degrees of the circle."""
    return np.histogram(np.arctan2(u[:, 1], u[:, 0]), bins=180, range=(-np.pi, np.pi))


def draw(plane, circle, p):
    """Features of the training digits on the plane, and their directions around the circle."""
    features, right = forward(p, images[training])[0], labels[training]
    u = directions(p, training)
    middles, _ = unit(np.stack([u[right == digit].mean(axis=0) for digit in range(10)]))
    reach = np.quantile(np.linalg.norm(features, axis=1), 0.99)
    for place, digit in enumerate(np.argsort(np.arctan2(*middles.T))):
        own, colour = right == digit, COLOURS[place % 5]
        plane.plot(*features[own].T, ".", color=colour, ms=4, alpha=0.6, mew=0)
        counts, edges = counted(u[own])
        for at in np.flatnonzero(counts):
            turn = (edges[at] + edges[at + 1]) / 2
            ray = np.outer((np.cos(turn), np.sin(turn)), (1, 1 + 0.018 * counts[at]))
            circle.plot(*ray, color=colour, lw=2.8, solid_capstyle="butt")
        for axes, radius in ((plane, 1.12 * reach), (circle, 0.86)):
            axes.text(*radius * middles[digit], digit, color=colour, weight="bold", ha="center", va="center", size=15)
    empty = 2 * int((counted(u)[0] == 0).sum())
    circle.text(0, 0, f"{empty}° of 360\nare empty", ha="center", va="center", size=15, color="#333333")
    for axes, limit in ((plane, 1.3 * reach), (circle, 1.8)):
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.axis("off")


figure, panels = plt.subplots(2, 2, figsize=(8, 8))
for column, name in enumerate(("softmax", "ArcFace")):
    draw(*panels[:, column], trained[name, 0])
    panels[0, column].set_title(name, size=18, loc="center")
plt.show()

# %%
# Both know practically every training digit. Softmax has nothing more to ask of a digit that is safely on the right
# side; ArcFace goes on pulling it towards its centre, until there are gaps between the digits.
#
# What it is worth
# ----------------
# A recogniser meets persons it has not been trained on, and compares two photographs by the angle between their
# features. So take all 124,750 pairs of held-out digits: *genuine* ones, the same digit twice, and *impostors*. The
# features are good if the two kinds lie far apart.


def pairs_of(p, which):
    """Angles between the features of all pairs, in degrees, and whether both show the same digit."""
    u = directions(p, which)
    first, second = np.triu_indices(len(u), k=1)
    cosines = np.clip((u[first] * u[second]).sum(axis=1), -1, 1)
    return np.degrees(np.arccos(cosines)), labels[which][first] == labels[which][second]


print("                    training        held out, angles of pairs                     equal")
print("seed  loss        right  empty     genuine  impostor   gap (mean)  median genuine  error rate")
gap, error, empty = {}, {}, {}
for (name, seed), p in trained.items():
    angles, same = pairs_of(p, held_out)
    genuine, impostor = angles[same], angles[~same]
    gap[name, seed] = impostor.mean() - genuine.mean()
    error[name, seed] = equal_error_rate(roc(-angles, same))
    empty[name, seed] = 2 * int((counted(directions(p, training))[0] == 0).sum())
    found = forward(p, images[training])[0] if name == "softmax" else directions(p, training)
    centres = p["centres"] if name == "softmax" else unit(p["centres"])[0]
    right = ((found @ centres.T).argmax(axis=1) == labels[training]).mean()
    assert right > 0.97, (name, seed, right)
    print(
        f"{seed}     {name:10}  {right:.3f}  {empty[name, seed]:4}°     {genuine.mean():6.1f}°   {impostor.mean():6.1f}°"
        f"     {gap[name, seed]:6.1f}°        {np.median(genuine):6.1f}°       {error[name, seed]:.3f}"
    )


def over_seeds(figures, name):
    """The mean of a figure over the seeds."""
    return np.mean([figures[name, seed] for seed in SEEDS])


for seed in SEEDS:
    assert gap["ArcFace", seed] > gap["softmax", seed]
    assert empty["ArcFace", seed] > empty["softmax", seed]
assert over_seeds(gap, "ArcFace") > over_seeds(gap, "softmax") + 1
assert over_seeds(gap, "ArcFace") > over_seeds(gap, "normalised")
assert over_seeds(error, "ArcFace") < over_seeds(error, "softmax")

figure, rows = plt.subplots(2, 1, figsize=(8, 5), sharex=True, sharey=True)
for axes, name in zip(rows, ("softmax", "ArcFace"), strict=True):
    angles, same = pairs_of(trained[name, 0], held_out)
    for kind, colour, label in ((~same, "#0072B2", "different digits"), (same, "#D55E00", "same digit")):
        axes.hist(angles[kind], bins=np.arange(0, 181, 2), density=True, color=colour, alpha=0.75)
        axes.axvline(angles[kind].mean(), color=colour, lw=1.5, ls="--")
        axes.text(
            angles[kind].mean() + 2, 0.1, f"{label}\nmean {angles[kind].mean():.1f}°", color=colour, va="top", size=11
        )
    axes.set(title=f"{name}: the means are {gap[name, 0]:.1f}° apart", yticks=[], xlim=(0, 180), ylim=(0, 0.115))
    axes.spines["left"].set_visible(False)
rows[1].set(xticks=range(0, 181, 30), xlabel="angle between the features of two held-out digits, degrees")
plt.show()

# %%
# What to take away
# -----------------
# - Seen from the training digits the losses are alike: nearly all are right. They differ in what they do *after* that.
# - With the margin, digits of one kind come together, and empty arcs open between the kinds. On held-out digits the
#   gap between genuine and impostor angles is larger than with softmax, for each of the three seeds, and there are
#   fewer confusions. The middle line of the table says that the normalisation alone does part of it.
# - The ten kinds are spaced by what fits on a circle, 36 degrees, and the mean impostor angle can hardly exceed the 100
#   degrees of an even spacing: nearly all of the gain is in the genuine angles.
#
# What it does not show: that ArcFace is better at faces. A circle has room for ten digits side by side, and each has
# only two neighbours; in 512 dimensions there is room for everybody (lesson 7). The held-out digits are new, but their
# kinds were trained; in face recognition the persons themselves are new. And margin, scale and rates were chosen for
# this toy: 0.4 and 24 here, 0.5 and 64 in the paper.
#
# Where it is in refnet: the definitions and their vector-Jacobian products are in ``refnet/ops``, one operator a file;
# ``refnet/gradient.py`` walks a whole graph backwards with them, as `backward` does here by hand; the equal error rate
# is in ``refnet/evaluation/rates.py``.
#
# Reference: Deng, Guo, Xue and Zafeiriou, *ArcFace: Additive Angular Margin Loss for Deep Face Recognition*,
# arXiv:1801.07698, section 2 and figure 3. Data: the test set of UCI's *Optical Recognition of Handwritten Digits*.
