"""Derivatives along a line by central differences, for judging gradients of networks with kinks.

The error of (f(x + hv) - f(x - hv)) / 2h is h**2 times a third derivative, plus what f is rounded by over 2h; they are
alike near h = cbrt(unit roundoff), 5e-6, times the scale of x. Here that is the root mean square of a pixel, although v
has unit length and a pixel moves by far less, because on the way PReLUs may change sides, and each that does adds an
error of first order. The step is halved until none does.
"""

import numpy as np

from refnet import reference

STEP = 1e-5  # times the root mean square of x
HALVINGS = 6
KINKED = ("PRelu", "Relu")


def along(graph, feeds, name, v, value):
    """The derivative of value(outputs) along v, a direction of the input called `name`."""
    h = STEP * np.sqrt(np.square(feeds[name]).mean())
    for _ in range(HALVINGS):
        ends = [_evaluated(graph, {**feeds, name: feeds[name] + side * v}, value) for side in (h, -h)]
        if all(np.array_equal(a, b) for a, b in zip(ends[0][1], ends[1][1], strict=True)):
            return (ends[0][0] - ends[1][0]) / (2 * h)
        h /= 2
    raise AssertionError(f"a PReLU lies at its kink: it changes sides within {2 * h} along this direction")


def _evaluated(graph, feeds, value):
    """The value, and the side on which every rectifier stands."""
    kinked = {node.inputs[0] for node in graph.nodes if node.op in KINKED}
    outputs = {tensor.name for tensor in graph.outputs}
    sides, found = [], {}
    for tensor, array in reference.stream(graph, feeds, sorted(kinked | outputs)):
        if tensor in kinked:
            sides.append(np.packbits(array < 0))
        if tensor in outputs:
            found[tensor] = array.copy()
    return value(found), sides


def unit_directions(shape, count, seed=0):
    for k in range(count):
        v = np.random.default_rng((seed, k)).normal(size=shape)
        yield v / np.linalg.norm(v)


def relative_error(found, expected):
    """|found - expected| / |expected|, of both as vectors, one number a direction."""
    return np.linalg.norm(np.subtract(found, expected)) / np.linalg.norm(expected)
