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
from refnet.opening import read_bytes, reading

_LIMIT_BYTES = 4 << 30
ALLOWED = frozenset([
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
])  # fmt: skip
_PUTS = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])


def read_safely(path: Path) -> Any:
    """The content of a pickle of lists, tuples, bytes, text, whole numbers, truth values and uint8 arrays.

    Raises
    ------
    InputError
        If the file is missing, is no pickle, is cut short, or asks for anything else; nothing of it has run then.
    """
    with reading(path, InputError, "not a pickle, or damaged"):
        content = read_bytes(path, _LIMIT_BYTES)
        try:
            _look_through(content)
            return _Unpickler(content).load()
        except _RefusedError as error:
            raise InputError(f"{path}: the pickle is refused: {error}") from None
        except (OverflowError, MemoryError, UnicodeDecodeError):
            raise InputError(f"{path}: the pickle is damaged: something in it is larger than the file") from None


class _RefusedError(Exception):
    """A sound pickle that asks for what no verification set needs."""


def _look_through(content: bytes) -> None:
    """Refuse instructions that are not allowed, before one of them runs.

    What is remembered is numbered, and the unpickler makes room for as many things as the highest number says: nine
    bytes can ask for 64 GB. No pickler counts further than the things it has written, of one instruction each at least.
    """
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content), 1):
        if instruction.name not in ALLOWED:
            raise _RefusedError(f"it has the instruction {instruction.name} ({argument!r:.80})")
        if instruction.name in _PUTS and isinstance(argument, int) and argument > count:
            raise _RefusedError(f"it remembers something as number {argument:,}, after {count:,} instructions")


class _Unpickler(pickle.Unpickler):
    """Knows no name but those below."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._encodable = len(content)

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name of NumPy's pickles."""
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        found = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise _RefusedError(f"it asks for {module}.{name}")
        return found

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """Stands for _codecs.encode, by which old protocols write bytes: each once, so no more than the file has."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise _RefusedError("it encodes text otherwise than in latin1")
        self._encodable -= len(text)
        if self._encodable < 0:
            raise _RefusedError("it makes more bytes than it has")
        return text.encode("latin1")


class _Type:
    """Stands for numpy.dtype: uint8, or refused."""

    def __init__(self, code: Any, *flags: Any):
        del flags
        if code not in ("u1", b"u1", "uint8", b"uint8"):
            said = repr(code[:20]) if isinstance(code, str | bytes) else type(code).__name__
            raise _RefusedError(f"it holds an array of {said}; expected uint8")

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment: nothing to know of bytes."""


class _Marker:
    """Stands for numpy.ndarray, which is named and never called."""

    def __init__(self, *_: Any):
        raise _RefusedError("it calls numpy.ndarray")


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
        raise _RefusedError("it makes an array of another class than numpy.ndarray")
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    del order
    return _bytes_as_array(content, shape, dtype)


def _bytes_as_array(content: Any, shape: Any, dtype: Any) -> Array:
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Type):
        raise _RefusedError("it makes an array of something else than bytes")
    return np.frombuffer(content, np.uint8).reshape(shape)  # never a copy: the same bytes may be asked for often


_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): _Marker,
    ("numpy", "dtype"): _Type,
}


def finished(value: Any) -> Any:
    """The bytes or the array that a value of a pickle stands for; the value itself otherwise."""
    return value.array if isinstance(value, _Array) else value
