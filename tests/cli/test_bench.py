"""`refnet bench`: its tables, its JSON, and what it refuses."""

import json
from pathlib import Path

import pytest

from refnet.cli import main


def test_refnet_by_itself_is_measured(narrow_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["bench", str(narrow_path), "--alone", "--batch", "1", "2", "--threads", "1", "--rounds", "1", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [(row["batch"], row["threads"], row["runtime"]) for row in found["rows"]] == [
        (1, 1, "refnet"),
        (2, 1, "refnet"),
    ]
    assert found["machine"]["numba"]
    assert found["schema_version"] == 1


def test_layers_stand_beside_the_roofline(narrow_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(narrow_path), "--layers", "--batch", "2", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["roof"]["peak_gflops"] > 1
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1)
    assert all(0 <= (layer["share_of_roof"] or 0) <= 1 for layer in found["layers"])
    assert main(["bench", str(narrow_path), "--layers", "--batch", "1", "--threads", "1"]) == 0
    assert "GB/s from memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "0"], "--batch is 0; expected at least 1"),
        (["--threads", "-1"], "--threads is -1; expected at least 1"),
        (["--rounds", "0"], "--rounds is 0; expected at least 1"),
        (["--batch", "1000000000"], "its images take about"),
        (["--layers", "--batch", "9"], "--layers times at most 8 images"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(
    narrow_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["bench", str(narrow_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_runtime_that_is_asked_for_and_absent_is_named(
    narrow_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["bench", str(narrow_path), "--against", "ncnn"]) == 2
    assert "ncnn cannot be imported; install it, or leave it out of --against" in capsys.readouterr().err


def test_inspect_prints_the_plan(narrow_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(narrow_path), "--plan"]) == 0
    assert "winograd_3x3" in capsys.readouterr().out
    assert main(["inspect", str(narrow_path), "--plan", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert steps[1]["name"] == "conv0"
    assert steps[1]["shape"] == [4, 112, 112]
