"""The judge: it finds what is planted, counts what is refused, and lets nothing else through; the shrinker keeps the finding."""

import numpy as np
import onnx
import pytest
from onnx import helper

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from refnet.errors import UnsupportedModelError
from refnet.fast.run import Engine
from tests.fuzz.judging import general, judged, operators
from tests.fuzz.shrinking import shrunk

FEEDS = {"x": np.linspace(-2, 2, 2 * 3 * 5 * 5, dtype=np.float32).reshape(2, 3, 5, 5)}


def model(*nodes, output="y"):
    """A model of one image of a free batch, and of the nodes given as (operator, inputs, output, attributes)."""
    made = [helper.make_node(op, inputs, [name], **said) for op, inputs, name, said in nodes]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 5, 5])
    y = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [None] * 4)
    graph = helper.make_graph(made, "judged", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CHAIN = model(
    ("Relu", ["x"], "a", {}), ("Sigmoid", ["a"], "b", {}), ("Sigmoid", ["b"], "c", {}), ("Sub", ["c", "a"], "y", {})
)


def planted(monkeypatch, change):
    """The fast engine with its results changed."""
    run = Engine.run
    monkeypatch.setattr(Engine, "run", lambda self, feeds: change(run(self, feeds)))


def kinds(tmp_path, its=CHAIN):
    verdict = judged(its, [(2, FEEDS)], tmp_path)
    return {(finding.kind, finding.who) for finding in verdict.findings}, verdict


def test_a_sound_graph_has_no_finding_and_every_number_is_compared(tmp_path):
    found, verdict = kinds(tmp_path)
    assert found == set()
    assert verdict.compared == 150 * 5  # onnxruntime, two networks, the stream, and the fast engine
    assert verdict.refused == verdict.not_judged == []


@pytest.mark.parametrize("factor", [1 + 1e-5, -1])
def test_one_wrong_number_is_found(factor, monkeypatch, tmp_path):
    def change(results):
        results["y"].reshape(-1)[-1] *= np.float32(factor)
        return results

    planted(monkeypatch, change)
    assert kinds(tmp_path)[0] == {("wrong", "fast"), ("wrong", "network fast"), ("bits", "fast")}


def test_a_number_that_is_none_is_found(monkeypatch, tmp_path):
    planted(monkeypatch, lambda results: {name: np.full_like(y, np.nan) for name, y in results.items()})
    assert ("wrong", "fast") in kinds(tmp_path)[0]  # a network refuses it


def test_another_shape_and_another_kind_of_number_are_found(monkeypatch, tmp_path):
    planted(monkeypatch, lambda results: {name: y[..., :1] for name, y in results.items()})
    assert ("shape", "fast") in kinds(tmp_path)[0]


def test_another_kind_of_number_is_found(monkeypatch, tmp_path):
    planted(monkeypatch, lambda results: {name: y.astype(np.int64) for name, y in results.items()})
    assert ("dtype", "fast") in kinds(tmp_path)[0]


def test_an_exception_that_is_no_refusal_is_found(monkeypatch, tmp_path):
    planted(monkeypatch, lambda results: {name: y.reshape(7) for name, y in results.items()})
    assert ("traceback", "fast") in kinds(tmp_path)[0]


def test_a_refusal_of_one_engine_is_found_where_it_is_no_stated_limit(monkeypatch, tmp_path):
    def refuse(results):
        raise UnsupportedModelError("node 'y' (Sub): not today")

    planted(monkeypatch, refuse)
    assert ("refused alone", "fast") in kinds(tmp_path)[0]


def test_what_the_reader_refuses_is_counted(tmp_path):
    found, verdict = kinds(tmp_path, model(("Erf", ["x"], "y", {})))
    assert found == set()
    (said,) = verdict.refused
    assert said.startswith("reader (onnxruntime computes it): node '_' (Erf): refnet does not implement this operator")


def test_a_finding_is_shrunk_to_what_shows_it(monkeypatch, tmp_path):
    run = Engine.run

    def wrong_after_sigmoid(self, feeds):
        sick = any(cost.kernel == "definition of Sigmoid" for cost in self.costs)
        return {name: y + np.float32(sick) for name, y in run(self, feeds).items()}

    monkeypatch.setattr(Engine, "run", wrong_after_sigmoid)

    def still(candidate, feeds):
        (x,) = feeds.values()
        return any(finding.kind == "wrong" for finding in judged(candidate, [(len(x), feeds)], tmp_path).findings)

    assert still(CHAIN, FEEDS)
    smaller, feeds = shrunk(CHAIN, FEEDS, still)
    assert operators(smaller) == ["Sigmoid"]
    assert still(smaller, feeds)


def test_messages_are_told_apart_by_their_words_alone():
    a = general(
        "/tmp/a/graph.onnx: node 'Conv_t7' (Conv): weight has shape (3, 2, 1, 1), expected [1, 2]; 7 are 1.5e-3"
    )
    assert a == "node '_' (Conv): weight has shape (_), expected [_]; # are #"
