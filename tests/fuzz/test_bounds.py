"""The bound is one: float32 arithmetic, operator by operator, keeps within it; and it is no wide one."""

import numpy as np
import pytest

from refnet.formats.reading import read_model
from refnet.ops import OPERATORS
from tests.fuzz.bounds import AT, BT, GAIN, G, U, bounds
from tests.fuzz.graphs import grown
from tests.fuzz.judging import attempt


def in_float32(graph, feeds):
    """Every tensor by the operators' definitions, in float32."""
    known = {name: np.asarray(array) for name, array in (*graph.constants.items(), *feeds.items())}
    known = {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in known.items()}
    for node in graph.nodes:
        y = np.asarray(
            OPERATORS[node.op].compute(*(known[name] if name else None for name in node.inputs), **node.attributes)
        )
        known[node.output] = y.astype(np.float32) if y.dtype.kind == "f" else y
    return known


@pytest.mark.parametrize("part", range(4))
def test_float32_keeps_within_the_bound(part, tmp_path):
    compared, loose = 0, []
    for i in range(50 * part, 50 * part + 50):
        grown_ = grown((11, i))
        path = tmp_path / "graph.onnx"
        path.write_bytes(grown_.model.SerializeToString())
        graph, feeds = attempt(lambda path=path: read_model(path)), grown_.feeds(grown_.batch)
        actual = attempt(lambda graph=graph, feeds=feeds: in_float32(graph, feeds))
        if isinstance(actual, Exception):
            continue
        for name, limit in bounds(graph, feeds, "onnxruntime").items():
            if limit.value.dtype.kind == "f":
                gap, decided = abs(actual[name] - limit.value), np.isfinite(limit.error)
                assert (gap <= limit.error + 2.0**-100)[decided].all(), (i, name)
                compared += decided.sum()
                loose.append(float((limit.error / np.maximum(limit.magnitude, 1e-3))[decided].max(initial=0)))
    assert compared > 50_000
    assert np.median(loose) < 100 * U  # half of all tensors are known to better than 6e-6


def test_winograds_matrices_compute_a_correlation():
    random = np.random.default_rng(0)
    d, g = random.standard_normal((6, 6)), random.standard_normal((3, 3))
    direct = [[(d[i : i + 3, j : j + 3] * g).sum() for j in range(4)] for i in range(4)]
    assert np.allclose(AT @ ((G @ g @ G.T) * (BT @ d @ BT.T)) @ AT.T, direct, rtol=0, atol=1e-12)


def test_the_gain_is_what_the_transforms_do_to_absolute_values():
    at, g, bt = abs(AT), abs(G), abs(BT)
    worst = max(
        (at @ ((g @ unit.reshape(3, 3) @ g.T) * (bt @ np.ones((6, 6)) @ bt.T)) @ at.T).max() for unit in np.eye(9)
    )
    assert pytest.approx(worst, rel=1e-12) == GAIN
