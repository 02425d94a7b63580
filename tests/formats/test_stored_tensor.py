"""Weights that stay in their file: what is left there, what comes back, and files that change."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import external_data_helper, save_model

from refnet.errors import ModelError
from refnet.formats.onnx_reader import read_model
from refnet.formats.stored_tensor import StoredTensor
from refnet.graph import Constants, Graph, entries
from tests.formats.models import model, node, read, write

LARGE = np.random.default_rng(0).normal(size=(65, 64)).astype(np.float32)


def large_file(folder: Path) -> Path:
    """A model with one large weight."""
    return write(model([node("MatMul", ["x", "w"])], {"w": LARGE}, x=(1, 65)), folder)


def stored(graph: Graph) -> set[str]:
    """The constants that are not in memory."""
    return {name for name, entry in entries(graph.constants).items() if isinstance(entry, StoredTensor)}


def test_a_large_matrix_stays_in_its_file_and_comes_back_anew_each_time(tmp_path: Path) -> None:
    graph = read_model(large_file(tmp_path))
    assert stored(graph) == {"w"}
    first = graph.constants["w"]
    first[:] = 0
    assert np.array_equal(graph.constants["w"], LARGE)


@pytest.mark.parametrize(
    ("weight", "op"),
    [
        (np.ones((64, 64), np.float32), "Identity"),  # 4096 numbers
        (np.ones(5000, np.float32), "Identity"),  # a vector: whoever checks a variance looks at it
        (np.ones((65, 64), np.float64), "Identity"),  # converted
        (np.ones((65, 64), np.int64), "Identity"),
    ],
)
def test_what_is_small_a_vector_or_of_another_dtype_is_in_memory(tmp_path: Path, weight: np.ndarray, op: str) -> None:
    graph = read(model([node(op, ["w"])], {"w": weight}, x=None), tmp_path)
    assert stored(graph) == set()
    assert np.array_equal(graph.constants["w"], weight)


def test_external_data_stays_in_its_own_file(tmp_path: Path) -> None:
    proto = model([node("MatMul", ["x", "w"])], {"w": LARGE}, x=(1, 65))
    external_data_helper.convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    save_model(proto, tmp_path / "tiny.onnx")
    graph = read_model(tmp_path / "tiny.onnx")
    assert stored(graph) == {"w"}
    assert np.array_equal(graph.constants["w"], LARGE)


def test_a_file_that_was_replaced_is_refused(tmp_path: Path) -> None:
    path = large_file(tmp_path)
    graph = read_model(path)
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes())
    other.replace(path)
    with pytest.raises(ModelError, match=r"tiny\.onnx: the file has changed since the model was read; load the model"):
        graph.constants["w"]


def test_a_file_that_was_written_to_is_refused(tmp_path: Path) -> None:
    path = large_file(tmp_path)
    graph = read_model(path)
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\1")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ModelError, match="has changed since"):
        graph.constants["w"]


def test_a_file_that_has_gone_is_refused(tmp_path: Path) -> None:
    path = large_file(tmp_path)
    graph = read_model(path)
    path.unlink()
    with pytest.raises(ModelError, match=r"a weight is no longer to be had: no such file or directory; load the model"):
        graph.constants["w"]


def test_constants_are_copied_without_being_read(tmp_path: Path) -> None:
    path = large_file(tmp_path)
    constants = read_model(path).constants
    path.unlink()
    copy = Constants(constants)
    copy["more"] = np.zeros(3)
    assert set(copy) == {"w", "more"}
    assert set(constants) == {"w"}
    assert entries(copy)["w"].shape == (65, 64)
    del copy["w"]
    assert "w" in constants
