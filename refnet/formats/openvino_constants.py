"""The .bin of an OpenVINO model: the constants of the .xml, by offset and size, little-endian, with nothing between.

Constants of the same content may share their bytes. Other overlaps are refused: in a sound file there are none, and a
damaged offset would give a network of other numbers. Source: OpenVINO's documentation of its representation, and the
files that its Model Optimizer writes.
"""

import math
from collections.abc import Sequence
from io import BufferedReader
from itertools import pairwise
from pathlib import Path

import numpy as np

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.notes import Notes
from refnet.formats.openvino_xml import Layer, whole_numbers
from refnet.formats.stored_tensor import StoredTensor, identity, read_numbers, refuse_not_finite, stays
from refnet.graph import Array, Stored
from refnet.opening import open_regular, said_by_system

DTYPES = {
    name: np.dtype(dtype)
    for name, dtype in {"f32": "float32", "f16": "float16", "f64": "float64", "i64": "int64", "i32": "int32"}.items()
}


def read_constants(layers: Sequence[Layer], path: Path, notes: Notes) -> dict[int, Array | Stored]:
    """Read the constants of a model.

    Parameters
    ----------
    layers : the layers of type Const
    path : Path
        Of the .bin.
    notes : Notes

    Returns
    -------
    {number of the layer: float32, int32 or int64}; large float32 constants stay in the file.

    Raises
    ------
    ModelError
        If the file is missing or too short, a constant's size is not that of its shape, or two of them overlap, or one
        is not finite.
    UnsupportedModelError
        If a constant is of another type, as those of quantised models are.
    """
    if not layers:
        return {}
    places = {layer.number: _place(layer) for layer in layers}
    _refuse_overlaps(layers, places)
    try:
        with open_regular(path) as file:
            size_bytes = file.seek(0, 2)
            for layer in layers:
                offset, length = places[layer.number]
                if offset + length > size_bytes:
                    raise ModelError(
                        f"{layer}: it is in bytes {offset} to {offset + length} of {path.name}, which has only "
                        f"{size_bytes}; copy that file again"
                    )
            return {layer.number: _read(layer, places[layer.number][0], file, path, notes) for layer in layers}
    except OSError as error:
        raise ModelError(
            f"its weights are in {path.name}, which cannot be read ({said_by_system(error)}); put that file beside the .xml"
        ) from error


def _place(layer: Layer) -> tuple[int, int]:
    """Where a constant lies: offset and size in bytes."""
    kind = layer.said.get("element_type", "")
    if kind not in DTYPES:
        raise UnsupportedModelError(f"{layer}: element_type is {kind!r}; refnet implements {', '.join(DTYPES)}")
    unknown = set(layer.said) - {"element_type", "shape", "offset", "size"}
    if unknown:
        raise UnsupportedModelError(f"{layer}: it says {', '.join(sorted(unknown))}, which refnet does not know")
    (offset,), (length,) = (
        whole_numbers(layer.said.get(key, ""), f"{layer}: {key}")[:1] or (-1,) for key in ("offset", "size")
    )
    shape = _shape(layer)
    wanted = math.prod(shape) * DTYPES[kind].itemsize
    if any(extent < 0 for extent in shape) or length != wanted:
        raise ModelError(f"{layer}: size is {length} bytes; its shape {shape} of {kind} asks for {wanted}")
    if offset < 0 or offset % 2:
        raise ModelError(f"{layer}: offset is {offset}; expected an even number of bytes, at least 0")
    return offset, length


def _shape(layer: Layer) -> tuple[int, ...]:
    """The shape of a constant."""
    return whole_numbers(layer.said.get("shape", ""), f"{layer}: shape")


def _refuse_overlaps(layers: Sequence[Layer], places: dict[int, tuple[int, int]]) -> None:
    """Refuse constants that share some of their bytes, but not all."""
    ordered = sorted((layer for layer in layers if places[layer.number][1]), key=lambda layer: places[layer.number])
    for before, after in pairwise(ordered):
        (first, length), (second, _) = places[before.number], places[after.number]
        if places[before.number] != places[after.number] and second < first + length:
            raise ModelError(
                f"{before} and {after} overlap: bytes {first} to {first + length}, and from {second} on; "
                "the .xml is damaged, copy it again"
            )


def _read(layer: Layer, offset: int, file: BufferedReader, path: Path, notes: Notes) -> Array | Stored:
    """One constant, or where it stays."""
    dtype, shape = DTYPES[layer.said["element_type"]], _shape(layer)
    try:
        array = read_numbers(file, offset, dtype, math.prod(shape)).reshape(shape)
    except ValueError:
        raise ModelError(f"{layer}: no array can have the shape {shape}; the .xml is damaged") from None
    if dtype.kind == "f":
        if dtype != np.float32:
            notes.add(f"the file keeps it as {dtype}; it is converted to float32", str(layer))
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        refuse_not_finite(str(layer), array)
    if dtype == np.float32 and stays(dtype, shape):
        return StoredTensor(path, identity(file), offset, shape)
    return array
