"""Random graphs written as OpenVINO IR: OpenVINO and refnet read them back as what they were."""

import pytest

pytest.importorskip("openvino", reason="openvino is not installed")

from tests.fuzz.graphs import batches_of, grown
from tests.fuzz.openvino_ir import OPERATORS, judged_ir

SEED, PARTS, EACH = 8, 3, 20


@pytest.mark.parametrize("part", range(PARTS))
def test_every_graph_is_written_as_what_it_is_or_refused(part, tmp_path):
    wrong, compared = [], 0
    for i in range(part * EACH, (part + 1) * EACH):
        graph = grown((SEED, i), only=OPERATORS)
        verdict = judged_ir(graph.model, [(n, graph.feeds(n)) for n in batches_of(graph)[:2]], tmp_path)
        wrong += [f"graph {(SEED, i)}, batch {it.batch}: {it.kind}, {it.who}: {it.what}" for it in verdict.findings]
        compared += verdict.compared
    assert wrong == []
    assert compared > 10_000  # else nothing was judged
