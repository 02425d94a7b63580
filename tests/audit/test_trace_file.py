"""Traces: whole or refused, one tensor at a time."""

import io
import json
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from refnet.audit.trace_file import IMAGES, PROVENANCE, TraceFile, write_trace
from refnet.errors import InputError, MissingExtraError, RefnetError, UsageError

X = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
TENSORS = {"a/conv:0": np.arange(3.0), "shape": np.array([1, 3], dtype=np.int64), "empty": np.zeros((0, 2))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_trace(tmp_path / "t.npz", TENSORS.items(), X, {"model": "m.onnx", "engine": "reference", "model_note": ""})
    return tmp_path / "t.npz"


def test_what_is_written_is_read_back(path: Path) -> None:
    trace = TraceFile(path)
    assert trace.tensor_names == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert trace.tensor(name).dtype == tensor.dtype
        assert np.array_equal(trace.tensor(name), tensor)
    assert np.array_equal(trace.images, X)
    assert trace.provenance == {"schema_version": 1, "model": "m.onnx", "engine": "reference", "model_note": ""}
    assert trace.name == "trace t.npz"
    assert "trace's model: m.onnx" in trace.notes
    assert not any("model_note" in note for note in trace.notes)


def test_numpy_reads_it_and_writes_one_that_is_read(path: Path, tmp_path: Path) -> None:
    with np.load(path) as file:
        assert set(file) == {*TENSORS, IMAGES, PROVENANCE}
        assert np.array_equal(file["a/conv:0"], TENSORS["a/conv:0"])
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "other.npz", fc1=np.asfortranarray(np.ones((2, 3))), **{IMAGES: X})
        trace = TraceFile(tmp_path / "other.npz")
        assert np.array_equal(trace.tensor("fc1"), np.ones((2, 3)))
        assert trace.provenance == {}
        assert trace.notes == ()


def test_the_same_tensors_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_trace(tmp_path / "u.npz", TENSORS.items(), X, {"model": "m.onnx", "engine": "reference", "model_note": ""})
    assert (tmp_path / "u.npz").read_bytes() == path.read_bytes()


def test_tensors_come_and_go_one_by_one(tmp_path: Path) -> None:
    megabyte = 1 << 20
    tracemalloc.start()
    write_trace(tmp_path / "t.npz", ((f"t{i}", np.full(megabyte, i, np.uint8)) for i in range(16)), X, {})
    seen = sum(int(tensor[0]) for _, tensor in TraceFile(tmp_path / "t.npz").stream(X, {f"t{i}" for i in range(16)}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == sum(range(16))
    assert peak < 5 * megabyte


def test_only_the_tensors_asked_for_are_given(path: Path) -> None:
    assert [name for name, _ in TraceFile(path).stream(X, {"shape", "absent", IMAGES})] == ["shape"]


def test_other_images_than_its_own_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match=r"the images are not those that .*t\.npz was computed from; use its own"):
        next(TraceFile(path).stream(X + 1, {"shape"}))


def test_an_error_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield "a", X
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_trace(tmp_path / "t.npz", broken(), X, {})
    with pytest.raises(UsageError, match="two tensors are called 'a'"):
        write_trace(tmp_path / "t.npz", [("a", X), ("a", X)], X, {})
    with pytest.raises(UsageError, match=r"the suffix is '\.zip'; expected \.npz"):
        write_trace(tmp_path / "t.zip", [], X, {})
    assert list(tmp_path.iterdir()) == []


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no trace .*nowhere.npz"):
        TraceFile(tmp_path / "nowhere.npz")
    with pytest.raises(InputError, match=r"cannot be read \(it is a folder\)"):
        TraceFile(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match=r"not a trace \(.npz\), or damaged \(File is not a zip file\)"):
        TraceFile(tmp_path / "text.npz")
    with pytest.raises(InputError, match=r"holds no tensors; expected a \.npz with one array for each"):
        TraceFile(_archive(tmp_path / "none.npz", {"readme.txt": b"", f"{IMAGES}.npy": _npy(X)}))


def test_a_trace_without_images_says_so(tmp_path: Path) -> None:
    trace = TraceFile(_archive(tmp_path / "t.npz", {"a.npy": _npy(X)}))
    with pytest.raises(InputError, match="does not hold the images its tensors were computed from"):
        _ = trace.images
    assert [name for name, _ in trace.stream(X, {"a"})] == ["a"]
    with pytest.raises(InputError, match="holds no tensor 'b'"):
        trace.tensor("b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_npy(np.array([{}], dtype=object)), "it holds Python objects"),
        (b"not an array", "magic string is not correct"),
        (_npy(X)[:-4], "it promises 48 bytes, and has 44"),
        (_npy(X) + b"more", "it promises 48 bytes, and has 52"),
        (_npy(X).replace(b"(1, 3, 2, 2)", b"(9,3,999999)"), "it promises 107999892 bytes, and has fewer"),
        (_npy(X).replace(b"NUMPY\x01\x00", b"NUMPY\x03\x00"), r"it has version \(3, 0\) of the .npy format"),
    ],
)
def test_a_member_that_is_no_array_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    trace = TraceFile(_archive(tmp_path / "t.npz", {"a.npy": content}))
    with pytest.raises(InputError, match=f"tensor 'a' is damaged or not an array .*{message}"):
        trace.tensor("a")


def test_provenance_that_is_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="member '__provenance__' is not JSON text"):
        TraceFile(_archive(tmp_path / "t.npz", {"a.npy": _npy(X), f"{PROVENANCE}.npy": _npy(np.array("{"))}))


@given(data=st.data())
def test_a_damaged_trace_is_refused_or_right(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write_trace(folder / "t.npz", TENSORS.items(), X, {"model": "m"})
    content = bytearray((folder / "t.npz").read_bytes())
    if data.draw(st.booleans(), "truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1), "length")]
    else:
        place = data.draw(st.integers(0, len(content) - 1), "place")
        content[place] ^= data.draw(st.integers(1, 255), "change")
    (folder / "t.npz").write_bytes(content)
    try:
        trace = TraceFile(folder / "t.npz")
        for name in trace.tensor_names & TENSORS.keys():
            assert np.array_equal(trace.tensor(name), TENSORS[name])
    except RefnetError:
        pass


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    write_trace(tmp_path / "t.safetensors", TENSORS.items(), X, {"model": "m.onnx"})
    return tmp_path / "t.safetensors"


def test_a_safetensors_trace_is_what_its_package_reads(safe: Path) -> None:
    found = load_file(safe)
    assert set(found) == {*TENSORS, IMAGES}
    for name, tensor in {**TENSORS, IMAGES: X}.items():
        assert found[name].dtype == tensor.dtype
        assert np.array_equal(found[name], tensor)
    with safe_open(safe, framework="numpy") as file:
        assert json.loads(file.metadata()[PROVENANCE]) == {"schema_version": 1, "model": "m.onnx"}
    (length,) = struct.unpack("<Q", safe.read_bytes()[:8])
    assert length % 8 == 0


def test_a_safetensors_trace_is_read_back(safe: Path) -> None:
    trace = TraceFile(safe)
    assert trace.tensor_names == set(TENSORS)
    assert all(np.array_equal(trace.tensor(name), tensor) for name, tensor in TENSORS.items())
    assert [name for name, _ in trace.stream(X, {"shape", "a/conv:0"})] == ["a/conv:0", "shape"]
    assert "trace's model: m.onnx" in trace.notes
    with pytest.raises(InputError, match="holds no tensor 'fc1'"):
        trace.tensor("fc1")


def test_a_safetensors_file_of_another_program_is_a_trace(tmp_path: Path) -> None:
    save_file({"fc1": np.ones((2, 3), np.float32)}, tmp_path / "other.safetensors")
    trace = TraceFile(tmp_path / "other.safetensors")
    assert trace.provenance == {}
    assert trace.tensor("fc1").shape == (2, 3)
    with pytest.raises(InputError, match="does not hold the images"):
        _ = trace.images


@pytest.mark.parametrize("cut", [0, 5, 40, 300])
def test_a_damaged_safetensors_file_is_refused(safe: Path, cut: int) -> None:
    safe.write_bytes(safe.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"t\.safetensors: .* is damaged or no \.safetensors"):
        TraceFile(safe).tensor("shape")


def test_a_missing_safetensors_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        TraceFile(tmp_path / "absent.safetensors")


def test_without_safetensors_the_line_that_installs_it_is_given(safe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r'pip install "refnet\[safetensors\]"'):
        TraceFile(safe)


def test_what_a_safetensors_file_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for tensors in ([("c", np.ones(2, complex))], [("__metadata__", np.ones(2))], [("a", X), ("a", X)]):
        with pytest.raises(UsageError, match="cannot write"):
            write_trace(tmp_path / "t.safetensors", tensors, None, {})
    assert list(tmp_path.iterdir()) == []


def test_views_are_written_as_they_are_seen(tmp_path: Path) -> None:
    views = {
        "turned": X.transpose(0, 2, 3, 1),
        "spread": np.broadcast_to(1.5, (2, 3)),
        "big": np.arange(3.0).astype(">f8"),
    }
    write_trace(tmp_path / "t.safetensors", views.items(), None, {})
    found = load_file(tmp_path / "t.safetensors")
    assert all(np.array_equal(found[name], view) for name, view in views.items())
