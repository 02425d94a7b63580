"""Which embeddings can be compared."""

from dataclasses import replace

import pytest

from refnet.network import load
from refnet.provenance import Provenance, comparable, provenance

ONE = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB, values 0..255", "1.0", "2.4")


def test_engine_and_versions_change_rounding_and_not_what_is_computed():
    assert comparable(ONE, replace(ONE, engine="reference", refnet="2.0", numpy="3.0", model="copy.onnx")) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_sha256": "cd" * 32, "model": "n.onnx"}, "the model m.onnx (sha256 abababababab...), the other from n.onnx"),
        ({"input": "RGB, values -1..1"}, "the input RGB, values 0..255, the other from RGB, values -1..1"),
        ({"pipeline": "yunet"}, "the pipeline aligned crops, the other from yunet"),
        ({"model_sha256": ""}, "one of them does not say which model it comes from"),
        ({"pipeline": ""}, "one of them does not say which pipeline it comes from"),
    ],
)  # fmt: skip
def test_another_model_input_or_pipeline_is_another_thing(changes, reason):
    other = replace(ONE, **changes)
    assert reason in comparable(ONE, other)
    assert comparable(other, ONE)


def test_what_is_known_of_neither_is_not_assumed_equal():
    unknown = replace(ONE, model_sha256="")
    assert comparable(unknown, unknown) == "one of them does not say which model it comes from"


def test_the_provenance_of_a_network_holds_its_pipeline(narrow_path):
    network = load(narrow_path, engine="reference")
    assert provenance(network).pipeline == "aligned crops"
    assert comparable(provenance(network), provenance(network, "yunet, largest face"))
