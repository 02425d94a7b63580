"""Fully connected layers beside a sum in float64."""

import numpy as np
import pytest

from refnet.graph import Graph, Node, Tensor
from tests.comparison import assert_within, gamma
from tests.fast.single import UNIT, kernels, run

MEASURED = 6  # units of u (|w| * |x|) that no sum of normal numbers reaches; a measured figure, no bound


def network(shape, outputs, *, flatten, seed=0):
    rng = np.random.default_rng(seed)
    terms = int(np.prod(shape))
    nodes = [Node("flat", "Flatten", ("x",), "f", {"axis": 1})] if flatten else []
    attributes = {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 1}
    nodes.append(Node("fc", "Gemm", ("f" if flatten else "x", "w", "b"), "y", attributes))
    constants = {"w": rng.standard_normal((outputs, terms)).astype(np.float32)}
    constants["b"] = rng.standard_normal(outputs).astype(np.float32)
    x, y = Tensor("x", "float32", (1, *shape)), Tensor("y", "float32", (1, outputs))
    return Graph("fc", (x,), (y,), tuple(nodes), constants)


@pytest.mark.parametrize("shape", [(32, 7, 7), (512, 7, 7), (5, 3, 2), (100,), (1,), (128,)])
@pytest.mark.parametrize("outputs", [1, 32, 65])
@pytest.mark.parametrize("count", [1, 9])
def test_the_error_with_normal_numbers_is_within_what_was_measured(shape, outputs, count):
    graph = network(shape, outputs, flatten=len(shape) == 3)
    x = np.random.default_rng(1).standard_normal((count, *shape)).astype(np.float32)
    called, compiled = kernels(graph)
    assert "dense" in called
    assert compiled
    rows, weight = x.reshape(count, -1).astype(np.float64), graph.constants["w"].astype(np.float64)
    allowed = UNIT * (MEASURED * abs(rows) @ abs(weight).T + abs(graph.constants["b"]))
    assert_within(run(graph, {"x": x})["y"], rows @ weight.T + graph.constants["b"], allowed)


@pytest.mark.parametrize("terms", [1, 63, 64, 65, 1000])
def test_the_bound_holds_whatever_the_scale(terms):
    graph = network((terms,), 33, flatten=False)
    graph.constants["b"][:] = 0
    rng = np.random.default_rng(terms)
    x = rng.standard_normal((9, terms)) * 2.0 ** rng.integers(-30, 30, (9, terms))
    x, weight = x.astype(np.float32), graph.constants["w"].astype(np.float64)
    bound = gamma(min(terms, 64) + -(-terms // 64) - 1, np.float32) * (abs(x.astype(float)) @ abs(weight).T)
    assert_within(run(graph, {"x": x})["y"], x.astype(float) @ weight.T, bound)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_keeps_its_bits(threads):
    graph = network((32, 7, 7), 64, flatten=True)
    x = np.random.default_rng(2).standard_normal((19, 32, 7, 7)).astype(np.float32)
    together = run(graph, {"x": x}, threads=threads)["y"]
    assert all(np.array_equal(together[i], run(graph, {"x": x[i : i + 1]})["y"][0]) for i in (0, 8, 18))
