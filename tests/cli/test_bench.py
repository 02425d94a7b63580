"""`refnet bench` and `refnet inspect --plan`: what they print, and what they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from refnet.bench import memory
from refnet.cli import bench as command
from refnet.cli import main
from refnet.fast import target

MACHINE = {"processor", "cores", "numpy", "numba", "python", "time"}


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> None:
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runtimes installed, one not; figures of round numbers instead of measurements."""

    def compare(_path: Path, there: list[str], batches: tuple[int, ...], threads: tuple[int, ...], *_: Any) -> Any:
        for count in threads:
            for batch in batches:
                yield [figures(name, batch, count) for name in ("refnet", *there)]

    monkeypatch.setattr(command, "compare", compare)
    monkeypatch.setattr(
        command, "installed", lambda names: (["onnxruntime"] if "onnxruntime" in names else [], ["ncnn", "mnn"])
    )


def figures(name: str, batch: int, threads: int) -> dict[str, Any]:
    return {
        "runtime": name, "version": "1.5", "start_seconds": 0.25, "peak_mib": 512.0, "batch": batch, "threads": threads,
        "milliseconds_per_image": 12.5, "least_milliseconds_per_image": 11.0, "times_as_slow": 2.25,
        "times_as_slow_range": [2.0, 3.0], "relative_difference": 1.5e-6, "round_medians_seconds": [0.0125],
    }  # fmt: skip


@pytest.mark.usefixtures("faked")
def test_the_table_has_a_line_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--batch", "1", "8", "--threads", "2"]) == 0
    printed = capsys.readouterr()
    where, head, *lines = printed.out.splitlines()
    assert "cores" in where or "core" in where
    assert head.split()[:3] == ["batch", "threads", "runtime"]
    assert [line.split() for line in lines] == [
        ["1", "2", "refnet", "1.5", "12.50", "11.00", "1.5e-06", "0.2", "512"],
        ["1", "2", "onnxruntime", "1.5", "12.50", "11.00", "2.25", "times", "2.00", "to", "3.00", "1.5e-06", "0.2", "512"],
        ["8", "2", "refnet", "1.5", "12.50", "11.00", "1.5e-06", "0.2", "512"],
        ["8", "2", "onnxruntime", "1.5", "12.50", "11.00", "2.25", "times", "2.00", "to", "3.00", "1.5e-06", "0.2", "512"],
    ]  # fmt: skip
    assert "not installed, and not measured: ncnn, mnn" in printed.err


@pytest.mark.usefixtures("faked")
def test_json_names_machine_model_and_every_row(capsys: pytest.CaptureFixture[str], narrow_path: Path) -> None:
    assert main(["bench", "--batch", "4", "--threads", "1", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == {"schema_version", "machine", "model", "rows"}
    assert (printed["schema_version"], printed["model"]) == (1, narrow_path.name)
    assert printed["machine"].keys() >= MACHINE
    assert printed["rows"] == [figures(name, 4, n) for n in (1, 2) for name in ("refnet", "onnxruntime")]


@pytest.mark.usefixtures("faked")
def test_a_runtime_that_was_asked_for_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--against", "ncnn"]) == 2
    assert "ncnn, mnn cannot be imported; install it, or leave it out of --against" in capsys.readouterr().err


def test_a_runtime_that_cannot_run_the_model_is_said_or_refused_if_it_was_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(*arguments: Any) -> Any:
        arguments[-1]("onnxruntime", "no such operator")
        yield [figures("refnet", 1, 1)]

    monkeypatch.setattr(command, "compare", compare)
    monkeypatch.setattr(command, "installed", lambda names: (list(names), []))
    assert main(["bench", "--batch", "1"]) == 0
    said = "onnxruntime cannot run narrow.onnx, and is not measured: no such operator"
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert main(["bench", "--batch", "1", "--against", "onnxruntime"]) == 2
    assert "onnxruntime cannot run narrow.onnx: no such operator" in capsys.readouterr().err.replace("\n", " ")


def test_refnet_alone_is_really_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--alone", "--batch", "1", "--threads", "1", "--rounds", "1", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert row.keys() == figures("refnet", 1, 1).keys()
    assert (row["runtime"], row["times_as_slow"]) == ("refnet", 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "0"], "--batch is 0; expected at least 1"),
        (["--threads", "1", "-2"], "--threads is -2; expected at least 1"),
        (["--rounds", "0"], "--rounds is 0; expected at least 1"),
        (["--against", "tensorrt"], "tensorrt"),
        (["--alone", "--against", "ncnn"], "give one of them"),
        (["--layers", "--alone"], "leave --against and --alone out"),
        (["--memory", "low"], "--memory low is for --layers"),
        (["nowhere.onnx"], "nowhere.onnx"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["bench", *arguments]) in (2, 3)
    printed = capsys.readouterr()
    assert message in printed.err.replace("\n", " ")
    assert printed.out == ""


def test_an_absurd_batch_is_refused_with_an_estimate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 16 * 10**9)
    assert main(["bench", "--alone", "--batch", "1", "1000000"]) == 2
    assert (
        "--batch 1,000,000 takes at least 301.1 GB for refnet; 16.0 GB are free. At most 53,146 images fit"
        in capsys.readouterr().err.replace("\n", " ")
    )


def test_nothing_is_measured_where_nothing_is_compiled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "COMPILED", False)
    assert main(["bench"]) == 2
    assert "NUMBA_DISABLE_JIT is set" in capsys.readouterr().err


def test_layers_are_printed_beside_the_roofline(capsys: pytest.CaptureFixture[str], narrow_path: Path) -> None:
    assert main(["bench", "--layers", "--batch", "1", "--threads", "1", "--rounds", "2"]) == 0
    out = capsys.readouterr().out
    assert f"{narrow_path.name}, batch 1, 1 thread" in out
    assert "whole run" in out
    assert "ceilings:" in out
    assert "stage3_unit2_conv1" in out
    assert "winograd_3x3" in out


def test_layers_as_json_for_any_batches_and_threads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--layers", "--batch", "1", "20", "--threads", "1", "2", "--rounds", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == {"schema_version", "machine", "model", "profiles"}
    profiles = printed["profiles"]
    assert [(one["batch"], one["threads"], one["images_at_once"]) for one in profiles] == [
        (1, 1, 1), (20, 1, 8), (1, 2, 1), (20, 2, 16),
    ]  # fmt: skip
    for one in profiles:
        assert sum(layer["share"] for layer in one["layers"]) == pytest.approx(1)
        assert one["all_layers_seconds"] == pytest.approx(sum(layer["seconds"] for layer in one["layers"]))
        assert {layer["bound"] for layer in one["layers"]} <= {"arithmetic", "L2", "memory"}
        assert one["ceilings"]["threads"] == one["threads"]


def test_inspect_prints_the_plan_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--plan"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["layer", "kernel", "output", "GFLOP", "executed", "weights", "activations", "expected", "together"]  # fmt: skip
    assert sum("winograd_3x3" in line for line in lines) > 50
    assert lines[-1].startswith("fc1")


def test_inspect_prints_the_plan_as_json(capsys: pytest.CaptureFixture[str], narrow_path: Path) -> None:
    assert main(["inspect", str(narrow_path), "--plan", "--threads", "3", "--memory", "low", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema_version"], printed["model"]) == (1, str(narrow_path))
    assert (printed["threads"], printed["memory"]) == (3, "low")
    layers = printed["layers"]
    assert layers[0].keys() == {
        "layer", "kernel", "output", "direct_flops", "executed_flops", "weight_bytes", "activation_bytes", "together", "kept_bytes",
        "bytes", "expected_share",
    }  # fmt: skip
    assert "stage4_unit3_conv2" in [layer["layer"] for layer in layers]
    assert sum(layer["expected_share"] for layer in layers) == pytest.approx(1)
