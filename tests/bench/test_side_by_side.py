"""Ratios of rounds, and runtimes that take turns as processes of their own."""

from pathlib import Path

import numpy as np
import pytest

from refnet.bench.side_by_side import Runner, compare, installed, row
from refnet.errors import RefnetError


def runner(name: str, rounds: list[list[float]]) -> Runner:
    return Runner(name, None, {"version": "1"}, rounds=rounds)  # type: ignore[arg-type]


def test_a_ratio_is_the_median_over_rounds_of_the_ratio_within_a_round() -> None:
    mine = runner("refnet", [[1.0, 2.0, 9.0], [4.0, 4.0, 4.0], [1.0, 1.0, 1.0]])  # medians 2, 4, 1
    theirs = runner("other", [[6.0, 6.0, 6.0], [4.0, 8.0, 9.0], [5.0, 1.0, 9.0]])  # medians 6, 8, 5
    outputs = {"refnet": np.ones((2, 4)), "other": np.ones((2, 4)) * [[1.1] * 4, [1.0] * 4]}
    found = row(theirs, mine, outputs, batch=2, threads=1)
    assert found["times_as_slow"] == 3
    assert found["times_as_slow_range"] == [2, 5]
    assert found["milliseconds_per_image"] == 3000
    assert found["least_milliseconds_per_image"] == 500
    assert found["relative_difference"] == pytest.approx(0.1)


def test_what_is_not_installed_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ncnn" else object())
    assert installed(["onnxruntime", "ncnn", "openvino"]) == (["onnxruntime", "openvino"], ["ncnn"])


def test_refnet_and_onnxruntime_take_turns_and_compute_the_same(narrow_path: Path) -> None:
    ((mine, theirs),) = compare(narrow_path, ["onnxruntime"], [2], [1], rounds=2)
    assert (mine["runtime"], theirs["runtime"]) == ("refnet", "onnxruntime")
    assert mine["times_as_slow"] == 1
    assert theirs["relative_difference"] < 1e-5
    assert len(theirs["round_medians_seconds"]) == 2
    assert mine["peak_mib"] > 10


def test_a_runtime_that_ends_is_named(narrow_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refnet.bench.side_by_side.forms_of", lambda *_: {"refnet": Path("/absent.onnx")})
    with pytest.raises(RefnetError, match="refnet ended with status 1 while it was measured"):
        [*compare(narrow_path, [], [1], [1], rounds=1)]
