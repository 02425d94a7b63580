"""What lies under a model's name when it is not an ONNX model: nothing, a pointer, a web page, another format."""

import os
import re
from pathlib import Path

from refnet.errors import ModelError
from refnet.opening import NotRegularError, open_regular, said_by_system

_LFS = b"version https://git-lfs.github.com/spec/"

# The first bytes of files that people have at hand when they look for an ONNX model: (offset, bytes, what it is).
_SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive (PyTorch checkpoints, Keras models and model packs are zip archives)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x80\x02", "a Python pickle (an old PyTorch checkpoint?)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights?)"),
    (4, b"ORTM", "a model in ONNX Runtime's own ORT format"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"%PDF", "a PDF document"),
)


def refuse_other_files(path: Path) -> None:
    """Raise ModelError, in one sentence that says what to do, if there is visibly no ONNX model at `path`.

    A file that passes may still be none: this looks at its first bytes only.
    """
    try:
        with open_regular(path) as file:
            start, size_bytes = file.read(1024), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        hint = "; it is a link to a file that is gone" if os.path.islink(path) else ""  # noqa: PTH114 - which may raise
        raise ModelError(
            f"there is no such file{hint}; check the path, or make a model with 'refnet models make'"
        ) from None
    except IsADirectoryError:
        raise ModelError("this is a folder; give the .onnx file in it") from None
    except NotRegularError:
        raise ModelError("this is not a regular file; copy the model to a file first") from None
    except OSError as error:
        raise ModelError(f"the file cannot be read: {said_by_system(error)}") from error
    if found := disguise(start, size_bytes):
        raise ModelError(found)


def disguise(start: bytes, size_bytes: int) -> str | None:
    """What a file is, by its first bytes (1024 are enough) and its size, if it is visibly no ONNX model; else None.

    Returns
    -------
    A sentence such as "this is a web page (HTML), not a model: ...", or None.
    """
    if not start:
        return "the file is empty; download or copy it again"
    if start.startswith(_LFS):
        return _lfs_pointer(start.decode("ascii", "replace"), size_bytes)
    for offset, signature, description in _SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return f"this is {description}, not an ONNX model; give the .onnx file"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "this is a web page (HTML), not a model: the download got a page instead; download it again"
    if text.startswith((b"<?xml", b"<net ")):
        return "this is an XML file, not an ONNX model; an OpenVINO model is read by its .xml name"
    if text.startswith((b"{", b"[")) and start.isascii():
        return "this is JSON text, not an ONNX model: the download got an error message instead?"
    return None


def _lfs_pointer(text: str, size_bytes: int) -> str:
    """What a git-LFS pointer stands for."""
    oid = re.search(r"^oid (\w+):(\w+)", text, re.MULTILINE)
    size = re.search(r"^size (\d+)", text, re.MULTILINE)
    digest = f"{oid[1]} {oid[2]}" if oid else "an unreadable digest"
    real = f"{size[1]} bytes" if size else "an unreadable size"
    return (
        f"this is a Git LFS pointer of {size_bytes} bytes, not the model itself, which has {real} and {digest}; "
        "fetch it with 'git lfs pull', or download it directly"
    )
