"""Whole graphs from a seed."""

from collections.abc import Callable

import numpy as np

from tests.fuzz.growth import ONNX_TYPES, Growth, UnfitError
from tests.fuzz.motifs import MOTIFS, PLAIN_MOTIFS
from tests.fuzz.recipes import CHANNELS, RECIPES

# What zeros of either sign, infinities and NaN go through without doubt about the result.
SPECIAL = (
    "Add", "BatchNormalization", "Clip", "Concat", "Conv", "Dropout", "Flatten", "Gather", "Identity", "Mul", "PRelu", "Relu",
    "Reshape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze",
)  # fmt: skip
OPSETS = tuple(range(7, 22))
BATCHES = (1, 1, 1, 2, 3, 4, 5, 9, 17)
_MOTIF_PERCENT = 12


def grown(seed, size=None, only=None, special=False):
    """A graph of about `size` nodes; 1 to 14 are drawn where it is not given.

    Parameters
    ----------
    seed : tuple of int
        The same seed and size give the same graph on every machine.
    size : int, optional
    only : names of operators that it is grown of, optional
        Of the motifs, only those of a plain convolutional network are left.
    special : bool
        For infinities and NaN: of operators that say what becomes of them.

    Returns
    -------
    Grown
    """
    random = np.random.default_rng(tuple(seed))
    batch = BATCHES[int(random.integers(len(BATCHES)))]
    g = Growth(
        random, opset=OPSETS[int(random.integers(len(OPSETS)))], batch=batch, free=bool(random.integers(100) < 60),
        special=special,
    )  # fmt: skip
    _inputs(g)
    names = list(SPECIAL if special else only or RECIPES)
    size = size or g.between(1, 14)
    aimed = g.shuffled(names)  # every graph goes for other operators
    while len([node for node in g.nodes if node.op_type != "Constant"]) < size:
        motifs = PLAIN_MOTIFS if only or special else MOTIFS
        recipe: Callable = g.choice(motifs) if g.chance(_MOTIF_PERCENT) else RECIPES[aimed[0]]
        aimed.append(aimed.pop(0))
        _try(g, recipe)
    return g.finished(_outputs(g), seed)


def _try(g, recipe):
    """Add what a recipe makes, or nothing at all."""
    before = [list(part) for part in (g.pool, g.nodes, g.initializers, g.constants)]
    try:
        recipe(g)
    except UnfitError:
        g.pool, g.nodes, g.initializers, g.constants = before


def _inputs(g):
    """Mostly one image; else rows, sequences, volumes, or several inputs, some of whole numbers."""
    kind = g.between(0, 99)
    batch = g.batch
    if kind < 72:
        channels = g.choice((1, 2, 3, 3, 3, 4, 8, 16, 17, 19, 32, 40))
        most = 14 if channels * batch < 100 else 7
        low, high = (0, 255) if g.chance(5) else (-2, 2)
        g.input("float32", (batch, channels, g.between(1, most), g.between(1, most)), low, high)
    elif kind < 78:
        g.input("float32", (batch, g.choice(CHANNELS)))
    elif kind < 83:
        g.input("float32", (batch, g.between(1, 9), g.between(1, 9)))
    elif kind < 86:
        g.input("float32", (batch, g.between(1, 3), g.between(1, 4), g.between(1, 4), g.between(1, 4)))
    elif kind < 88:
        g.input("float32", (batch,))
    elif kind < 90:
        g.input(g.choice(("float64", "float16")) if g.chance(50) else "float32", (batch, 3, 5, 4))
        if g.inputs[0].value.dtype == "float16":
            x = g.pool.pop()
            g.node("Cast", [x], x.shape, dtype="float32", to=ONNX_TYPES["float32"])
    else:
        g.input("float32", (batch, g.choice((1, 3, 8, 16)), g.between(1, 8), g.between(1, 8)))
        more = g.between(0, 3)
        if more == 0:
            g.input("float32", g.pool[0].shape)
        elif more == 1:
            g.input("float32", (batch, g.choice(CHANNELS)))
        elif more == 2:
            g.input(g.choice(("int64", "int32", "bool")), (batch, g.between(1, 4)), 0, 1)
        else:
            g.input("float32", (g.between(1, 4),), batched=False)
    if g.chance(3):
        g.inputs.clear(), g.pool.clear()
        g.input(g.choice(("int32", "int64")), (batch, 2, g.between(1, 4), g.between(1, 4)), -5, 100)


def _outputs(g):
    """What nobody reads, mostly; others at random; at times an input or a constant."""
    read = {name for node in g.nodes for name in node.input}
    fed = {entry.value.name for entry in g.inputs}
    made = [value for value in g.pool if value.name not in fed]
    ends = [value for value in made if value.name not in read]
    outputs = ends if g.chance(60) else [value for value in ends if g.chance(60)]
    outputs = list(outputs)
    for value in made:
        if value not in outputs and g.chance(10):
            outputs.append(value)
    if not outputs and made:
        outputs = [made[-1]]
    if g.chance(4):
        outputs.append(g.choice(g.inputs).value)
    if g.constants and g.chance(4):
        outputs.append(g.choice(g.constants)[0])
    if not outputs:
        outputs = [g.choice(g.inputs).value]
    return g.shuffled(outputs)[:6]


def batches_of(graph):
    """The batch that a graph was grown for, and two others where the file leaves it open."""
    if not graph.free:
        return [graph.batch]
    random = np.random.default_rng((*graph.seed, 2))
    others = [n for n in (1, 2, 3, 5, 8, 9, 17) if n != graph.batch]
    return [graph.batch, *(others[i] for i in random.permutation(len(others))[:2])]
