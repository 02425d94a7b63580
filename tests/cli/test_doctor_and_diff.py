"""`refnet doctor` and `refnet diff`: what they print, where, and with which exit status."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from refnet.audit.doctor.checks import all_checks
from refnet.cli import main
from refnet.formats.onnx_writer import write_model
from refnet.zoo.samples import sample_crops, sample_paths
from tests.audit.doctor.patients import initializer, rewritten, small, with_constants

A, B = map(str, sample_paths())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("REFNET_MODEL", raising=False)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    write_model(small(), path, like="mxnet")
    return str(path)


def test_a_healthy_model_is_status_0(capsys: pytest.CaptureFixture[str], healthy: str) -> None:
    assert main(["doctor", healthy]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "model file: 8 of 13 checks found nothing"
    assert "weights: 8 of 8 checks found nothing" in printed
    assert printed[-1] == "healthy: 0 problems, 0 warnings, 6 notes"


def test_a_problem_is_status_1_with_its_evidence_and_remedy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        initializer(model, "conv0_weight").float_data[0] = np.nan

    patient = rewritten(small(), tmp_path / "m.onnx", edit)
    assert main(["doctor", str(patient.path)]) == 1
    printed = capsys.readouterr().out
    assert "  problem weights-finite: 1 of its weights hold NaN or infinity\n" in printed
    assert "      tensor 'conv0_weight': 1 of 108, the first nan at flat index 0; expected finite numbers\n" in printed
    assert "      do: Fetch the file again" in printed
    assert "      see https://github.com/onnx/models/issues/217" in printed
    assert "running: skipped, refnet cannot read the model" in printed


def test_a_pointer_is_a_finding_and_a_missing_file_is_status_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
    assert main(["doctor", str(path)]) == 1
    assert "problem file-kind: this is a Git LFS pointer" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "absent.onnx")]) == 3
    assert "there is no such file" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path)]) == 3
    assert "this is a folder" in capsys.readouterr().err


def test_json_lists_every_check(capsys: pytest.CaptureFixture[str], healthy: str) -> None:
    assert main(["doctor", healthy, "--json", "--no-run"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema_version"] == 1
    assert said["healthy"] is True
    assert (said["problems"], said["warnings"]) == (0, 0)
    assert [it["id"] for it in said["results"]] == [check.id for check in all_checks()]
    skipped = {it["id"]: it["reason"] for it in said["results"] if it["status"] == "skipped"}
    assert skipped["same-bits"] == "--no-run"
    assert skipped["embeddings-doubled"] == "no embeddings were given (--embeddings)"


def test_pictures_and_landmarks_are_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str) -> None:
    turned = [[60, 40], [60, 70], [50, 55], [30, 40], [30, 70]]
    (tmp_path / "l.json").write_text(json.dumps([turned] * 2))
    assert main(["doctor", healthy, "--image", A, B, "--landmarks", str(tmp_path / "l.json")]) == 1
    assert "problem alignment: crops are not aligned" in capsys.readouterr().out


def test_an_array_is_looked_at_as_it_is_fed(capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str) -> None:
    np.save(tmp_path / "fed.npy", sample_crops() / 255)
    assert main(["doctor", healthy, "--image", str(tmp_path / "fed.npy")]) == 1
    assert "problem input-range: pixels are scaled outside, and again in the graph" in capsys.readouterr().out


def test_pictures_that_cannot_be_read_are_status_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str
) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    assert main(["doctor", healthy, "--image", str(tmp_path / "small.png")]) == 4
    assert "expected an aligned 112 x 112 face crop" in capsys.readouterr().err


def test_embeddings_are_looked_at_with_and_without_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str
) -> None:
    np.save(tmp_path / "e.npy", np.ones((4, 8)))
    assert main(["doctor", "--embeddings", str(tmp_path / "e.npy")]) == 1
    printed = capsys.readouterr().out
    assert "problem embeddings-collapsed: " in printed
    assert "model file: skipped, no model was given" in printed
    assert main(["doctor", healthy, "--no-run", "--embeddings", str(tmp_path / "e.npy")]) == 1
    assert "8 numbers, as 4 embeddings have; expected 512, as the model gives" in capsys.readouterr().out
    assert main(["doctor", "--embeddings", str(tmp_path / "absent.npy")]) == 4


def test_a_threshold_is_looked_at_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--threshold", "1.24"]) == 1
    assert "problem threshold-unit: 1.24 cannot be a cosine" in capsys.readouterr().out
    assert main(["doctor", "--threshold", "1.24", "--metric", "squared_l2"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "m.onnx", "--metric", "l2"], "--metric says how --threshold is meant"),
        (["doctor", "m.onnx", "--landmarks", "l.json"], "landmarks are of images"),
        (
            ["doctor", "m.onnx", "--image", "a.png", "--landmarks", "l.json", "--detector", "d"],
            "give it without --detector",
        ),
        (["doctor", "m.onnx", "--no-run", "--image", "a.png"], "give it without --no-run"),
        (["diff", "a.onnx", "b.onnx", "--no-run", "--image", "a.png"], "give it without --no-run"),
        (["diff", "a.onnx"], "requires an argument"),
    ],
)
def test_options_that_contradict_each_other_are_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_what_is_printed_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(json.dumps({"name": "\x1b[31mred", "embedding": [0, 0]}) + "\n")
    assert main(["doctor", "--embeddings", str(path)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_the_same_network_is_status_0_and_another_is_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str
) -> None:
    assert main(["diff", healthy, healthy]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict    the same file"
    write_model(small(), tmp_path / "modern.onnx", like="modern")
    assert main(["diff", healthy, str(tmp_path / "modern.onnx")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict    the same network, written down differently"

    def nudge(array: np.ndarray) -> None:
        array[3, 2, 1, 0] = np.nextafter(array[3, 2, 1, 0], np.float32(9))

    write_model(with_constants(small(), stage2_unit1_conv1_weight=nudge), tmp_path / "other.onnx", like="mxnet")
    assert main(["diff", healthy, str(tmp_path / "other.onnx"), "--image", A]) == 1
    printed = capsys.readouterr().out
    assert "stage2_unit1_conv1_weight (8, 4, 3, 3), read by stage2_unit1_conv1: 1 of 288 numbers differ" in printed
    assert "first at (3, 2, 1, 0): " in printed
    assert "up to 1 ULP" in printed
    assert "behaviour  1 image, " in printed
    assert "first difference in stage2_unit1_conv1 (Conv): relative L2 " in printed


def test_differences_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path, healthy: str) -> None:
    zeroed = with_constants(small(), conv0_weight=lambda array: array.fill(0))
    write_model(zeroed, tmp_path / "other.onnx", like="mxnet")
    assert main(["diff", healthy, str(tmp_path / "other.onnx"), "--json", "--no-run"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema_version"], said["same"], said["behaviour"]) == (1, False, None)
    (weight,) = said["weights"]["differences"]
    assert (weight["a"], weight["count"], weight["relative_l2"]) == ("conv0_weight", 108, 1.0)
