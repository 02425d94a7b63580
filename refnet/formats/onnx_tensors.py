"""ONNX tensors to arrays: every place and every encoding in which a file may keep numbers.

Source: onnx.proto, TensorProto. Does not cover strings, complex numbers, bfloat16, nor anything of 8 bits or fewer
but bool.
"""

import os
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import DTypeLike

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.notes import Notes
from refnet.formats.onnx_forms import DATA_TYPES
from refnet.formats.stored_tensor import Identity, StoredTensor, identity, read_numbers, refuse_not_finite, stays
from refnet.formats.wire import Span
from refnet.graph import Array, Stored
from refnet.opening import open_regular, said_by_system

DTYPES = {number: np.dtype(name) for name, number in DATA_TYPES.items()}

# The list that holds the numbers of a data type where they are not raw, and TensorProto's field number for it.
_LISTS = {
    1: ("float_data", 4),
    6: ("int32_data", 5),
    7: ("int64_data", 7),
    9: ("int32_data", 5),
    10: ("int32_data", 5),
    11: ("double_data", 10),
}
_RAW = 9


class Home(NamedTuple):
    """Where tensors come from: the open model file and its path, in whose folder external data must be; what is noted."""

    file: BufferedReader
    path: Path
    notes: Notes


def read_tensor(tensor: onnx.TensorProto, what: str, home: Home, span: Span | None = None) -> Array:
    """Read a tensor's numbers into an array of its own.

    Parameters
    ----------
    tensor : onnx.TensorProto
        Without its numbers, if they are at `span`.
    what : str
        For errors.
    home : Home
    span : Span, optional
        Where in the file the numbers lie.

    Returns
    -------
    Array of float32, int32, int64 or bool; float16 and float64 are converted to float32.

    Raises
    ------
    UnsupportedModelError
        If the dtype or the way of storing it is not implemented, or a float64 is too small for float32.
    ModelError
        If there are not as many numbers as the shape says, or one of them is NaN or infinite.
    """
    return _read(tensor, what, home, span)[0]


def look_through(tensor: onnx.TensorProto, what: str, home: Home, span: Span | None) -> Array | Stored:
    """As `read_tensor`, but a large tensor that lies in a file as it does in memory is left there."""
    array, place = _read(tensor, what, home, span)
    if place is None or not stays(DTYPES[tensor.data_type], array.shape):
        return array
    return StoredTensor(place.path, place.identity, place.offset, array.shape)


class _Place(NamedTuple):
    """Where in a file numbers begin."""

    path: Path
    identity: Identity
    offset: int


def _read(tensor: onnx.TensorProto, what: str, home: Home, span: Span | None) -> tuple[Array, _Place | None]:
    """The array, and where it lies in a file as it does in memory, if it does."""
    if tensor.data_type not in DTYPES:
        said = _data_type_name(tensor.data_type)
        raise UnsupportedModelError(f"{what} has dtype {said}; refnet implements {', '.join(DATA_TYPES)}")
    if tensor.HasField("segment"):
        raise UnsupportedModelError(f"{what} is stored in segments; refnet implements whole tensors")
    shape = tuple(tensor.dims)
    if any(extent < 0 for extent in shape):
        raise ModelError(f"{what} has shape {shape}; expected extents of at least 0")
    dtype = DTYPES[tensor.data_type]
    array, place = _numbers(tensor, what, dtype, _count(shape), home, span)
    try:
        array = array.reshape(shape)
    except ValueError:
        raise ModelError(f"{what} has shape {shape}, which no array can have; the file is damaged") from None
    if dtype.kind == "f":
        if dtype != np.float32:
            home.notes.add(f"the file keeps it as {dtype}; it is converted to float32", what)
        kept = array
        with np.errstate(over="ignore", under="ignore"):
            array = kept.astype(np.float32, copy=False)
        refuse_not_finite(what, array)
        if dtype == np.float64:
            _refuse_too_small(what, kept, array)
    return array, place


def _numbers(
    tensor: onnx.TensorProto, what: str, dtype: np.dtype, count: int, home: Home, span: Span | None
) -> tuple[Array, _Place | None]:
    """The numbers in a row, from wherever they are, and where that is, if it is a place in a file."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _external(tensor, what, dtype, count, home.path.parent)
    field, number = _LISTS[tensor.data_type]
    if span is not None:
        if span.field not in (_RAW, number):
            raise ModelError(f"{what} has dtype {dtype}, but its numbers are of another; export the model again")
        _check_size(what, span.size_bytes, dtype, count)
        place = _Place(home.path, identity(home.file), span.offset)
        return read_numbers(home.file, span.offset, dtype, count), place
    values = getattr(tensor, field)
    if tensor.HasField("raw_data"):
        if values:
            raise ModelError(f"{what} holds its numbers twice, raw and as {field}; export the model again")
        _check_size(what, len(tensor.raw_data), dtype, count)
        return np.frombuffer(tensor.raw_data, dtype=_stored(dtype)).astype(dtype), None
    if len(values) != count:
        raise ModelError(f"{what} holds {len(values)} numbers in {field}; its shape asks for {count}")
    if dtype == np.float16:
        bits = np.array(values, dtype=np.int32)  # float16 is kept as its 16 bits
        return bits.astype(np.uint16).view(np.float16), None
    return np.array(values, dtype=dtype), None


def _refuse_too_small(what: str, kept: Array, array: Array) -> None:
    """Refuse float64 numbers that are not 0 and lie below what float32 holds with full precision."""
    lost = (kept != 0) & (abs(array) < np.finfo(np.float32).smallest_normal)
    if lost.any():
        raise UnsupportedModelError(
            f"{what} holds {kept[lost].flat[0]:g} as float64; refnet keeps weights in float32, which does not hold that"
        )


def _external(
    tensor: onnx.TensorProto, what: str, dtype: np.dtype, count: int, folder: Path
) -> tuple[Array, _Place | None]:
    """Read numbers from a file beside the model."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    unknown = set(said) - {"location", "offset", "length", "checksum"}
    if unknown or "location" not in said:
        raise UnsupportedModelError(
            f"{what} is external and says {sorted(said)}; refnet implements location, offset, length, checksum"
        )
    location = said["location"]
    path = Path(location)
    if path.is_absolute() or ".." in path.parts or "\\" in location or "\0" in location:
        raise ModelError(f"{what} is external, in {location!r}; refnet reads only files in the model's folder")
    if not Path(os.path.realpath(folder / path)).is_relative_to(os.path.realpath(folder)):
        raise ModelError(
            f"{what} is external, in {location!r}, a link that leads out of the model's folder; "
            "copy the file itself there"
        )
    try:
        offset, length = int(said.get("offset", 0)), int(said.get("length", count * dtype.itemsize))
        if offset < 0:
            raise ValueError
    except ValueError:
        raise ModelError(
            f"{what} is external at offset {said.get('offset')!r}, length {said.get('length')!r}; "
            "expected whole numbers of bytes"
        ) from None
    _check_size(what, length, dtype, count)
    try:
        with open_regular(folder / path) as file:
            available = file.seek(0, 2)
            if offset + length > available:
                raise ModelError(
                    f"{what} is external, in bytes {offset} to {offset + length} of {location!r}, "
                    f"which has only {available}; download or copy that file again"
                )
            return read_numbers(file, offset, dtype, count), _Place(folder / path, identity(file), offset)
    except OSError as error:
        raise ModelError(
            f"{what} is external, in {location!r}, which cannot be read ({said_by_system(error)}); put that file beside the model"
        ) from error


def _check_size(what: str, size_bytes: int, dtype: np.dtype, count: int) -> None:
    """Refuse a number of bytes that is not that of the shape."""
    if size_bytes != count * dtype.itemsize:
        raise ModelError(
            f"{what} has {size_bytes} bytes of numbers; its shape asks for {count} of {dtype}, "
            f"{count * dtype.itemsize} bytes"
        )


def _count(shape: tuple[int, ...]) -> int:
    """Elements of a shape, in integers that do not overflow."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def _stored(dtype: np.dtype) -> DTypeLike:
    """How a file keeps a dtype: little-endian, and truth values as bytes."""
    return np.uint8 if dtype == np.bool_ else dtype.newbyteorder("<")


def _data_type_name(number: int) -> str:
    """What onnx calls a data type, in small letters."""
    try:
        return str(onnx.TensorProto.DataType.Name(number)).lower()
    except ValueError:
        return f"number {number}, which ONNX does not know"
