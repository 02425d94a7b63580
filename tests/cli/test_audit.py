"""`refnet audit`: what it writes, what it says, what it refuses, and with which exit status."""

import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from refnet.cli import main
from refnet.formats.onnx_writer import write_model
from refnet.zoo.samples import sample_crops, sample_paths
from tests import localdata
from tests.audit.doctor.patients import initializer, rewritten, small
from tests.audit.report.audited import complaints

_, B = map(str, sample_paths())


@pytest.fixture(autouse=True)
def _no_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REFNET_MODEL", raising=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    write_model(small(), path, like="mxnet", spatial=1)
    return str(path)


def _document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    assert complaints(found) == []
    return found


def test_a_page_and_its_json_are_written(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/refnet", "audit", model])
    assert main(["audit", model, "-o", str(tmp_path / "report.html")]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "tensors of refnet's fast engine agree with float64 within the noise floor" in said.err
    assert "doctor: 0 problems, 0 warnings" in said.err
    assert "MiB at most" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
    document = _document(tmp_path / "report.json")
    assert document["made"]["command"] == ["refnet", "audit", model]
    assert document["made"]["peak_mib"] > 10
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_json_alone_needs_no_extra_and_the_same_goes_to_stdout(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.audit.report.page.extra.find_spec", lambda _: None)
    path = tmp_path / "report.json"
    assert main(["audit", model, "-o", str(path), "--json", "--float64-images", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == _document(path)
    assert [it.name for it in tmp_path.iterdir()] == ["report.json"]
    assert _document(path)["made"]["command"] == []  # pytest called, not refnet


def test_a_page_without_its_extra_is_status_5_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.audit.report.page.extra.find_spec", lambda _: None)
    assert main(["audit", "absent.onnx", "-o", str(tmp_path / "r.html")]) == 5
    assert 'the report needs jinja2; install it: pip install "refnet[report]"' in capsys.readouterr().err


def test_without_onnxruntime_the_rest_is_there_and_it_is_said(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "r.html"
    assert main(["audit", model, "-o", str(path), "--float64-images", "1"]) == 0
    document = _document(path.with_suffix(".json"))
    assert document["agreement"]["other"] is None
    assert document["agreement"]["agrees"]
    assert any("onnxruntime, which is not installed; pip install" in note for note in document["notes"])


def test_a_problem_is_status_1_and_the_report_is_written(tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        gamma = initializer(model, "fc1_gamma")
        values = np.linspace(0.5, 1.5, gamma.dims[0], dtype=np.float32)
        gamma.CopyFrom(onnx.numpy_helper.from_array(values, gamma.name))

    path = rewritten(small(), tmp_path / "m.onnx", edit).path
    assert main(["audit", str(path), "-o", str(tmp_path / "r.json"), "--float64-images", "1"]) == 1
    findings = _document(tmp_path / "r.json")["findings"]
    assert not findings["healthy"]
    assert [it["id"] for it in findings["results"] if it["findings"] and it["findings"][0]["severity"] == "problem"]


def test_images_are_looked_at_and_their_most_alike_pair_is_explained(model: str, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>\n\u202egnp.png"
    Image.fromarray(sample_crops()[0].transpose(1, 2, 0)).save(hostile, "PNG")
    (tmp_path / "text.png").write_text("no image")
    output = tmp_path / "r.html"
    options = ["--float64-images", "1", "--explain", "1"]
    images = ["--images", str(hostile), B, str(tmp_path / "text.png")]
    assert main(["audit", model, "-o", str(output), *images, *options]) == 0
    document = _document(output.with_suffix(".json"))
    assert document["agreement"]["images"] == [str(hostile)]
    assert any(note.startswith("Left out: ") and "text.png: not an image" in note for note in document["notes"])
    (pair,) = document["explained"]
    assert (pair["a"], pair["b"], pair["choice"]) == (str(hostile), B, "most alike")
    assert "<img src=x" not in output.read_text("utf-8")


def test_no_usable_image_is_status_4_and_nothing_is_written(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (40, 30)).save(images / "small.png")
    output = tmp_path / "out" / "r.html"
    output.parent.mkdir()
    assert main(["audit", model, "-o", str(output), "--images", str(images)]) == 4
    said = capsys.readouterr().err
    assert "none of 1 images could be used" in said
    assert "40 x 30 pixels; expected an aligned 112 x 112 face crop" in said
    assert list(output.parent.iterdir()) == []


def test_photographs_without_a_face_are_named_and_none_with_one_is_status_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = str(localdata.path("models/mobilefacenet-arcface-mxnet.onnx"))
    face = str(localdata.path("photos/Rob_Lowe_0001.jpg"))
    how = ["--faces", "largest", "--detector", str(localdata.path("models/face_detection_yunet_2023mar.onnx"))]
    empty = tmp_path / "no face.png"
    Image.new("RGB", (200, 200), "#808080").save(empty)
    output = tmp_path / "r.json"
    assert main(["audit", trained, "-o", str(output), "--images", face, str(empty), *how]) == 0
    document = _document(output)
    assert document["agreement"]["images"] == [face]
    assert [note for note in document["notes"] if note.startswith(f"Left out: {empty}: ")]
    output.unlink()
    assert main(["audit", trained, "-o", str(output), "--images", str(empty), *how]) == 4
    assert "none of 1 images could be used" in capsys.readouterr().err
    assert not output.exists()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pairs of noise as InsightFace pickles them."""
    rng, images = np.random.default_rng(0), []
    for _ in range(40):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (112, 112, 3)).astype(np.uint8)).save(buffer, "PNG")
        images.append(buffer.getvalue())
    path = tmp_path_factory.mktemp("pairs") / "noise.bin"
    path.write_bytes(pickle.dumps((images, [n % 2 == 1 for n in range(20)]), 4))
    return path


def test_pairs_are_evaluated_and_feed_the_network(model: str, pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.html"
    options = ["--pairs", str(pairs), "--resamples", "5", "--explain", "0", "--float64-images", "1"]
    assert main(["audit", model, "-o", str(output), *options]) in (0, 1)  # noise is no face, which the doctor may say
    document = _document(output.with_suffix(".json"))
    assert document["evaluation"]["count"] == 20
    assert document["evaluation"]["summary"]["resamples"] == 5
    assert document["explained"] == []
    assert any("the first 40 images of noise.bin" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "r.pdf"], 2, "the suffix is '.pdf'; expected .html or .json"),
        (["-o", "absent/r.html"], 2, "cannot write absent/r.html: there is no folder absent"),
        (["-o", "r.html", "--pair-images", "."], 2, "give --pairs too"),
        (["-o", "r.html", "--faces", "all"], 2, "give them with --images"),
        (["-o", "r.html", "--float64-images", "0"], 2, "--float64-images is 0; expected at least 1"),
        (["-o", "r.html", "--explain", "-1"], 2, "--explain is -1; expected at least 0"),
        (["-o", "r.html", "--resamples", "0"], 2, "--resamples is 0; expected at least 1"),
        (["-o", "r.html", "--pairs", "absent.bin"], 4, "absent.bin"),
        (["-o", "r.html", "--images", "absent.png"], 4, "absent.png: no such file or folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], status: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["audit", model, *arguments]) == status
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_pairs_of_one_class_and_too_few_pairs_are_status_4(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "pairs.csv", tmp_path / "r.html"
    for same, message in (("1", "all 12 pairs are of one person"), ("0", "all 12 pairs are of different persons")):
        images = [f"{n}.png" for n in range(24)]
        for name in images:
            Image.fromarray(sample_crops()[0].transpose(1, 2, 0)).save(tmp_path / name)
        rows = [f"{images[2 * n]},{images[2 * n + 1]},{same}" for n in range(12)]
        path.write_text("\n".join(["a,b,same", *rows]))
        assert main(["audit", model, "-o", str(output), "--pairs", str(path)]) == 4
        assert message in capsys.readouterr().err
    path.write_text("a,b,same\n0.png,1.png,1\n0.png,2.png,0\n")
    assert main(["audit", model, "-o", str(output), "--pairs", str(path)]) == 4
    assert "there are 2 pairs" in capsys.readouterr().err
    assert not output.exists()


def test_a_model_that_is_none_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"<html>not found</html>")
    assert main(["audit", str(path), "-o", str(tmp_path / "r.json")]) == 3
    assert "m.onnx" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_if_one_of_the_two_files_cannot_be_written_neither_is(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").mkdir()
    assert main(["audit", model, "-o", str(tmp_path / "r.html")]) == 2
    assert "it is a folder" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
