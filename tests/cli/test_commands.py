"""The command line: what each command prints, where, and with which exit status."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import refnet
from refnet.cli import main
from refnet.zoo.samples import sample_images, sample_paths
from tests.comparison import assert_within

A, B = map(str, sample_paths())
SYNTHETIC = "synthetic weights: numerically complete, no identity in them (seed 0)"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == refnet.__version__
    assert main(["--help"]) == 0
    assert "validate" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "inspect",
        "embed",
        "compare",
        "threshold",
        "evaluate",
        "validate",
        "doctor",
        "diff",
        "explain",
        "trace",
        "bench",
        "models",
        "models list",
        "models info",
        "models fetch",
        "models verify",
        "models import",
        "models make",
        "gallery",
        "gallery build",
        "gallery add",
        "gallery remove",
        "gallery list",
        "gallery verify",
        "gallery search",
    ],
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert f"Usage: refnet {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], 'Unknown command "bogus"'),
        (["compare", A], "requires an argument"),
        (["compare", A, B, "--threshold", "high"], 'unable to convert "high" into float'),
        (["compare", A, B, "--threshold", "2"], "threshold is 2; expected cosine, -1 to 1. It could be one of cosine_distance, l2, squared_l2, degrees, radians."),
        (["models", "make", "arcfaceresnet100-8", "--spatial", "2"], "--spatial"),
        (["models", "make", "arcfaceresnet100-8", "--width", "thin", "-o", "x"], "--width is 'thin'; expected a share such as 1/16"),
        (["models", "make", "arcfaceresnet100-8", "--units", "a,b", "-o", "x"], "--units is 'a,b'; expected four numbers"),
        (["models", "make", "arcfaceresnet100-8", "--width", "1/2"], "no place in the cache; give --output FILE"),
        (["models", "path", "vgg"], "no model is called 'vgg'; known are arcfaceresnet100-11-int8, arcfaceresnet100-8"),
        (["embed", A, "--bogus"], "Unknown option: --bogus"),
        (["embed", A, "-o", "e.txt"], "the suffix is '.txt'; expected .npz, .csv, .jsonl"),
        (["inspect", "resnet"], "no file and no model is called 'resnet'"),
    ],
)  # fmt: skip
def test_usage_errors_are_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err.replace("\n", " ")
    assert printed.out == ""


def test_a_missing_model_is_status_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["compare", A, B, "--model", str(tmp_path / "absent.onnx")]) == 3
    assert "absent.onnx" in capsys.readouterr().err
    monkeypatch.delenv("REFNET_MODEL")
    assert main(["compare", A, B]) == 3
    assert "arcfaceresnet100-8 is not on this machine" in capsys.readouterr().err


def test_a_damaged_model_in_the_cache_is_status_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFNET_MODEL")
    folder = tmp_path / "cache" / "models" / "arcfaceresnet100-8"
    folder.mkdir(parents=True)
    (folder / "arcfaceresnet100-8.onnx").write_bytes(b"not the model")
    assert main(["compare", A, B]) == 3
    printed = capsys.readouterr().err.replace("\n", " ")
    assert "is not arcfaceresnet100-8: it has 13 bytes; expected 261,036,388" in printed


def test_compare_prints_the_similarity_and_decides_only_with_a_threshold(
    capsys: pytest.CaptureFixture[str], narrow_path: Path
) -> None:
    first, second = refnet.load(narrow_path)(sample_images()[:2])
    expected = refnet.similarity(first, second)
    assert main(["compare", A, B]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"similarity {expected:.6f} (angle ")
    assert "match" not in printed.out
    assert SYNTHETIC in printed.err
    assert main(["compare", A, A, "--threshold", "0.9"]) == 0
    assert "match at 0.9" in capsys.readouterr().out
    assert main(["compare", A, B, "--threshold", str(expected + 0.01)]) == 1
    assert "no match at" in capsys.readouterr().out


def test_compare_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", A, B, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema_version"] == 1
    assert result["match"] is None
    assert result["provenance"]["model_note"] == SYNTHETIC
    assert len(result["provenance"]["model_sha256"]) == 64


def test_embed_writes_the_networks_own_numbers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, narrow_path: Path
) -> None:
    assert main(["embed", A, B, "-o", str(tmp_path / "e.npz")]) == 0
    assert capsys.readouterr().out == ""
    with np.load(tmp_path / "e.npz") as file:
        assert file["names"].tolist() == [A, B]
        assert_within(file["embeddings"], refnet.load(narrow_path)(sample_images()[:2]))
        assert json.loads(str(file["provenance"]))["model_note"] == SYNTHETIC


def test_embed_prints_json_lines_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", A]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["name"] == A


def test_embed_reads_a_list_from_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((f"{A}\n\n{B}\n").encode())))
    assert main(["embed", "-"]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == [A, B]


def test_an_image_that_cannot_be_read_is_named_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    Image.new("RGB", (250, 250)).save(tmp_path / "photograph.png")
    Image.open(A).save(tmp_path / "crop.png")
    assert main(["embed", str(tmp_path), "-o", str(tmp_path / "e.csv")]) == 1
    printed = capsys.readouterr().err
    assert "broken.png: not an image that can be read" in printed
    assert "expected an aligned 112 x 112 face crop" in printed.replace("\n", " ")
    assert "2 of 3 images have no embedding" in printed
    assert len((tmp_path / "e.csv").read_text().splitlines()) == 2


def test_nothing_readable_is_status_4_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    assert main(["embed", str(tmp_path), "-o", str(tmp_path / "e.npz")]) == 4
    assert "none of 1 images could be read; nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]
    (tmp_path / "empty").mkdir()
    assert main(["embed", str(tmp_path / "empty")]) == 4
    assert "no images found in" in capsys.readouterr().err


def test_inspect_prints_every_layer_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect"]) == 0
    out = capsys.readouterr().out
    assert "stage1_unit1_conv1 " in out
    assert "BatchNormalization" in out
    assert "LResNet100E-IR no; conv0: conv0_weight has shape (4, 3, 3, 3); expected (64, 3, 3, 3)" in out
    assert main(["inspect", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["layers"]) == 412


def test_trace_writes_the_tensors_that_match(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, narrow_path: Path
) -> None:
    target = tmp_path / "t.npz"
    assert main(["trace", A, "--layers", "stage4_unit3_*", "--layers", "fc1", "-o", str(target)]) == 0
    assert f"7 tensors in {target}" in capsys.readouterr().err
    with np.load(target) as file:
        assert file["stage4_unit3_bn3"].shape == (1, 32, 7, 7)
        assert np.array_equal(file["fc1"], refnet.load(narrow_path, engine="reference")(sample_images()[:1]))


def test_trace_refuses_a_pattern_without_tensors_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["trace", A, "--layers", "stage9_*", "-o", str(tmp_path / "t.npz")]) == 2
    assert "pattern 'stage9_*' matches no tensor" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_validate_agrees_with_its_own_trace_and_departs_from_a_changed_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "t.npz"
    assert main(["trace", A, "-o", str(target)]) == 0
    assert main(["validate", "--against", str(target)]) == 0
    assert "412 of 412 tensors agree with trace t.npz" in capsys.readouterr().out
    with np.load(target) as file:
        tensors = dict(file)
    tensors["stage2_unit3_relu1"] = tensors["stage2_unit3_relu1"] * 1.001
    np.savez(target, **tensors)
    assert main(["validate", "--against", str(target), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["first_departure"] == "stage2_unit3_relu1"
    assert result["agrees"] is False


def test_validate_against_onnxruntime_compares_every_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    assert main(["validate", "--image", A, "--image", B]) == 0
    out = capsys.readouterr().out
    assert "412 of 412 tensors agree with onnxruntime" in out
    assert "degrees apart" in out
    assert out.count("BatchNormalization") == 154


def test_validate_says_how_to_install_a_missing_onnxruntime(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["validate"]) == 5
    assert "pip install 'refnet[oracle]'" in capsys.readouterr().err


def test_validate_refuses_a_trace_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["validate", "--against", str(tmp_path / "absent.npz")]) == 4
    assert "there is no trace" in capsys.readouterr().err


@pytest.mark.full
def test_demo_makes_embeds_compares_and_proves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    assert main(["demo"]) == 0
    printed = capsys.readouterr()
    assert "412 of 412 tensors agree with onnxruntime" in printed.out
    assert SYNTHETIC in printed.out
    assert "make the full-size model" in printed.err
    (made,) = (tmp_path / "cache" / "models" / "arcfaceresnet100-8").iterdir()
    assert made.stat().st_size == 261_036_388


def test_models_make_list_and_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "made" / "small.onnx"
    assert (
        main(
            [
                "models",
                "make",
                "arcfaceresnet100-8",
                "--width",
                "1/16",
                "--units",
                "1,1,1,1",
                "-o",
                str(target),
                "--json",
            ]
        )
        == 0
    )
    printed = capsys.readouterr()
    made = json.loads(printed.out)
    assert made["path"] == str(target)
    assert made["size_bytes"] == target.stat().st_size
    assert "no identity in them" in printed.err
    assert main(["models", "list"]) == 0
    assert "not on this machine" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    assert "arcfaceresnet100-8" in {row["name"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert main(["models", "path", "face-recognition-resnet100-arcface-onnx"]) == 3


def test_an_interrupt_is_status_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("refnet.cli.embed.image_names", interrupt)
    assert main(["embed", A]) == 130
    assert "interrupted" in capsys.readouterr().err
