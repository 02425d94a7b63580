"""Numbers that are made from the one at the same place, or the two."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from refnet.graph import Array, Node, Shape
from refnet.web.element import Element, Term, Window

Place = tuple[int, ...]


def of_pointwise(node: Node, place: Place, arrays: Sequence[Array], moving: Sequence[bool]) -> Element:
    """Write out one number of an operator that looks at one place only, one of `POINTWISE`.

    Parameters
    ----------
    node : Node
    place : of its output, without the batch: (channel, row, column) or (channel,)
    arrays : the node's inputs, float64, with a batch of one where they are tensors
    moving : for each input, whether it is a tensor, and not a constant
    """
    formula, given, terms = _WORDS[node.op](node, place, arrays)
    windows = tuple(
        _window(name, place, array.shape[1:])
        for name, array, tensor in zip(node.inputs, arrays, moving, strict=True)
        if tensor
    )
    total = math.fsum(term.value for term in terms)
    return Element("sum", formula, tuple(given), windows, tuple(terms), total=total)


Words = tuple[str, list[tuple[str, float]], list[Term]]


def _window(name: str, place: Place, shape: Shape) -> Window:
    """The one place of a tensor, which may be stretched along axes of extent 1."""
    there = [0 if extent == 1 else i for extent, i in zip(shape, place[-len(shape) :], strict=True)]
    channel, row, column = there if len(there) == 3 else (0, 0, there[0])
    return Window(name, channel, row, column, row + 1, column + 1)


def _at(array: Array, place: Place) -> float:
    """The number at a place of an array that may be stretched to the tensor."""
    full = (0, *place)
    extents = (1,) * (len(full) - array.ndim) + array.shape
    index = tuple(0 if extent == 1 else i for extent, i in zip(extents, full, strict=True))
    return float(array.reshape(extents)[index])


def _batch_normalization(node: Node, place: Place, arrays: Sequence[Array]) -> Words:
    x = _at(arrays[0], place)
    gamma, beta, mean, var = (float(array[place[0]]) for array in arrays[1:])
    epsilon = float(node.attributes["epsilon"])  # type: ignore[arg-type]
    scale = gamma / math.sqrt(var + epsilon)
    names = ("x", "mean", "var", "\N{GREEK SMALL LETTER EPSILON}", "\N{GREEK SMALL LETTER GAMMA}", "scale")
    return (
        "y = (x \N{MINUS SIGN} mean) \N{MIDDLE DOT} scale + \N{GREEK SMALL LETTER BETA},  "
        "scale = \N{GREEK SMALL LETTER GAMMA} / \N{SQUARE ROOT}(var + \N{GREEK SMALL LETTER EPSILON})",
        list(zip(names, (x, mean, var, epsilon, gamma, scale), strict=True)),
        [
            Term("(x \N{MINUS SIGN} mean) \N{MIDDLE DOT} scale", (x - mean) * scale),
            Term("\N{GREEK SMALL LETTER BETA}", beta),
        ],
    )


def _prelu(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    x, slope = (_at(array, place) for array in arrays)
    formula = "y = x where x \N{GREATER-THAN OR EQUAL TO} 0, else slope \N{MIDDLE DOT} x"
    term = Term("slope \N{MIDDLE DOT} x", slope * x) if x < 0 else Term("x", x)
    return formula, [("x", x), ("slope", slope)], [term]


def _relu(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    x = _at(arrays[0], place)
    return "y = x where x > 0, else 0", [("x", x)], [Term("x" if x > 0 else "0", max(x, 0.0))]


def _sigmoid(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    x = _at(arrays[0], place)
    return "y = 1 / (1 + exp(\N{MINUS SIGN}x))", [("x", x)], [Term("y", float(1 / (1 + np.exp(-x))))]


def _copied(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    return "y = x", [], [Term("x", _at(arrays[0], place))]


def _add(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    a, b = (_at(array, place) for array in arrays)
    return "y = a + b", [], [Term("a", a), Term("b", b)]


def _sub(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    a, b = (_at(array, place) for array in arrays)
    return "y = a \N{MINUS SIGN} b", [("b", b)], [Term("a", a), Term("\N{MINUS SIGN}b", -b)]


def _mul(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    a, b = (_at(array, place) for array in arrays)
    dot = "a \N{MIDDLE DOT} b"
    return f"y = {dot}", [("a", a), ("b", b)], [Term(dot, a * b)]


def _div(_: Node, place: Place, arrays: Sequence[Array]) -> Words:
    a, b = (_at(array, place) for array in arrays)
    return "y = a / b", [("a", a), ("b", b)], [Term("a / b", a / b)]


_WORDS: Mapping[str, Callable[[Node, Place, Sequence[Array]], Words]] = {
    "BatchNormalization": _batch_normalization,
    "PRelu": _prelu,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Identity": _copied,
    "Dropout": _copied,
    "Add": _add,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
}
POINTWISE = frozenset(_WORDS)
