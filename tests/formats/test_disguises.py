"""What is not an ONNX model is said to be what it is."""

import os
import re
from pathlib import Path

import pytest

from refnet.errors import ModelError
from refnet.formats.onnx_reader import read_model

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:f0a2e278b430372d308fef67c1aea308c2baf37f32e8908d9bfce035c26a3fb4\nsize 261036388\n"
)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty; download or copy it again"),
        (
            LFS,
            f"this is a Git LFS pointer of {len(LFS)} bytes, not the model itself, which has 261036388 bytes and "
            "sha256 f0a2e278b430372d308fef67c1aea308c2baf37f32e8908d9bfce035c26a3fb4; fetch it with 'git lfs pull'",
        ),
        (
            LFS[:43],
            "this is a Git LFS pointer of 43 bytes, not the model itself, which has an unreadable size and an unreadable",
        ),
        (b"<!DOCTYPE html><html></html>", "this is a web page (HTML), not a model"),
        (b"\xef\xbb\xbf\n  <HTML>", "this is a web page (HTML), not a model"),
        (b'<?xml version="1.0"?><net name="x">', "this is an XML file, not an ONNX model"),
        (b'{"message": "Not Found"}', "this is JSON text, not an ONNX model"),
        (b"PK\x03\x04" + bytes(30), "this is a zip archive"),
        (b"\x1f\x8b\x08" + bytes(30), "this is a gzip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(30), "this is an HDF5 file"),
        (b"\x80\x02}q\x00.", "this is a Python pickle"),
        (bytes(4) + b"ORTM" + bytes(30), "this is a model in ONNX Runtime's own ORT format"),
        (bytes(257) + b"ustar" + bytes(30), "this is a tar archive"),
        (b"Hello, I am no model.", "the file is not an ONNX model, or it is damaged: a field has the wire type 4"),
        (b":a text of 26 letters here", "the file is truncated, or not an ONNX model: it has 26 bytes"),
        (b"\x0f\x0f\x0f", "the file is not an ONNX model, or it is damaged: a field has the wire type 7"),
        (b"\x08\x03", "the file is not an ONNX model: it holds no graph"),
    ],
)
def test_a_file_that_is_no_model_is_called_by_its_name(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=re.escape(f"{path}: {sentence}")):
        read_model(path)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: there is no such file; check the path"):
        read_model(tmp_path / "absent.onnx")


def test_a_link_to_nothing_is_missing(tmp_path: Path) -> None:
    (tmp_path / "link.onnx").symlink_to(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match="it is a link to a file that is gone"):
        read_model(tmp_path / "link.onnx")


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"this is a folder; give the \.onnx file in it"):
        read_model(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="this is not a regular file; copy the model to a file first"):
        read_model(tmp_path / "pipe.onnx")


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x03")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("refnet.formats.disguises.open_regular", refuse)
    with pytest.raises(ModelError, match="the file cannot be read: permission denied"):
        read_model(path)
