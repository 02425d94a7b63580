"""Numbers of one place, by hand."""

import math

import numpy as np
import pytest

from refnet.graph import Node
from refnet.web.pointwise import POINTWISE, of_pointwise

X = np.array([[[[3.0, -4.0]], [[0.5, 2.0]]]])  # (1, 2, 1, 2)
CASES = [
    ("Identity", [X], (0, 0, 1), -4.0, ["x"]),
    ("Dropout", [X], (1, 0, 0), 0.5, ["x"]),
    ("Relu", [X], (0, 0, 1), 0.0, ["0"]),
    ("Relu", [X], (0, 0, 0), 3.0, ["x"]),
    ("Sigmoid", [X], (1, 0, 1), 1 / (1 + math.exp(-2.0)), ["y"]),
    ("PRelu", [X, np.array([[[0.25]], [[7.0]]])], (0, 0, 1), -1.0, ["slope · x"]),
    ("PRelu", [X, np.array([[[0.25]], [[7.0]]])], (1, 0, 1), 2.0, ["x"]),
    ("Add", [X, 10 * X], (0, 0, 1), -44.0, ["a", "b"]),
    ("Sub", [X, np.array([127.5])], (0, 0, 0), -124.5, ["a", "\N{MINUS SIGN}b"]),
    ("Mul", [X, np.array([0.5])], (0, 0, 1), -2.0, ["a · b"]),
    ("Div", [X, np.array([4.0])], (1, 0, 1), 0.5, ["a / b"]),
]


@pytest.mark.parametrize(("op", "arrays", "place", "expected", "labels"), CASES)
def test_a_number_is_the_sum_of_its_terms(op, arrays, place, expected, labels):
    node = Node("n", op, tuple("ab"[: len(arrays)]), "y")
    found = of_pointwise(node, place, arrays, [array.ndim == 4 for array in arrays])
    assert found.total == pytest.approx(expected, rel=1e-15)
    assert [term.label for term in found.terms] == labels
    assert math.fsum(term.value for term in found.terms) == found.total
    assert len(found.windows) == sum(array.ndim == 4 for array in arrays)
    assert (found.windows[0].top, found.windows[0].left, found.windows[0].channel) == (place[1], place[2], place[0])


def test_the_window_on_a_tensor_that_is_stretched_is_where_it_was_read():
    weights = np.array([[[[0.5]], [[0.25]]]])
    found = of_pointwise(Node("n", "Mul", ("x", "w"), "y"), (1, 0, 1), [X, weights], [True, True])
    assert found.total == 0.5
    assert [(window.channel, window.top, window.left) for window in found.windows] == [(1, 0, 1), (1, 0, 0)]


def test_batch_normalization_by_hand():
    vectors = [np.array([9.0, 3.0]), np.array([9.0, 1.0]), np.array([9.0, 2.0]), np.array([9.0, 4.0])]
    node = Node("n", "BatchNormalization", ("x", "g", "b", "m", "v"), "y", {"epsilon": 0.0})
    found = of_pointwise(node, (1,), [np.array([[0.0, 5.0]]), *vectors], [True, *[False] * 4])
    assert found.total == 5.5  # (5 - 2) * 3 / 2 + 1
    assert dict(found.given) == {
        "x": 5.0,
        "mean": 2.0,
        "var": 4.0,
        "ε": 0.0,
        "\N{GREEK SMALL LETTER GAMMA}": 3.0,
        "scale": 1.5,
    }
    assert (found.windows[0].top, found.windows[0].left) == (0, 1)


def test_every_operator_with_words_has_a_case():
    assert {case[0] for case in CASES} | {"BatchNormalization"} == POINTWISE
