"""A model file of any format to a Graph: the format is seen in its first bytes, not in its name."""

import os
from pathlib import Path

from refnet.errors import ModelError
from refnet.graph import Graph
from refnet.opening import exists, open_regular, reading

_START_BYTES = 256


def read_model(path: Path) -> Graph:
    """Read an ONNX file, or an OpenVINO model by its .xml.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or not what it says it is; one of an OpenVINO model that is not the .xml is
        refused with the name of what to give.
    UnsupportedModelError
        If it asks for something refnet does not implement.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 - which may raise
        with reading(path, ModelError):
            _refuse_folder(path)
    if is_xml(path):
        from refnet.formats.openvino_reader import read_openvino

        return read_openvino(path)
    if path.suffix == ".bin" and exists(path):
        beside = path.with_suffix(".xml")
        there = f"give {beside}" if exists(beside) else f"give its .xml; there is no {beside.name} beside it"
        raise ModelError(f"{path}: this may be the weights of an OpenVINO model; {there}")
    from refnet.formats.onnx_reader import read_model as read_onnx  # onnx takes a third of a second to import

    return read_onnx(path)


def is_xml(path: Path) -> bool:
    """Whether a file begins as an OpenVINO .xml does."""
    try:
        with open_regular(path) as file:
            start = file.read(_START_BYTES)
    except OSError:
        return False  # the reader says what is wrong
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<?xml", b"<net", b"<!--"))


def _refuse_folder(path: Path) -> None:
    """Refuse a folder; name the model that is nearest in it, as deep as in Open Model Zoo's public/<model>/FP32."""
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        found = sorted(file for kind in ("*.xml", "*.onnx") for file in path.glob(depth + kind))
        if found:
            raise ModelError(f"{path}: this is a folder; give a model in it, such as {found[0]}")
