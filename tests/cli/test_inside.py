"""`refnet trace` and `refnet stats`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import refnet
from refnet.cli import main
from refnet.faces.image import read_crop
from refnet.zoo.samples import sample_paths
from tests.comparison import assert_within

A, B = map(str, sample_paths()[:2])
LAYERS = ["--layers", "_plus2[12]", "--layers", "fc1"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))


def test_several_images_are_traced_into_safetensors(tmp_path: Path, narrow_path: Path) -> None:
    assert main(["trace", A, B, *LAYERS, "-o", str(tmp_path / "t.safetensors")]) == 0
    found = load_file(tmp_path / "t.safetensors")
    images = np.stack([read_crop(Path(image), 112, 112) for image in (A, B)])
    _, expected = refnet.load(narrow_path).trace(images, ["_plus2[12]", "fc1"])
    assert set(found) == {"__images__", "_plus21", "_plus22", "fc1"}
    for name, array in expected.items():
        assert_within(found[name], array, 0)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_trace_goes_on_from_tensors_of_another(tmp_path: Path, suffix: str) -> None:
    whole, start, rest = (tmp_path / f"{name}.{suffix}" for name in ("whole", "start", "rest"))
    assert main(["trace", A, *LAYERS, "-o", str(whole)]) == 0
    assert main(["trace", A, "--layers", "_plus21", "-o", str(start)]) == 0
    assert main(["trace", "--start", str(start), "--layers", "_plus22", "--layers", "fc1", "-o", str(rest)]) == 0
    load = np.load if suffix == "npz" else load_file
    assert_within(load(rest)["fc1"], load(whole)["fc1"], 0)
    assert_within(load(rest)["_plus22"], load(whole)["_plus22"], 0)


def test_units_and_channels_are_taken_out(tmp_path: Path) -> None:
    output = tmp_path / "t.npz"
    ablations = ["--ablate", "stage3_unit7", "--ablate", "conv0:1,3"]
    assert main(["trace", A, *LAYERS, "--layers", "conv0", *ablations, "-o", str(output)]) == 0
    with np.load(output) as found:
        assert_within(found["_plus22"], found["_plus21"], 0)
        assert not found["conv0"][:, [1, 3]].any()
        assert found["conv0"][:, 2].any()
        assert json.loads(str(found["__provenance__"]))["ablated"] == "stage3_unit7 conv0:1,3"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "t.npz"], 2, "there is nothing to compute from; give an image, or tensors with --start"),
        ([A, "-o", "t.txt"], 2, "the suffix is '.txt'; expected .npz or .safetensors"),
        ([A, "--ablate", "stage9_unit1", "-o", "t.npz"], 2, "no residual unit answers to 'stage9_unit1'"),
        ([A, "--ablate", "conv9:1", "-o", "t.npz"], 2, "cannot patch 'conv9': no node makes it"),
        ([A, "--ablate", "conv0:99", "-o", "t.npz"], 4, "tensor 'conv0' has no channel 99"),
        ([A, "--ablate", "conv0:1", "--ablate", "conv0:2", "-o", "t.npz"], 2, "--ablate names 'conv0' twice"),
        (["--start", "absent.npz", "-o", "t.npz"], 4, "there is no trace absent.npz"),
        (["--start", "start.safetensors", "--layers", "conv0", "-o", "t.npz"], 2, "need 'data', which is not given"),
        ([A, B, "--start", "start.safetensors", "--layers", "fc1", "-o", "t.npz"], 4, "different numbers of images"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_is_one_sentence_and_no_file(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"_plus21": np.ones((1, 16, 14, 14))}, "start.safetensors")
    assert main(["trace", *arguments]) == status
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["start.safetensors"]


def test_statistics_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", A, B, *LAYERS]) == 0
    assert "fc1" in capsys.readouterr().out
    assert main(["stats", A, B, *LAYERS, "--json", "-o", str(tmp_path / "s.csv")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema_version"], report["images"]) == (1, 2)
    assert list(report["tensors"]) == ["_plus21", "_plus22", "fc1"]
    assert len(report["bin_edges"]) == 82
    assert sum(report["tensors"]["fc1"]["histogram"]) == report["tensors"]["fc1"]["count"]
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tensor"] for row in rows] == list(report["tensors"])
    assert float(rows[0]["mean"]) == report["tensors"]["_plus21"]["mean"]
    assert main(["stats", A, "-o", str(tmp_path / "s.json"), *LAYERS]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["images"] == 1


def test_statistics_refuse_what_they_cannot_write_or_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", A, "-o", "s.xlsx"]) == 2
    assert "the suffix is '.xlsx'; expected .json or .csv" in capsys.readouterr().err
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    assert main(["stats", str(tmp_path / "small.png"), *LAYERS]) == 4
