"""Checks of the file itself: each with its fault planted, and with a healthy file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from refnet.audit.doctor.patient import Patient
from refnet.errors import ModelError
from refnet.files import sha256
from refnet.zoo.cards import find_card
from tests.audit.doctor.patients import ask, found, initializer, rewritten, small, written

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 261036388\n" % (b"ab" * 32)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return written(small(), tmp_path_factory.mktemp("healthy") / "small.onnx")


def test_a_file_that_is_not_there_is_no_patient(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent.onnx: there is no such file"):
        Patient(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (POINTER, "this is a Git LFS pointer of "),
        (b"<!DOCTYPE html><html>404</html>", "this is a web page"),
        (b"PK\x03\x04rest", "this is a zip archive"),
        (b"", "the file is empty"),
    ],
)
def test_what_lies_under_a_models_name_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    severity, said, _ = found("file-kind", Patient(path))
    assert severity == "problem"
    assert said.startswith(sentence)
    assert ask("damaged", Patient(path)).status == "skipped"
    assert ask("dead-channels", Patient(path)).reason == "refnet cannot read the model"


def test_a_model_is_a_model(healthy: Patient) -> None:
    assert ask("file-kind", healthy).status == "passed"
    assert ask("damaged", healthy).status == "passed"


def test_half_a_file_is_damaged(tmp_path: Path, healthy: Patient) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(healthy.path.read_bytes()[: healthy.size_bytes // 2])
    severity, said, _ = found("damaged", Patient(path))
    assert severity == "problem"
    assert said.startswith("the file is truncated")


def test_what_refnet_does_not_implement_is_said_in_its_words(tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.node[5].op_type = "Bogus"

    severity, said, _ = found("damaged", rewritten(small(), tmp_path / "m.onnx", edit))
    assert severity == "problem"
    assert said.startswith("refnet refuses it: ")
    assert "Bogus" in said


def test_the_name_of_a_published_file_with_another_digest_is_a_problem(tmp_path: Path, healthy: Patient) -> None:
    def edit(model: onnx.ModelProto) -> None:
        initializer(model, "fc1_moving_mean").float_data[0] = 0.1  # no watermark any more

    severity, said, evidence = found("digest", rewritten(small(), tmp_path / "arcfaceresnet100-8.onnx", edit))
    assert severity == "problem"
    assert said.startswith("it has the name of a published model, and is not that model")
    assert "expected f0a2e278b430372d... or f3a6bc281e72f888..." in evidence
    assert "expected 261036388 bytes" in evidence
    assert ask("digest", healthy).status == "passed"  # its watermark says what it is
    other = rewritten(small(), tmp_path / "another-name.onnx", edit)
    assert ask("digest", other).reason == "refnet has no card of a file of this name or size"


def test_the_size_of_a_published_file_with_another_digest_is_a_warning(
    healthy: Patient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def edit(model: onnx.ModelProto) -> None:
        initializer(model, "fc1_moving_mean").float_data[0] = 0.1

    patient = rewritten(small(), tmp_path / "mine.onnx", edit)
    _card(monkeypatch, "other.onnx", patient.size_bytes, "00" * 32)
    severity, said, _ = found("digest", patient)
    assert severity == "warning"
    assert said.startswith("it has the size of a published model")


def test_synthetic_weights_under_a_published_name_are_no_fraud(tmp_path: Path) -> None:
    assert ask("digest", written(small(), tmp_path / "arcfaceresnet100-8.onnx")).status == "passed"


def test_a_published_file_is_named_with_its_licence(healthy: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("published-file", healthy).status == "passed"
    _card(monkeypatch, healthy.path.name, healthy.size_bytes, sha256(healthy.path))
    severity, said, _ = found("published-file", healthy)
    assert severity == "note"
    assert said == "it is a-card, the file of 2022; A title; declared licence Apache-2.0"
    assert ask("digest", healthy).status == "passed"


def test_synthetic_weights_are_said(healthy: Patient, tmp_path: Path) -> None:
    severity, said, _ = found("synthetic-weights", healthy)
    assert (severity, said) == ("note", "synthetic weights: numerically complete, no identity in them (seed 0)")

    def edit(model: onnx.ModelProto) -> None:
        initializer(model, "fc1_moving_mean").float_data[0] = 0.1

    assert ask("synthetic-weights", rewritten(small(), tmp_path / "m.onnx", edit)).status == "passed"


def test_a_quantised_model_is_recognised(tmp_path: Path, healthy: Patient) -> None:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.node[3].op_type = "QLinearConv"

    patient = rewritten(small(), tmp_path / "int8.onnx", edit)
    severity, said, evidence = found("quantised", patient)
    assert (severity, said) == ("problem", "it is a quantised model (8-bit integers)")
    assert "1 QLinearConv" in evidence
    assert ask("damaged", patient).reason == "another check says why refnet refuses the file"
    assert ask("quantised", healthy).status == "passed"


def test_weights_that_are_inputs_are_counted(healthy: Patient, tmp_path: Path) -> None:
    severity, _, evidence = found("weights-as-inputs", healthy)
    assert severity == "note"
    assert f"{len(small().constants)} weights" in evidence
    assert ask("weights-as-inputs", written(small(), tmp_path / "m.onnx", "modern")).status == "passed"


def test_an_opset_that_onnxs_evaluator_gets_wrong_is_said(healthy: Patient, tmp_path: Path) -> None:
    severity, _, evidence = found("evaluator", healthy)
    assert (severity, evidence) == ("note", "opset: 8, expected 14 or later")
    assert ask("evaluator", written(small(), tmp_path / "m.onnx", "modern")).status == "passed"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_every_tensor_with_a_number_that_is_none_is_named(tmp_path: Path, value: float) -> None:
    def edit(model: onnx.ModelProto) -> None:
        initializer(model, "stage1_unit1_conv1_weight").float_data[7] = value
        initializer(model, "pre_fc1_weight").float_data[100_000] = value

    patient = rewritten(small(), tmp_path / "m.onnx", edit)
    severity, said, evidence = found("weights-finite", patient)
    assert (severity, said) == ("problem", "2 of its weights hold NaN or infinity")
    assert f"tensor 'stage1_unit1_conv1_weight': 1 of 144, the first {np.float32(value)} at flat index 7" in evidence
    assert f"the first {np.float32(value)} at flat index 100000" in evidence
    assert ask("damaged", patient).status == "skipped"


def test_finite_weights_pass(healthy: Patient) -> None:
    assert ask("weights-finite", healthy).status == "passed"


def _card(monkeypatch: pytest.MonkeyPatch, name: str, size_bytes: int, digest: str) -> None:
    """One card that the checks know."""
    known = find_card("arcfaceresnet100-8")
    file = replace(known.files[0], name=name, note="2022", size_bytes=size_bytes, sha256=digest)
    card = replace(known, name="a-card", title="A title", licence="Apache-2.0", files=(file,))
    monkeypatch.setattr("refnet.audit.doctor.file_checks.cards", lambda: (card,))
