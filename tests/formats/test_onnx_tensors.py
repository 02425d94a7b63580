"""Numbers out of every place and every encoding, and what is refused of them."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import DTypeLike
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_reader import read_model
from refnet.graph import Array
from tests.formats.models import model, node, read, write

SIZES = [4, 4096]  # one stays in the skeleton, one is read from its place in the file


def drawn(dtype: DTypeLike, count: int) -> Array:
    """Seeded numbers of a dtype; halves hold their values exactly in float32, doubles do not."""
    rng = np.random.default_rng(count)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=(2, count // 2)).astype(dtype)
    return rng.integers(-3 if np.dtype(dtype).kind == "i" else 0, 2, size=(2, count // 2)).astype(dtype)


def read_weight(tensor: TensorProto, folder: Path) -> Array:
    """The tensor as refnet reads it when a node uses it."""
    return read(model([node("Identity", ["w"])], {"w": tensor}, x=None), folder).constants["w"]


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "list"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "bool"])
def test_every_encoding_reads_as_the_onnx_package_reads_it(tmp_path: Path, dtype: str, size: int, raw: bool) -> None:
    values = drawn(dtype, size)
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    content = numpy_helper.from_array(values).raw_data if raw else values.reshape(-1).tolist()
    tensor = helper.make_tensor("w", kind, values.shape, content, raw=raw)
    expected = numpy_helper.to_array(tensor)
    actual = read_weight(tensor, tmp_path)
    assert actual.dtype == (np.float32 if expected.dtype.kind == "f" else expected.dtype)
    assert np.array_equal(actual, expected.astype(actual.dtype))
    assert actual.flags.aligned
    assert actual.flags.writeable
    assert actual.flags.owndata or actual.base is not None


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_conversion_to_float32_is_noted(tmp_path: Path, dtype: str) -> None:
    graph = read(model([node("Add", ["x", "w"])], {"w": np.ones(1, dtype)}), tmp_path)
    assert graph.source.notes == (f"tensor 'w': the file keeps it as {dtype}; it is converted to float32",)


def test_a_scalar_and_an_empty_tensor_keep_their_shapes(tmp_path: Path) -> None:
    weights = {"s": np.array(2, np.float32), "e": np.zeros((0, 3), np.float32)}
    proto = model([node("Identity", ["s"]), node("Identity", ["e"], ["z"])], weights, x=None, outputs=("y", "z"))
    constants = read(proto, tmp_path).constants
    assert constants["s"].shape == ()
    assert constants["e"].shape == (0, 3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("bad", "said"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_weight_that_is_not_finite_is_named(tmp_path: Path, size: int, bad: float, said: str) -> None:
    values = drawn("float32", size)
    values[1, 1] = bad
    with pytest.raises(ModelError, match=rf"tensor 'w' is {said} at \(1, 1\), as float32; expected finite numbers"):
        read_weight(numpy_helper.from_array(values, "w"), tmp_path)


def test_a_double_too_large_for_float32_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tensor 'w' is inf at \(0,\), as float32"):
        read_weight(numpy_helper.from_array(np.array([1e300]), "w"), tmp_path)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "list"])
def test_too_few_numbers_are_refused(tmp_path: Path, size: int, raw: bool) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [size], bytes(4 * size) if raw else [0.0] * size, raw=raw)
    tensor.dims[0] = size + 1
    sentence = (
        rf"tensor 'w' (has {4 * size} bytes of numbers; its shape asks for {size + 1} of float32|holds {size} numbers)"
    )
    with pytest.raises(ModelError, match=sentence):
        read_weight(tensor, tmp_path)


@pytest.mark.parametrize("value", [1e-310, -1e-60])
def test_float64_numbers_that_float32_loses_are_refused(tmp_path: Path, value: float) -> None:
    tensor = helper.make_tensor("w", TensorProto.DOUBLE, [2], [1.0, value])
    sentence = f"tensor 'w' holds {value:g} as float64; refnet keeps weights in float32, which does not hold that"
    with pytest.raises(ModelError, match=sentence):
        read_weight(tensor, tmp_path)


@pytest.mark.parametrize("size", SIZES)
def test_numbers_of_another_kind_are_refused(tmp_path: Path, size: int) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [size], [0.0] * size)
    tensor.data_type = TensorProto.DOUBLE
    with pytest.raises(
        ModelError, match=r"tensor 'w' (holds 0 numbers in double_data|has dtype float64, but its numbers)"
    ):
        read_weight(tensor, tmp_path)


def test_numbers_given_twice_are_refused(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1], float_data=[1.0], raw_data=bytes(4))
    with pytest.raises(ModelError, match="tensor 'w' holds its numbers twice, raw and as float_data"):
        read_weight(tensor, tmp_path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [(TensorProto.BFLOAT16, "bfloat16"), (TensorProto.INT8, "int8"), (TensorProto.STRING, "string"), (99, "number 99")],
)
def test_a_dtype_without_meaning_here_is_refused(tmp_path: Path, kind: int, said: str) -> None:
    sentence = f"tensor 'w' has dtype {said}.*; refnet implements float32, int32, int64, bool, float16, float64"
    with pytest.raises(UnsupportedModelError, match=sentence):
        read_weight(TensorProto(name="w", data_type=kind, dims=[0]), tmp_path)


def test_a_dtype_without_meaning_is_no_matter_where_no_node_reads_it(tmp_path: Path) -> None:
    unread = TensorProto(name="unread", data_type=TensorProto.INT8, dims=[1], raw_data=b"\0")
    graph = read(model([node("Relu", ["x"])], {"unread": unread}), tmp_path)
    assert graph.constants == {}
    assert graph.source.notes == ("tensor 'unread': no node reads this weight, and it was left out",)


@pytest.mark.parametrize("dims", [[-1], [0, 2**62, 2**62], [0] * 80])
def test_a_shape_that_no_array_has_is_refused(tmp_path: Path, dims: list[int]) -> None:
    with pytest.raises(ModelError, match=r"tensor 'w' has shape .*(expected extents of at least 0|no array can have)"):
        read_weight(TensorProto(name="w", data_type=1, dims=dims), tmp_path)


def test_segments_are_refused(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1], segment=TensorProto.Segment(begin=0, end=1))
    with pytest.raises(UnsupportedModelError, match="tensor 'w' is stored in segments"):
        read_weight(tensor, tmp_path)


def external(folder: Path, **said: str) -> Path:
    """A model whose weight (2, 512) lies in weights.bin, or where `said` says."""
    tensor = TensorProto(name="w", data_type=1, dims=[2, 512], data_location=TensorProto.EXTERNAL)
    for key, value in said.items():
        tensor.external_data.add(key=key, value=value)
    return write(model([node("Identity", ["w"])], {"w": tensor}, x=None), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with weights.bin, 8 bytes and then 1,024 numbers; a folder beside it has the same."""
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").write_bytes(bytes(8) + drawn("float32", 1024).astype("<f4").tobytes())
    return tmp_path / "here"


def test_external_weights_are_read_at_their_offset(folder: Path) -> None:
    path = external(folder, location="weights.bin", offset="8", length="4096", checksum="unused")
    assert np.array_equal(read_model(path).constants["w"], drawn("float32", 1024))


def test_external_weights_are_read_as_the_onnx_package_writes_them(tmp_path: Path) -> None:
    proto = model([node("Identity", ["w"])], {"w": drawn("float32", 4096)}, x=None)
    external_data_helper.convert_model_to_external_data(proto, location="all.data", size_threshold=0)
    onnx.save(proto, tmp_path / "external.onnx")
    assert (tmp_path / "all.data").stat().st_size == 4 * 4096
    assert np.array_equal(read_model(tmp_path / "external.onnx").constants["w"], drawn("float32", 4096))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"location": "../elsewhere/weights.bin"}, "refnet reads only files in the model's folder"),
        ({"location": "/etc/hostname"}, "refnet reads only files in the model's folder"),
        ({"location": "..\\weights.bin"}, "refnet reads only files in the model's folder"),
        ({"location": "link.bin"}, "'link.bin', a link that leads out of the model's folder; copy the file itself"),
        ({"location": "linked/weights.bin"}, "a link that leads out of the model's folder"),
        (
            {"location": "absent.bin"},
            "which cannot be read (no such file or directory); put that file beside the model",
        ),
        ({"location": ""}, "which cannot be read"),
        ({"location": "weights.bin", "offset": "9"}, "in bytes 9 to 4105 of 'weights.bin', which has only 4104"),
        (
            {"location": "weights.bin", "length": "4095"},
            "has 4095 bytes of numbers; its shape asks for 1024 of float32",
        ),
        ({"location": "weights.bin", "offset": "-4"}, "is external at offset '-4'"),
        ({"location": "weights.bin", "offset": "many"}, "offset 'many', length None; expected whole numbers of bytes"),
        ({"offset": "8"}, "is external and says ['offset']; refnet implements location, offset, length, checksum"),
        ({"location": "weights.bin", "cipher": "x"}, "is external and says ['cipher', 'location']"),
    ],
)
def test_external_weights_that_are_not_in_the_folder_are_refused(
    folder: Path, said: dict[str, str], sentence: str
) -> None:
    (folder / "link.bin").symlink_to(folder.parent / "elsewhere" / "weights.bin")
    (folder / "linked").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(ModelError, match=re.escape(sentence)):
        read_model(external(folder, **said))


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(model([node("Identity", ["w"])], {"w": drawn("float32", 4096)}, x=None), tmp_path)
    parse = onnx.ModelProto.FromString

    class Shrinking:
        @staticmethod
        def FromString(data: bytes) -> onnx.ModelProto:  # noqa: N802
            path.write_bytes(path.read_bytes()[:1000])
            return parse(data)

    monkeypatch.setattr(onnx, "ModelProto", Shrinking)
    with pytest.raises(ModelError, match="the file became shorter while it was read"):
        read_model(path)
