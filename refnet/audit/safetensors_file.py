"""Tensors by name in a ``.safetensors`` file, written as they come and read one at a time.

The format (github.com/huggingface/safetensors, README, "Format"): eight bytes that tell the length of a JSON header, the
header, then the tensors end to end, little-endian, in C order. The header stands first and tells every offset, so the
tensors are collected in a file beside the target before they follow it: the safetensors package would hold all of them
in memory. It reads them here.
"""

import contextlib
import json
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refnet.errors import InputError, MissingExtraError, UsageError
from refnet.graph import Array
from refnet.opening import open_regular, reading

DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
METADATA = "__metadata__"
ALIGNMENT = 8  # bytes to which the header is filled up with spaces


def write_tensors(
    file: BinaryIO, folder: Path, tensors: Iterable[tuple[str, Array]], metadata: Mapping[str, str]
) -> None:
    """Write a file of tensors with unique names; one is in memory at a time.

    Parameters
    ----------
    file : open for writing
    folder : where the tensors may be collected, as large as they are together
    tensors : (name, array) pairs
    metadata : what else to say, text by name

    Raises
    ------
    UsageError
        If a tensor has a dtype or a name that the format does not know.
    """
    header: dict[str, object] = {METADATA: dict(metadata)}
    with tempfile.TemporaryFile(dir=folder) as collected:
        for name, array in tensors:
            if name == METADATA or array.dtype.name not in DTYPES:
                raise UsageError(
                    f"cannot write tensor {name!r} of dtype {array.dtype} as .safetensors; it knows {', '.join(DTYPES)}, "
                    f"and keeps the name {METADATA} for itself"
                )
            start = collected.tell()
            little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            collected.write(little.data if little.size else b"")
            header[name] = {
                "dtype": DTYPES[array.dtype.name],
                "shape": list(array.shape),
                "data_offsets": [start, collected.tell()],
            }
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        file.write(struct.pack("<Q", len(text)) + text)
        collected.seek(0)
        shutil.copyfileobj(collected, file, 1 << 20)


class SafetensorsFile:
    """A ``.safetensors`` file; tensors are read when they are asked for.

    Attributes
    ----------
    names : what it holds, in the order of the file.
    metadata : what else it says.

    Raises
    ------
    InputError
        If the file is missing, or damaged.
    MissingExtraError
        If the safetensors package is not installed.
    """

    def __init__(self, path: Path):
        try:
            from safetensors import safe_open
        except ImportError as error:
            raise MissingExtraError(
                f'reading {path.name} needs safetensors; install it: pip install "refnet[safetensors]"'
            ) from error
        self._path = path
        with self._explained("the file"):
            open_regular(path).close()  # the package opens whatever it is given
            opened: Any = safe_open  # the package's methods have no types
            self._file = opened(path, framework="numpy")
            self.names: list[str] = list(self._file.offset_keys())
            self.metadata: dict[str, str] = self._file.metadata() or {}

    def tensor(self, name: str) -> Array:
        """One tensor by its name."""
        with self._explained(f"tensor {name!r}"):
            return np.asarray(self._file.get_tensor(name))

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """What the package cannot read, as an InputError."""
        with reading(self._path, InputError, f"{what} is damaged or no .safetensors that NumPy can hold"):
            try:
                yield
            except FileNotFoundError:
                raise InputError(f"there is no file {self._path}") from None
