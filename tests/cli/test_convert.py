"""`refnet convert`, and the other commands on what it writes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.cli import main
from refnet.files import sha256
from refnet.zoo.samples import sample_paths


def test_the_paths_go_to_stdout_and_the_words_to_stderr(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(narrow_path), "-o", str(tmp_path / "n.xml"), "--channels", "bgr"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "n.xml"), str(tmp_path / "n.bin")]
    assert "synthetic weights" in err
    assert "OpenVINO IR 11, fp32; takes BGR" in err


def test_json_holds_the_digests_of_both_ends(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(narrow_path), "-o", str(tmp_path / "n.onnx"), "--opset", "21", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["schema_version"] == 1
    assert done["source_sha256"] == sha256(narrow_path)
    assert done["sha256"] == sha256(tmp_path / "n.onnx")
    assert done["format"] == "ONNX opset 21"
    assert done["notes"][-1] == "the batch is free"


def test_embed_gives_the_same_embeddings_from_a_bgr_model(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crop = tmp_path / "face.png"
    with Image.open(sample_paths()[0]) as image:
        image.convert("RGB").resize((112, 112)).save(crop)
    assert main(["convert", str(narrow_path), "-o", str(tmp_path / "bgr.onnx"), "--channels", "bgr"]) == 0
    embeddings = []
    for model in (narrow_path, tmp_path / "bgr.onnx"):
        capsys.readouterr()
        assert main(["embed", str(crop), "--model", str(model)]) == 0
        embeddings.append(json.loads(capsys.readouterr().out)["embedding"])
    assert np.array_equal(*embeddings)


def test_an_openvino_model_is_inspected_traced_and_embedded(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, crop = tmp_path / "n.xml", tmp_path / "face.png"
    Image.new("RGB", (112, 112), (200, 90, 30)).save(crop)
    assert main(["convert", str(narrow_path), "-o", str(model), "--precision", "fp16"]) == 0
    assert main(["embed", str(crop), "--model", str(model), "-o", str(tmp_path / "e.npz")]) == 0
    assert main(["trace", str(crop), "--model", str(model), "-o", str(tmp_path / "t.npz"), "--layers", "fc1"]) == 0
    capsys.readouterr()
    assert main(["inspect", str(model), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert (seen["format"], seen["ir_version"], seen["operators"]["Add"]) == ("openvino", 11, 204)
    assert seen["producer"].startswith("refnet ")
    assert seen["size_bytes"] == model.stat().st_size + model.with_suffix(".bin").stat().st_size
    assert main(["inspect", str(narrow_path), "--json"]) == 0
    original = json.loads(capsys.readouterr().out)
    counted = ("published_flops", "published_parameters")
    assert [seen[key] for key in counted] == [original[key] for key in counted]


def test_a_trace_in_the_other_order_is_no_measure(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, trace, crop = str(tmp_path / "bgr.onnx"), str(tmp_path / "t.npz"), tmp_path / "face.png"
    Image.new("RGB", (112, 112), (200, 90, 30)).save(crop)
    assert main(["convert", str(narrow_path), "-o", model, "--channels", "bgr"]) == 0
    assert main(["trace", str(crop), "--model", model, "-o", trace, "--layers", "_minusscalar0"]) == 0
    assert main(["validate", model, "--against", trace, "--no-layers"]) == 0
    assert "1 of 1 tensors agree" in capsys.readouterr().out
    assert main(["validate", str(narrow_path), "--against", trace]) == 4
    said = capsys.readouterr().err
    assert "t.npz is of a network that takes BGR, and this one takes RGB" in said
    assert "refnet convert --channels rgb" in said


def test_a_difference_of_order_is_said(tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tmp_path / "bgr.onnx")
    assert main(["convert", str(narrow_path), "-o", model, "--channels", "bgr"]) == 0
    main(["diff", str(narrow_path), model])
    assert "channels are RGB in a, BGR in b" in capsys.readouterr().out


def test_a_wrong_option_ends_with_status_2_and_no_file(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(narrow_path), "-o", str(tmp_path / "n.xml"), "--opset", "17"]) == 2
    assert "--opset is about ONNX files" in capsys.readouterr().err
    assert main(["convert", str(narrow_path), "-o", str(tmp_path / "n.xml"), "--channels", "grb"]) == 2
    assert not list(tmp_path.iterdir())
