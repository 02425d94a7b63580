"""Kernels without weights are their definitions, to the bit: pooling, enlargement, sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.graph import Graph, Node, Tensor
from refnet.ops import OPERATORS
from tests.fast.single import kernels, run

POOL = {"padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": 0}
NEAREST = {"mode": "nearest", "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}


def _graph(node: Node, *shapes: tuple[int, ...], **constants: np.ndarray) -> Graph:
    inputs = tuple(Tensor(name, "float32", (1, *shape)) for name, shape in zip(node.inputs, shapes, strict=False))
    return Graph("single", inputs, (Tensor(node.output, "float32", (None,) * 4),), (node,), constants)


def _feeds(graph: Graph, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        tensor.name: rng.standard_normal((count, *tensor.shape[1:])).astype(np.float32)  # type: ignore[arg-type]
        for tensor in graph.inputs
    }


def _defined(graph: Graph, feeds: dict[str, np.ndarray]) -> np.ndarray:
    (node,) = graph.nodes
    values = [None if not name else {**graph.constants, **feeds}[name] for name in node.inputs]
    return OPERATORS[node.op].compute(*values, **node.attributes)


def _pool(shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], **attributes: object) -> Graph:
    return _graph(Node("it", "MaxPool", ("x",), "y", POOL | {"kernel": kernel, "stride": stride} | attributes), shape)


def _resize(shape: tuple[int, ...], scales: list[float], **attributes: object) -> Graph:
    return _graph(Node("it", "Resize", ("x", "scales"), "y", NEAREST | attributes), shape, scales=np.float32(scales))


def _sum(shape: tuple[int, ...]) -> Graph:
    return _graph(Node("it", "Add", ("x", "r"), "y"), shape, shape)


CASES = {
    "max_pool": [
        _pool((64, 8, 10), (2, 2), (2, 2)),
        _pool((5, 9, 7), (2, 2), (2, 2)),  # a last row and column that no window reaches
        _pool((17, 8, 9), (3, 2), (1, 3)),
        _pool((1, 1, 1), (1, 1), (1, 1)),
        _pool((16, 6, 6), (2, 2), (2, 2), ceil_mode=1),
    ],
    "enlarge": [_resize((64, 4, 5), [1, 1, 2, 2]), _resize((3, 1, 7), [1, 1, 3, 1]), _resize((17, 5, 1), [1, 1, 1, 4])],
    "add": [_sum((64, 4, 5)), _sum((3, 1, 1)), _sum((17, 13, 2))],
}
ALL = [(kernel, case) for kernel, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("kernel", "case"), ALL)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_kernel_is_its_definition(kernel: str, case: Graph, threads: int) -> None:
    called, compiled = kernels(case)
    assert kernel in called
    assert compiled
    feeds = _feeds(case, 3)
    assert np.array_equal(run(case, feeds, threads=threads)["y"], _defined(case, feeds))


@given(
    channels=st.integers(1, 40),
    height=st.integers(3, 12),
    width=st.integers(3, 12),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 2**32 - 1),
)
def test_pools_of_any_size_are_their_definition(channels, height, width, kernel, stride, seed) -> None:
    graph = _pool((channels, height, width), kernel, stride)
    feeds = _feeds(graph, 2, seed)
    assert np.array_equal(run(graph, feeds)["y"], _defined(graph, feeds))


def test_values_that_are_not_numbers_stay_so() -> None:
    graph = _pool((16, 4, 4), (2, 2), (2, 2))
    feeds = _feeds(graph, 1)
    feeds["x"][0, 3, 1, 2], feeds["x"][0, 4, 0, 0] = np.nan, -np.inf
    result = run(graph, feeds)["y"]
    assert np.array_equal(result, _defined(graph, feeds), equal_nan=True)
    assert np.isnan(result).sum() == 1


@pytest.mark.parametrize(
    "case",
    [
        _pool((16, 6, 6), (3, 3), (2, 2), padding=(1, 1, 1, 1)),
        _pool((16, 6, 6), (2, 2), (1, 1), dilation=(2, 2)),
        _pool((16, 7, 7), (2, 2), (2, 2), ceil_mode=1),
        _resize((16, 4, 4), [1, 1, 1.5, 1.5]),
        _resize((16, 4, 4), [1, 1, 2.2, 2.2]),
        _resize((16, 4, 4), [1, 1, 0.5, 0.5]),
        _resize((16, 4, 4), [1, 1, 2, 2], nearest_mode="ceil"),
        _resize((16, 4, 4), [1, 1, 2, 2], mode="linear", coordinate_transformation="half_pixel"),
    ],
)
def test_what_no_kernel_knows_is_run_by_its_definition(case: Graph) -> None:
    _, compiled = kernels(case)
    assert not compiled
    feeds = _feeds(case, 2)
    assert np.array_equal(run(case, feeds)["y"], _defined(case, feeds))


def test_a_pool_leaves_the_border_that_a_convolution_reads() -> None:
    """Pool, then a convolution with padding: the border of zeros is not written by the pool."""
    pool = Node("pool", "MaxPool", ("x",), "p", POOL | {"kernel": (2, 2), "stride": (2, 2)})
    attributes = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 16}
    conv = Node("conv", "Conv", ("p", "w"), "y", attributes)
    weight = np.random.default_rng(3).integers(-4, 5, (16, 1, 3, 3)).astype(np.float32)
    graph = Graph(
        "two",
        (Tensor("x", "float32", (1, 16, 8, 8)),),
        (Tensor("y", "float32", (None,) * 4),),
        (pool, conv),
        {"w": weight},
    )
    x = np.random.default_rng(4).integers(-9, 10, (2, 16, 8, 8)).astype(np.float32)  # whole numbers: sums are exact
    pooled = OPERATORS["MaxPool"].compute(x, **pool.attributes)
    assert np.array_equal(run(graph, {"x": x})["y"], OPERATORS["Conv"].compute(pooled, weight, **attributes))


def test_both_summands_may_be_one_tensor() -> None:
    graph = _graph(Node("it", "Add", ("x", "x"), "y"), (20, 3, 3))
    feeds = _feeds(graph, 2)
    assert np.array_equal(run(graph, feeds)["y"], 2 * feeds["x"])
