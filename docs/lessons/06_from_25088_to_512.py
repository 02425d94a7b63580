r"""
How 25,088 numbers become 512, and where in the face they come from
===================================================================

After the last residual unit a face is 512 channels on 7 x 7 places: 25,088 numbers. The head of the network makes an
embedding of 512 numbers from them:

.. math:: e = \mathrm{BN}_2\bigl(W\, \mathrm{flatten}(\mathrm{BN}_1(x)) + b\bigr)

There is no PReLU in it, and dropout does nothing when a network is used. So the head is an affine function, and an
affine function can be taken apart: each of the 49 places adds its own vector to the embedding, and nothing else does.
This lesson draws that sum over the face.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import refnet
from refnet import resnet100
from refnet.faces.align import align
from refnet.faces.lesson import lesson_face
from refnet.gradient import pullback
from refnet.zoo.lesson import lesson_graph
from refnet.zoo.samples import sample_crops

# %%
# What the head costs
# -------------------
#
# The architecture writes itself down as a list of parameters, so they can be counted without any weights. A fifth of
# all the numbers in the model file belong to the one matrix W.

blueprint = resnet100.Blueprint()
resnet100.network(blueprint, ("data", resnet100.IMAGE))
sizes = {name: math.prod(shape) for name, shape in blueprint.parameters.items() if not name.startswith("reshape")}
assert blueprint.parameters["pre_fc1_weight"] == (512, 25_088)
assert 25_088 == 512 * 7 * 7
assert sizes["pre_fc1_weight"] == 12_845_056
print(f"{sizes['pre_fc1_weight']:,} of {sum(sizes.values()):,}: {sizes['pre_fc1_weight'] / sum(sizes.values()):.1%}")

# %%
# The face, and the network: narrow, with seeded weights and no identity in them, unless ``REFNET_MODEL`` names another.

network = refnet.Network(lesson_graph())
photograph, found = lesson_face()
face = align(photograph, found.landmarks).crop.transpose(2, 0, 1)
image = network.contract.prepare(face[np.newaxis])

# %%
# Where the head begins
# ---------------------
#
# Walk back from the output as long as every node is affine, and stop where one is not, or where two ways meet. In
# LResNet100E-IR this is the sum of the last unit, ``_plus48``. A network that ends by bringing the embedding to unit
# length is followed from the number before the division.

AFFINE = {"BatchNormalization", "Conv", "Dropout", "Flatten", "Gemm", "MatMul", "Reshape", "Squeeze", "Identity"}
makers = {node.output: node for node in network.graph.nodes}
end = network.output
while makers[end].op not in AFFINE:
    end = makers[end].inputs[0]
chain = []
begin = end
while makers[begin].op in AFFINE:
    chain.append(makers[begin].op)
    begin = makers[begin].inputs[0]
print(f"{begin} -> {' -> '.join(reversed(chain))} -> {end}")

_, tensors = network.trace(image, [begin, end])
x, embedding = tensors[begin], tensors[end][0]
print(f"{x[0].size:,} numbers {x.shape[1:]} become {embedding.size}")

# %%
# The sum over places
# -------------------
#
# Written with the weights, and with :math:`\alpha_1, \alpha_2` for the factors :math:`\gamma / \sqrt{\mathrm{var} +
# \epsilon}` of the two normalisations, the embedding is
#
# .. math:: e = f(0) + \sum_{i,j} c_{ij}, \qquad c_{ij} = \alpha_2\, W_{ij}\, (\alpha_1\, x_{ij})
#
# where :math:`x_{ij}` are the channels at one place, and :math:`W_{ij}` the columns of W that read them. What does not
# depend on the face is in :math:`f(0)`: means, shifts, bias. None of this needs the weights in our hands. An affine
# function shows its parts when it is asked: we give the head 49 inputs in which all places but one are zero, and one in
# which all are.

_, channels, height, width = x.shape
alone = np.zeros((height * width + 1, channels, height, width))
for place in range(height * width):
    i, j = divmod(place, width)
    alone[place, :, i, j] = x[0, :, i, j]
_, answers = network.trace(start={begin: alone}, patterns=[end])

constant = answers[end][-1]
contributions = answers[end][:-1] - constant  # (49, 512)
error = np.linalg.norm(constant + contributions.sum(axis=0) - embedding) / np.linalg.norm(embedding)
print(f"the sum departs from the embedding by {error:.0e} of its length")
assert error < 1e-12

# %%
# The same by the formula, where the head is that of LResNet100E-IR.

if "pre_fc1_weight" in network.graph.constants and begin == "_plus48":
    value = {name: array.astype(np.float64) for name, array in network.graph.constants.items()}
    alpha1 = value["bn1_gamma"] / np.sqrt(value["bn1_moving_var"] + resnet100.EPSILON)
    alpha2 = value["fc1_gamma"] / np.sqrt(value["fc1_moving_var"] + resnet100.EPSILON)
    weight = value["pre_fc1_weight"].reshape(-1, channels, height, width)
    by_formula = np.einsum("o,ocij,c,cij->ijo", alpha2, weight, alpha1, x[0]).reshape(-1, alpha2.size)
    np.testing.assert_allclose(by_formula, contributions, rtol=0, atol=1e-12 * np.linalg.norm(embedding))
    assert (value["fc1_gamma"] == 1).all()  # trained with gamma fixed: the last normalisation only evens out the spread

# %%
# A share for each place
# ----------------------
#
# How far does a vector reach into the direction of the embedding? :math:`s_{ij} = c_{ij} \cdot e / e \cdot e`. With the
# share of :math:`f(0)` they add up to 1. The area of a square is the size of the share; an orange one points away from
# the embedding.

shares = contributions @ embedding / (embedding @ embedding)
share_of_constant = constant @ embedding / (embedding @ embedding)
assert abs(shares.sum() + share_of_constant - 1) < 1e-12

# %%
# Where in the face is a place? A 3 x 3 filter with stride 2 and one ring of zeros puts its output i over its input 2 i.
# There are four of them on the way, so place (i, j) is centred on pixel (16 i, 16 j): the first on the corner of the
# crop, the last 15 pixels from the opposite edges. The places do not lie in the middles of 7 x 7 tiles.

for node in network.graph.nodes:
    if node.op == "Conv" and node.attributes["stride"] == (2, 2):
        size = network.graph.constants[node.inputs[1]].shape[2]
        assert node.attributes["padding"] == (size // 2,) * 4
step = face.shape[1] // height
assert step == 16

BLUE, ORANGE = "#0072B2", "#D55E00"


def over_the_face(ax):
    """Show the crop with half a step around it, as far as squares may reach."""
    ax.set(xlim=(-step / 2, 112), ylim=(112, -step / 2))
    ax.set_axis_off()


def draw_shares(ax, shares):
    """Squares over the dimmed face, one a place; the largest touches its neighbours."""
    ax.imshow(face.mean(axis=0), cmap="gray", vmin=-160, vmax=415)
    sides = 0.96 * step * np.sqrt(np.abs(shares) / np.abs(shares).max())
    for place, (side, share) in enumerate(zip(sides, shares, strict=True)):
        y, x = step * (place // width), step * (place % width)
        colour = BLUE if share > 0 else ORANGE
        square = plt.Rectangle((x - side / 2, y - side / 2), side, side, color=colour, alpha=0.8)
        ax.add_patch(square).set_linewidth(0)
    over_the_face(ax)


# sphinx_gallery_thumbnail_number = 1
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
left.imshow(face.transpose(1, 2, 0))
rows, columns = np.mgrid[:height, :width] * step
left.plot(columns.ravel(), rows.ravel(), "o", color="white", markeredgecolor="black", clip_on=False)
over_the_face(left)
left.set_title(f"{height} x {width} places, {channels} numbers at each")
draw_shares(right, shares)
right.set_title("what each adds to the embedding")
plt.show()

largest = np.argsort(shares)[::-1]
print(f"largest share {shares[largest[0]]:.3f}, smallest {shares[largest[-1]]:.3f}, sum {shares.sum():.3f}")
print(f"share of what is the same for every face: {share_of_constant:.3f}")

# %%
# The same sum for two faces
# --------------------------
#
# A similarity is a cosine, and a cosine is linear in each of its two embeddings before their lengths are divided out:
#
# .. math:: \cos(e, e') = \frac{f(0) \cdot e'}{|e|\,|e'|} + \sum_{i,j} \frac{c_{ij} \cdot e'}{|e|\,|e'|}
#
# So it, too, can be spread over the places of a face. We compare it with its own mirror image, and with a portrait that
# was drawn for refnet. (The places are not symmetric, so a mirror image is seen through another grid.)

others = {"its mirror image": face[..., ::-1], "a drawn portrait": sample_crops()[0]}
pixels = np.stack(list(others.values()))
_, tensors = network.trace(network.contract.prepare(pixels), [end])

figure, axes = plt.subplots(1, 2, figsize=(8, 4.3))
for ax, name, other in zip(axes, others, tensors[end], strict=True):
    lengths = np.linalg.norm(embedding) * np.linalg.norm(other)
    parts = contributions @ other / lengths
    cosine = parts.sum() + constant @ other / lengths
    assert abs(cosine - refnet.similarity(embedding, other)) < 1e-12
    draw_shares(ax, parts)
    ax.set_title(f"cosine to {name}: {cosine:.2f}")
plt.show()

# %%
# A place is not a patch
# ----------------------
#
# It is tempting to read the map as "these pixels". But each of the 49 places has looked at more than its 16 x 16
# pixels. A 3 x 3 filter widens the view by two steps of the map that it reads, and every stage doubles the step:

view, stride = 3, 1  # the stem: one filter of 3 x 3
for count in resnet100.UNITS:
    for unit in range(count):
        view += 2 * stride  # conv1
        view += 2 * stride  # conv2, which has stride 2 in the first unit of a stage
        stride *= 2 if unit == 0 else 1
print(f"each place of LResNet100E-IR can see {view} x {view} pixels of a crop of 112 x 112")
assert view > 2 * 112  # from every place to every pixel
assert stride == 16

# %%
# So much for what it can see. What does it listen to? Take the gradient of what a place holds by the pixels: random
# weights on its channels, zero elsewhere, and the root mean square over eight draws. Where it is dark, a pixel may
# change and the place hardly notices. The frame is the patch of 16 x 16 pixels around the place.

draws = 8
shown = [(3, 3), (3, 5), (0, 0)]
weights = np.random.default_rng(0).standard_normal((draws, channels))
feeds = {network.contract.name: np.repeat(image, draws, axis=0)}
_, pull = pullback(network.graph, feeds, [begin], [network.contract.name])

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for ax, (i, j) in zip(axes, shown, strict=True):
    seed = np.zeros((draws, channels, height, width))
    seed[:, :, i, j] = weights
    gradient = pull({begin: seed})[network.contract.name]
    heard = np.sqrt(np.mean(gradient**2, axis=(0, 1)))
    ax.imshow(heard, cmap="magma")
    ax.add_patch(plt.Rectangle((16 * j - 8, 16 * i - 8), 16, 16, fill=False, color="white"))
    over_the_face(ax)
    ax.set_title(f"row {i + 1}, column {j + 1}")
    patch = heard[max(0, 16 * i - 8) : 16 * i + 8, max(0, 16 * j - 8) : 16 * j + 8]
    inside = (patch**2).sum() / (heard**2).sum()
    print(f"row {i + 1}, column {j + 1}: {inside:.0%} of the squared gradient lies in the patch")
    assert inside < 0.9
plt.show()

# %%
# A place is about its surroundings, not about its patch. For pixels, ask the pixels: ``refnet explain`` covers them,
# and follows gradients to them.
#
# To take away
# ------------
#
# The last layer is a sum, and a sum can be audited: every part has a place, an amount and a sign, and together they
# give the result to twelve digits. The choice that remains is the zero they are counted from. Here it is the tensor
# that is zero everywhere; another baseline would move amounts between the places and f(0).
#
# In refnet the head is the function ``head`` of ``refnet/resnet100.py``; :meth:`refnet.Network.trace` starts from any
# tensor (:doc:`/inside`), and :doc:`/explain` asks the pixels. Sources: Deng et al., *ArcFace*, arXiv:1801.07698,
# section 3.1, for the "E" head; Luo et al., *Understanding the Effective Receptive Field in Deep Convolutional Neural
# Networks*, arXiv:1701.04128.
