"""The model of the lessons is the reader's own where there is one, and else made at once."""

from pathlib import Path

import pytest

from refnet import ModelError, watermark
from refnet.graph import Graph
from refnet.zoo.lesson import lesson_graph


def test_without_a_model_the_small_seeded_one_is_made(monkeypatch: pytest.MonkeyPatch, narrow: Graph) -> None:
    monkeypatch.delenv("REFNET_MODEL", raising=False)
    graph = lesson_graph()
    assert [node.name for node in graph.nodes] == [node.name for node in narrow.nodes]
    assert graph.outputs[0].shape == narrow.outputs[0].shape
    assert watermark.read(graph) is not None


def test_a_model_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch, narrow_path: Path, narrow: Graph) -> None:
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))
    assert [node.name for node in lesson_graph().nodes] == [node.name for node in narrow.nodes]


def test_a_model_that_is_not_there_is_an_error_and_not_the_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFNET_MODEL", "no/such/model.onnx")
    with pytest.raises(ModelError, match=r"no/such/model\.onnx"):
        lesson_graph()
