"""Figures from given rounds, worked by hand; and a peer that is made of a few lines of Python."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refnet.bench import side_by_side
from refnet.bench.side_by_side import Runner, compare, installed, measure, row
from refnet.errors import RefnetError
from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph, Node, Tensor


def runner(name, rounds, process=None):
    return Runner(name, process, {"version": "1"}, rounds=rounds)


def test_a_ratio_is_the_median_over_rounds_of_the_ratio_of_a_rounds_medians():
    """The machine is ten times as slow in the third round, for both: the ratio does not notice."""
    ours = runner("refnet", [[1.0, 3.0, 1.0], [2.0], [10.0, 10.0]])
    theirs = runner("peer", [[2.0], [5.0, 6.0, 7.0], [40.0]])
    outputs = {"refnet": np.array([[3.0, 4.0]]), "peer": np.array([[3.0, 4.5]])}
    found = row(theirs, ours, outputs, batch=1, threads=2)
    assert found["times_as_slow"] == 3.0  # of 2, 3, 4
    assert found["times_as_slow_range"] == [2.0, 4.0]
    assert found["milliseconds_per_image"] == 6000.0  # of 2, 6, 40
    assert found["least_milliseconds_per_image"] == 2000.0
    assert found["relative_difference"] == pytest.approx(0.1)
    assert found["round_medians_seconds"] == [2.0, 6.0, 40.0]
    assert (found["runtime"], found["version"], found["batch"], found["threads"]) == ("peer", "1", 1, 2)


def test_times_are_divided_by_the_batch_and_differences_are_the_worst_of_it():
    ours = runner("refnet", [[4.0]])
    outputs = {"refnet": np.array([[1.0], [2.0]]), "peer": np.array([[1.0], [3.0]])}
    found = row(runner("peer", [[8.0]]), ours, outputs, batch=2, threads=1)
    assert found["milliseconds_per_image"] == 4000.0
    assert found["relative_difference"] == 0.5
    assert row(ours, ours, outputs, batch=2, threads=1)["times_as_slow"] == 1.0


def test_what_cannot_be_imported_is_absent(monkeypatch):
    monkeypatch.setitem(side_by_side.RUNTIMES, "mnn", (None, "no_such_module_anywhere"))
    assert installed(["refnet", "mnn", "onnxruntime"]) == (["refnet", "onnxruntime"], ["mnn"])


def test_refnet_alone_runs_in_a_process_and_agrees_with_itself(narrow_path):
    [[row]] = list(compare(narrow_path, [], [2], [1], rounds=2, leave_out=refuse))
    assert (row["runtime"], row["batch"], row["threads"]) == ("refnet", 2, 1)
    assert (row["times_as_slow"], row["relative_difference"]) == (1.0, 0.0)
    assert len(row["round_medians_seconds"]) == 2
    assert row["peak_mib"] > 50


def test_every_batch_and_number_of_threads_is_measured(narrow_path):
    found = list(compare(narrow_path, ["onnxruntime", "refnet-low"], [1, 3], [1], rounds=1, leave_out=refuse))
    assert [(rows[0]["batch"], rows[0]["threads"]) for rows in found] == [(1, 1), (3, 1)]
    for rows in found:
        assert [row["runtime"] for row in rows] == ["refnet", "onnxruntime", "refnet-low"]
        assert rows[1]["relative_difference"] < 1e-4
        assert rows[2]["relative_difference"] == 0.0


def test_a_runtime_that_ends_while_it_is_measured_is_named():
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.exit(7)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process, pytest.raises(RefnetError, match="peer ended with status 7 while it was measured"):
        runner("peer", [], process).answer()


def refuse(name, reason):
    raise AssertionError(f"{name}: {reason}")


@pytest.fixture
def started(monkeypatch):
    """The processes that a test starts."""
    found, popen = [], subprocess.Popen

    def noted(command, **options):
        found.append(popen(command, **options))
        return found[-1]

    monkeypatch.setattr(side_by_side.subprocess, "Popen", noted)
    return found


def test_a_peer_that_cannot_run_the_model_is_left_out_and_no_process_stays(narrow_path, started):
    forms = {"refnet": narrow_path, "onnxruntime": Path("/no/such/model")}
    reasons = []
    found = measure(forms, 1, 1, 1, np.zeros((1, 3, 112, 112), np.float32), lambda *why: reasons.append(why))
    assert [row["runtime"] for row in found] == ["refnet"]
    [(name, reason)] = reasons
    assert name == "onnxruntime"
    assert "/no/such/model" in reason
    assert list(forms) == ["refnet"]
    assert [process.poll() is not None for process in started] == [True, True]


def test_refnet_is_never_left_out(started):
    images = np.zeros((1, 3, 112, 112), np.float32)
    with pytest.raises(RefnetError, match="/no/such/model"):
        measure({"refnet": Path("/no/such/model")}, 1, 1, 1, images, refuse)
    assert [process.poll() is not None for process in started] == [True]


def test_a_model_without_words_in_a_peers_format_leaves_the_peer_out(tmp_path):
    image = Tensor("x", "float32", (1, 4, 4, 4))
    graph = Graph(
        "one", (image,), (replace(image, name="y"),), (Node("soft", "Softmax", ("x",), "y", {"axis": 1}),), {}
    )
    write_model(graph, tmp_path / "soft.onnx", like="modern")
    reasons = []
    [[row]] = list(compare(tmp_path / "soft.onnx", ["ncnn"], [1], [1], 1, lambda *why: reasons.append(why)))
    assert row["runtime"] == "refnet"
    assert reasons == [("ncnn", "node 'soft' (Softmax) is not written for ncnn")]
