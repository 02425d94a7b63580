"""Read the pickles in which verification sets are published, without running what is in them.

InsightFace's ``lfw.bin`` and its like are pickles of ``(images, same)``: a list of encoded images, each bytes or a uint8
array, and a list of truth values. A pickle is a program, and an untrusted one can do anything. Here its instructions
are looked through before one of them runs: only those that make tuples, lists, bytes, text, whole numbers and truth
values may occur, and of all names only those by which NumPy's own pickles make arrays; and those names do not mean
NumPy's functions here, but stand-ins that make uint8 arrays and nothing else.

Sources: Python's pickletools (the instructions); insightface recognition/_datasets_/lfw2pack.py and build_eval_pack.py.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError
from refnet.graph import Array

_LIMIT_BYTES = 4 << 30
ALLOWED = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "DUP",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
    ]
)


def read_safely(path: Path) -> Any:
    """The content of a pickle of lists, tuples, bytes, text, whole numbers, truth values and uint8 arrays.

    Raises
    ------
    InputError
        If the file is missing, is no pickle, is cut short, or asks for anything else; nothing of it has run then.
    """
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise InputError(f"{path}: the file has more than {_LIMIT_BYTES >> 30} GB; no verification set has")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    try:
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name not in ALLOWED:
                raise InputError(
                    f"{path}: the pickle is refused: it has the instruction {instruction.name} ({argument!r:.80})"
                )
        return _Unpickler(path, content).load()
    except InputError:
        raise
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a pickle, or damaged ({error!s:.120})") from None
    except (OverflowError, MemoryError, RecursionError, UnicodeDecodeError):
        raise InputError(f"{path}: the pickle is damaged: something in it is larger than the file") from None


class _Unpickler(pickle.Unpickler):
    """Knows no name but those below."""

    def __init__(self, path: Path, content: bytes):
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name of NumPy's pickles."""
        found = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise InputError(f"{self._path}: the pickle is refused: it asks for {module}.{name}")
        return found


class _Type:
    """Stands for numpy.dtype: uint8, or refused."""

    def __init__(self, code: Any, *flags: Any):
        del flags
        if code not in ("u1", b"u1", "uint8", b"uint8"):
            raise ValueError(f"an array of {code!r}; expected uint8")

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment: nothing to know of bytes."""


class _Marker:
    """Stands for numpy.ndarray, which is named and never called."""

    def __init__(self, *_: Any):
        raise ValueError("an array that is made by its class")


class _Array:
    """Stands for an array under construction."""

    def __init__(self, *_: Any):
        self.array: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, content = state
        self.array = _bytes_as_array(content, shape, dtype)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    del shape, code
    if kind is not _Marker:
        raise ValueError("an array of another class")
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    del order
    return _bytes_as_array(content, shape, dtype)


def _bytes_as_array(content: Any, shape: Any, dtype: Any) -> Array:
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Type):
        raise ValueError("an array that is not made of bytes")
    return np.frombuffer(bytes(content), np.uint8).reshape(shape)


def _encode(text: Any, encoding: Any) -> bytes:
    """Stands for _codecs.encode, by which old protocols write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise ValueError("text in another encoding than latin1")
    return text.encode("latin1")


_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): _Marker,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
}


def finished(value: Any) -> Any:
    """The bytes or the array that a value of a pickle stands for; the value itself otherwise."""
    return value.array if isinstance(value, _Array) else value
