"""
The ArcFace loss: one formula, and where it stops pulling
=========================================================

A network learns to recognise faces by sorting training photographs into persons. Plain softmax is content as soon as
a photograph is on the right side of the border between two persons. ArcFace asks for more: the right side, and a
margin of half a radian beyond it. This lesson writes that margin as one formula, with three other losses in it, looks
at how hard each one pulls and where it lets go, and proves the gradients.
"""

# %%
# Four losses in one formula
# --------------------------
# The last layer of the training network holds one direction for each person, the *centre* :math:`W_j`. Embedding
# :math:`x` and centres are brought to length 1, so that their product is the cosine of the angle between them,
# :math:`\cos\theta_j`. Cross-entropy turns the cosines into a loss; :math:`y` is the person on the photograph and
# :math:`s` a fixed scale, 64:
#
# .. math::
#     L = -\log \frac{e^{s f(\theta_y)}}{e^{s f(\theta_y)} + \sum_{j \ne y} e^{s \cos\theta_j}},
#     \qquad f(\theta) = \cos(m_1 \theta + m_2) - m_3
#
# Only the cosine of the right person is changed, by :math:`f`. That is equation 4 of the ArcFace paper, and each
# margin in it was a paper of its own. (SphereFace's takes 4 for :math:`m_1`, and mends the curve in pieces so that it
# goes on falling; 1.35 needs that only for angles that do not occur.)
# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np

from refnet.gradient import pullback
from refnet.graph import Graph, Node, Tensor
from refnet.ops.gemm import gemm
from refnet.ops.gemm import vjp as gemm_vjp

LOSSES = {  # m1, m2, m3; the colours are Okabe and Ito's, which colour-blind readers can tell apart
    "softmax, normalised": ((1.0, 0.0, 0.0), "#000000"),
    "SphereFace 1.35": ((1.35, 0.0, 0.0), "#009E73"),
    "CosFace 0.35": ((1.0, 0.0, 0.35), "#0072B2"),
    "ArcFace 0.5": ((1.0, 0.5, 0.0), "#D55E00"),
}
SCALE = 64.0


def target_logit(theta, m1=1.0, m2=0.0, m3=0.0):
    """f(theta), what takes the place of the right person's cosine."""
    return np.cos(m1 * theta + m2) - m3


def target_slope(theta, m1=1.0, m2=0.0, _m3=0.0):
    """f'(theta); the margin m3 only shifts the curve."""
    return -m1 * np.sin(m1 * theta + m2)


# %%
# Where each one lets go
# ----------------------
# The curves of :math:`f` alone look much alike: where training takes place, at 90 degrees and less, all lie below the
# cosine. What a photograph *feels* is the derivative of the loss by its angle,
#
# .. math:: \frac{1}{s}\frac{\partial L}{\partial \theta_y} = -(1 - p)\, f'(\theta_y),
#
# with :math:`p` the probability given to the right person. For that the strangers are needed. The network of refnet
# was trained with about 85,000 persons and 512 numbers a face. Take their centres as random directions: a cosine is
# then nearly normal with variance 1/512, as lesson 7 shows, and the sum over :math:`n` strangers is nearly
# :math:`n\,e^{s^2 / 2d}`, by the mean of the exponential of a normal number. We draw them to see that it holds.
PERSONS, DIMENSIONS = 85_000, 512
rng = np.random.default_rng(0)
first, others = rng.standard_normal(PERSONS), rng.chisquare(DIMENSIONS - 1, PERSONS)
strangers = first / np.sqrt(first**2 + others)  # cosines between a direction and random other ones
log_strangers = np.log(np.exp(SCALE * strangers).sum())
by_formula = np.log(PERSONS) + SCALE**2 / (2 * DIMENSIONS)
assert abs(log_strangers - by_formula) < 0.1
print(f"log of the strangers' sum: {log_strangers:.2f} drawn, {by_formula:.2f} by the formula")


def pull(theta, margins):
    """How strongly the loss turns an embedding towards its centre, in units of s."""
    p = 1 / (1 + np.exp(by_formula - SCALE * target_logit(theta, *margins)))
    return -(1 - p) * target_slope(theta, *margins)


degrees = np.linspace(0, 180, 1801)
theta = np.radians(degrees)
ANGLES = {"xlim": (0, 180), "xticks": range(0, 181, 30)}

figure, above = plt.subplots(figsize=(8, 4))
for (name, (margins, colour)), height in zip(LOSSES.items(), (-1.05, -0.45, -1.35, -0.87), strict=True):
    above.plot(degrees, target_logit(theta, *margins), color=colour)
    above.annotate(name, (182, height), color=colour, va="center", annotation_clip=False)
above.set(xlabel=r"angle $\theta$, degrees", ylabel=r"target logit $f(\theta)$", **ANGLES)
above.set_title("What the right person's cosine becomes ...")

figure, below = plt.subplots(figsize=(8, 4.8))
lets_go = {}  # where p is one half
for (name, (margins, colour)), height in zip(LOSSES.items(), (-1.1, -0.8, -0.5, -0.2), strict=True):
    at = float(np.interp(-by_formula / SCALE, -target_logit(theta[:1300], *margins), degrees[:1300]))
    half = pull(np.radians(at), margins)
    below.plot(degrees, pull(theta, margins), color=colour)
    below.plot([at, at], [half, height], color=colour, lw=1)
    below.plot(at, half, "o", color=colour, ms=6)
    below.annotate(f"{name.split()[0].strip(',')}: {at:.0f}°", (at - 1, height), color=colour, ha="right", va="center")
    lets_go[name] = at
below.axhline(0, color="0.6", lw=0.8)
below.axvline(90, color="0.6", lw=0.8, ls=":")
below.annotate("a new photograph\nbegins here", (92, -0.38), color="0.35")
below.set(
    xlabel=r"angle $\theta$ between an embedding and its own centre, degrees",
    ylabel="pull towards the centre, in units of s",
    **ANGLES,
    title="... how hard the loss pulls, and where it lets go",
)
plt.show()

# %%
# This is what a margin does. Softmax lets go when an embedding is still 76 degrees from its centre, since that is
# enough to tell it from 85,000 strangers at about 90. ArcFace does not change the shape of the curve at all, it moves it
# to the left by the margin, half a radian or 28.6 degrees: photographs of a person are pulled together until they lie
# within 47 degrees of the centre. What is gained on the training persons is what makes room for new ones.
half_a_radian = np.degrees(0.5)
assert abs(lets_go["softmax, normalised"] - lets_go["ArcFace 0.5"] - half_a_radian) < 0.1
assert round(lets_go["softmax, normalised"]) == 76
assert round(lets_go["ArcFace 0.5"]) == 47
assert lets_go["ArcFace 0.5"] < lets_go["CosFace 0.35"] < lets_go["SphereFace 1.35"] < lets_go["softmax, normalised"]

# %%
# Half a radian before 180 degrees
# --------------------------------
# Beyond :math:`\pi - m` the curve of ArcFace rises again: a photograph that lies there would be pushed *away* from its
# centre. Three answers are in use. Programs differ, so it is worth looking:
#
# - *as it is*: :math:`\cos(\theta + m)` everywhere. So does InsightFace's later code.
# - *kept falling*: :math:`\cos\theta - m \sin m` where :math:`\theta > \pi - m`. So does the notebook by which
#   ``arcfaceresnet100-8`` was trained.
# - *easy margin*: the margin only where :math:`\theta < 90` degrees, the plain cosine elsewhere.
MARGIN = 0.5


def kept_falling(theta):
    """ArcFace's target logit that never rises."""
    return np.where(theta < np.pi - MARGIN, np.cos(theta + MARGIN), np.cos(theta) - MARGIN * np.sin(MARGIN))


def easy(theta):
    """The margin for those that are not far off."""
    return np.where(theta < np.pi / 2, np.cos(theta + MARGIN), np.cos(theta))


fine = np.linspace(0, np.pi, 200_001)
turn = np.pi - MARGIN
step = kept_falling(turn + 1e-9) - kept_falling(turn - 1e-9)
assert (np.diff(np.cos(fine + MARGIN)) > 0).mean() > 0.15  # rises in a sixth of the range
assert (np.diff(kept_falling(fine)) < 0).all()  # never rises, but jumps
assert abs(step - (1 - np.cos(MARGIN) - MARGIN * np.sin(MARGIN))) < 1e-6
assert (np.diff(easy(fine)) > 0).sum() == 1  # one jump, upwards
print(f"the falling curve jumps by {step:.3f} at {np.degrees(turn):.1f} degrees")

figure, axes = plt.subplots(figsize=(8, 4.5))
right = fine >= turn
axes.plot(np.degrees(fine[fine <= np.pi / 2]), np.cos(fine[fine <= np.pi / 2]), color="0.7", lw=1.2)
axes.annotate("cos θ", (27, 0.91), color="0.5")
for part, values, colour, style in (
    (fine <= turn, np.cos(fine + MARGIN), "#000000", "-"),
    (right, np.cos(fine + MARGIN), "#D55E00", "-"),
    (right, kept_falling(fine), "#0072B2", "-"),
    (fine > np.pi / 2, easy(fine), "#009E73", "-"),
):
    axes.plot(np.degrees(fine[part]), values[part], color=colour, ls=style)
axes.plot([90, 90], [np.cos(np.pi / 2 + MARGIN), 0], ":", color="#009E73")
axes.axvspan(np.degrees(turn), 180, color="0.95", zorder=0)
axes.annotate("cos(θ + m)", (15, 0.3), color="#000000")
axes.annotate("easy margin", (97, 0.02), color="#009E73")
axes.annotate("as it is:\npushes away", (178, -0.83), color="#D55E00", ha="right")
axes.annotate("kept falling", (149, -1.17), color="#0072B2", ha="right")
axes.set(
    xlabel=r"angle $\theta$, degrees",
    ylabel=r"target logit $f(\theta)$",
    xlim=(0, 180),
    xticks=range(0, 181, 30),
    title="Beyond 151 degrees, programs disagree",
)
plt.show()

# %%
# Does it matter? With 512 numbers a face, a new embedding is at 90 degrees from its centre, give or take
# :math:`1/\sqrt{512}` radians, or 2.5 degrees: 24 of those before it matters. With two numbers a face, as in the next
# lesson, a sixth of all random beginnings lie there.
spread = np.degrees(1 / np.sqrt(DIMENSIONS))
assert round((np.degrees(turn) - 90) / spread) == 24
assert round(np.pi / MARGIN) == 6

# %%
# The gradients, proved
# ---------------------
# Here is the loss as code. It is three steps, and each has beside it the way back: the *vector-Jacobian product* that
# takes the gradient by what a step made to the gradient by what it read. refnet's operators are written in the same
# way, one file each. An embedding's length drops out of the cosine, so the gradient has no part along the embedding:
# the loss turns it and never stretches it.


def unit(x):
    """Rows of length 1."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def unit_vjp(dy, x):
    """What of dy is at right angles to x, divided by the length of x."""
    u = unit(x)
    return (dy - (dy * u).sum(axis=1, keepdims=True) * u) / np.linalg.norm(x, axis=1, keepdims=True)


def margin_loss(cosines, person, margins):
    """Mean loss of (N, persons) cosines, and its gradient by them."""
    rows = np.arange(len(person))
    theta = np.arccos(cosines[rows, person])
    logits = SCALE * cosines
    logits[rows, person] = SCALE * target_logit(theta, *margins)
    top = logits.max(axis=1, keepdims=True)
    log_sum = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    loss = (log_sum[:, 0] - logits[rows, person]).mean()
    gradient = np.exp(logits - log_sum)  # softmax
    gradient[rows, person] -= 1
    gradient *= SCALE / len(person)
    gradient[rows, person] *= target_slope(theta, *margins) / -np.sin(theta)  # d f / d cos(theta)
    return loss, gradient


def loss_and_gradients(x, centres, person, margins):
    """The loss of raw embeddings and raw centres, and its gradients by both."""
    u, w = unit(x), unit(centres)
    loss, dcosines = margin_loss(gemm(u, w, trans_b=1), person, margins)
    du, dw = (gemm_vjp(wrt, dcosines, u, w, trans_b=1) for wrt in (0, 1))
    return loss, unit_vjp(du, x), unit_vjp(dw, centres)


# %%
# A gradient is a claim about small changes, and small changes can be made. Every number is moved up and down by 1e-6.
x, centres, person = rng.standard_normal((4, 16)), rng.standard_normal((6, 16)), np.array([0, 3, 3, 5])
for name, (margins, _) in LOSSES.items():
    _, dx, dcentres = loss_and_gradients(x, centres, person, margins)
    assert (np.abs((dx * x).sum(axis=1)) < 1e-9).all()  # turns, never stretches
    for values, gradient in ((x, dx), (centres, dcentres)):
        differences = np.empty_like(values)
        for at in np.ndindex(values.shape):
            before = values[at]
            values[at] = before + 1e-6
            above_it, _, _ = loss_and_gradients(x, centres, person, margins)
            values[at] = before - 1e-6
            below_it, _, _ = loss_and_gradients(x, centres, person, margins)
            values[at] = before
            differences[at] = (above_it - below_it) / 2e-6
        worst = np.abs(differences - gradient).max() / np.abs(gradient).max()
        assert worst < 1e-6
    print(f"{name:20} gradients agree with differences to {worst:.0e} of the largest")

# %%
# And the same cosines as a graph, three kinds of node, through which ``refnet.gradient`` finds its own way back. A
# whole network is such a graph, with some hundreds of nodes before these: the loss is all that training adds to it.
graph = Graph(
    "cosines",
    (Tensor("x", "float64", (None, 16)), Tensor("centres", "float64", (6, 16))),
    (Tensor("cosines", "float64", (None, 6)),),
    (
        Node("length of x", "ReduceL2", ("x",), "x_length", {"axes": (1,), "keepdims": 1}),
        Node("unit x", "Div", ("x", "x_length"), "u"),
        Node("length of centres", "ReduceL2", ("centres",), "centres_length", {"axes": (1,), "keepdims": 1}),
        Node("unit centres", "Div", ("centres", "centres_length"), "w"),
        Node("product", "Gemm", ("u", "w"), "cosines", {"trans_b": 1}),
    ),
    {},
)
values, way_back = pullback(graph, {"x": x, "centres": centres}, ["cosines"], ["x", "centres"])
_, dcosines = margin_loss(values["cosines"], person, LOSSES["ArcFace 0.5"][0])
found = way_back({"cosines": dcosines})
_, dx, dcentres = loss_and_gradients(x, centres, person, LOSSES["ArcFace 0.5"][0])
assert np.allclose(found["x"], dx, rtol=0, atol=1e-12 * np.abs(dx).max())
assert np.allclose(found["centres"], dcentres, rtol=0, atol=1e-12 * np.abs(dcentres).max())

# %%
# What to take away
# -----------------
# - Softmax, SphereFace, CosFace and ArcFace differ in one function of one angle.
# - ArcFace's margin does not make the loss pull harder, it makes it let go later.
# - The loss knows angles only. That is why embeddings are compared by angle, and why their length says nothing about
#   who it is.
#
# Where it is in refnet: refnet does not train. It has the gradients (``refnet/gradient.py``, and a vector-Jacobian
# product in each file of ``refnet/ops``) and the comparison that the loss was made for
# (``refnet/faces/similarity.py``).
#
# References: ArcFace, arXiv:1801.07698, equations 3 and 4. SphereFace, arXiv:1704.08063. CosFace, arXiv:1801.09414.
# InsightFace ``recognition/arcface_mxnet/train.py`` and ``recognition/arcface_torch/losses.py``; ONNX model zoo,
# ``train_arcface.ipynb``.
