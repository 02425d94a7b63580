"""The document as a whole: it can be written whatever is in it, and says what it does not know."""

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from refnet.audit.report.agreement import Nobody
from refnet.audit.report.document import Asked, Audit, audit, written
from refnet.audit.report.fed import Fed, fed_samples
from refnet.audit.report.made import Circumstances
from refnet.errors import ModelError, UsageError
from refnet.graph import Array
from refnet.network import Network, load
from refnet.zoo.samples import sample_crops
from tests import localdata
from tests.audit.doctor.patients import rewritten, small
from tests.audit.report.audited import audited, complaints

HOSTILE = ("</script><b>", "<img src=x onerror=alert(1)>", "two\nlines\tand \u202eright to left\u202c", "\x00\x1b[31m")


def test_a_document_is_plain_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_clean_audit_has_neither_problem_nor_departure(small_audit: Audit) -> None:
    assert small_audit.clean
    problem = dict(small_audit.document, findings={"healthy": False})
    assert not Audit(problem).clean
    departure = dict(small_audit.document, agreement={"agrees": False})
    assert not Audit(departure).clean


def test_synthetic_weights_and_what_is_absent_are_said(document: dict[str, Any]) -> None:
    assert document["model"]["synthetic"].startswith("synthetic weights")
    assert document["limits"][0].startswith("The weights are synthetic")
    assert document["evaluation"] is None
    said = " ".join(document["notes"])
    assert "drawn for refnet" in said
    assert "accuracy was not measured" in said
    assert "No pair was explained" in said
    assert "Whether the model tells persons apart was not measured." in document["limits"]


def test_fewer_images_in_float64_than_were_given_are_said(small_path: Path) -> None:
    told = audited(small_path, other=False, images=1).document
    assert told["agreement"]["images"] == ["sample_a.png"]
    assert any("for the first 1 of 2 images" in note for note in told["notes"])


def test_hostile_names_of_nodes_and_files_come_through_as_they_are(tmp_path: Path) -> None:
    renamed = {
        "conv0": HOSTILE[0],
        "bn0": HOSTILE[1],
        "relu0": '\' onload="x" {{7*7}}',
    }  # readers refuse control characters

    def edit(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.name = renamed.get(node.name, node.name)
            for names in (node.input, node.output):
                for n, name in enumerate(names):
                    names[n] = renamed.get(name, name)

    path = rewritten(small(), tmp_path / "<img src=x onerror=alert(1)>.onnx", edit).path
    crops = sample_crops()
    fed = Fed(crops, (HOSTILE[1] + ".png", "\udcff\u202egnp.\n.png"), "pictures", (f"Left out: {HOSTILE[2]}",))
    told = audited(path, other=False, fed=fed).document
    assert complaints(told) == []
    json.dumps(told).encode("utf-8")
    assert {row["name"] for row in told["layers"]} >= set(renamed.values())
    assert {row["name"] for row in told["tensors"]} >= set(renamed.values())
    assert told["model"]["file"] == "<img src=x onerror=alert(1)>.onnx"
    assert told["agreement"]["images"] == [HOSTILE[1] + ".png", "\\udcff\u202egnp.\n.png"]
    assert f"Left out: {HOSTILE[2]}" in told["notes"]


def test_what_json_and_utf8_cannot_hold_is_written_otherwise() -> None:
    told = written({"a": (1.5, float("nan"), float("inf")), "\udc80": ["\udcffx", {"b": None}], "c": True})
    assert told == {"a": [1.5, None, None], "\\udc80": ["\\udcffx", {"b": None}], "c": True}


def test_a_single_face_is_no_pair(small_path: Path) -> None:
    fed = Fed(sample_crops()[:1], ("one",), "pictures", ())
    told = audited(small_path, other=False, fed=fed).document
    assert told["explained"] == []
    assert "No pair was explained: there is only one face. Give --images with two, or --pairs." in told["notes"]


def test_a_runtime_that_cannot_run_the_file_is_a_note(small_path: Path) -> None:
    class Refusing(Nobody):
        def stream(self, _: Array, __: Set[str]) -> Iterator[tuple[str, Array]]:
            raise ModelError("onnxruntime 0 cannot run it: no kernel")

    network = load(small_path)
    asked = Asked(network, fed_samples(network), 1, Refusing(network), None, explain=0)
    told = audit(asked, Circumstances()).document
    assert complaints(told) == []
    assert told["agreement"]["other"] is None
    assert any(note.endswith("onnxruntime 0 cannot run it: no kernel") for note in told["notes"])
    count = sum(row["activation"] is not None for row in told["tensors"])
    assert count > 40
    assert told["tensors"][0]["activation"]["count"] == 3 * 112 * 112  # of one image, not of two runs


def test_a_model_of_several_outputs_is_audited_without_embeddings() -> None:
    path = localdata.path("models/face_detection_yunet_2023mar.onnx")
    network = load(path)
    height, width = network.contract.crop_size
    fed = Fed(sample_crops(height, width), ("a", "b"), "pictures", ())
    told = audit(Asked(network, fed, 1, None, None, explain=1), Circumstances()).document
    assert complaints(told) == []
    assert len(told["agreement"]["fast"]["outputs"]) == 12
    assert told["agreement"]["embeddings"] == []
    assert told["explained"] == []
    assert any("the model has 12 outputs" in note for note in told["notes"])


def test_a_model_of_one_image_at_a_time_is_audited_on_one(tmp_path: Path) -> None:
    def lock(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1]), "target"))
        model.graph.node.append(onnx.helper.make_node("Reshape", ["fc1", "target"], ["flat"], "flat"))
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, [512, 1]))

    path = rewritten(small(), tmp_path / "locked.onnx", lock).path
    fed = Fed(sample_crops(), ("a", "b"), "pictures", ())
    told = audited(path, fed=fed, images=2).document
    assert complaints(told) == []
    assert told["agreement"]["images"] == ["a"]
    assert told["agreement"]["embeddings"] == []  # its output has no row for an image
    assert told["agreement"]["agrees"]
    assert "No pair was explained: the model computes 1 image at a time, and explaining takes many." in told["notes"]


def test_a_network_that_was_read_from_no_file_is_refused() -> None:
    network = Network(small())
    asked = Asked(network, fed_samples(network), 1, None, None, explain=0)
    with pytest.raises(UsageError, match="was not read from a file"):
        audit(asked, Circumstances())


def test_figures_do_not_depend_on_how_many_images_are_taken_at_once(
    small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = np.concatenate([sample_crops(), sample_crops()[..., ::-1]])
    fed = Fed(crops, ("a", "b", "c", "d"), "samples", ())
    rows = []
    for count in (1, 4):
        monkeypatch.setattr("refnet.audit.report.agreement.IMAGES", count)
        rows.append(audited(small_path, other=False, fed=fed, images=4).document["tensors"])
    for one, four in zip(*rows, strict=True):
        if one["activation"]:
            assert one["activation"]["histogram"] == four["activation"]["histogram"]
            assert one["activation"]["mean"] == pytest.approx(four["activation"]["mean"], rel=1e-9, abs=1e-12)
        assert one["fast"]["relative_l2"] == pytest.approx(four["fast"]["relative_l2"], rel=1e-6, abs=1e-15)
