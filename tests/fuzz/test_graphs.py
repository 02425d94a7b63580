"""Random graphs through every engine: the right numbers, or a refusal by all of them; nothing else.

`python tools/fuzz_graphs.py --seed 7 --first N --graphs 1 --out DIR` shrinks graph N of those that are listed here.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from tests.fuzz.graphs import batches_of, grown
from tests.fuzz.judging import judged, reordered

SEED, PARTS, EACH = 7, 10, 30


def found(seed, folder, size=None):
    """What is wrong about one graph, as sentences; every third also in another order, every fourth with two threads."""
    graph = grown(seed, size)
    others = [reordered(graph.model, np.random.default_rng(seed))] if seed[-1] % 3 == 0 else []
    feeds = [(batch, graph.feeds(batch)) for batch in batches_of(graph)]
    verdict = judged(graph.model, feeds, folder, threads=1 + (seed[-1] % 4 == 0), orders=others)
    return [f"graph {seed}, batch {it.batch}: {it.kind}, {it.who}: {it.what}" for it in verdict.findings], verdict


@pytest.mark.parametrize("part", range(PARTS))
def test_every_graph_is_computed_right_or_refused(part, tmp_path):
    wrong, compared = [], 0
    for i in range(part * EACH, (part + 1) * EACH):
        sentences, verdict = found((SEED, i), tmp_path)
        wrong += sentences
        compared += verdict.compared
    assert wrong == []
    assert compared > 10_000  # else nothing was judged


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_graph_is_computed_right_or_refused(seed, size, tmp_path):
    assert found((seed,), tmp_path, size)[0] == []
