"""The format of a model is seen in the file; what is given by mistake is answered with what to give."""

import os
from pathlib import Path

import pytest

import refnet
from refnet.errors import ModelError
from refnet.formats.openvino_writer import write_openvino
from refnet.formats.reading import read_model
from refnet.graph import Graph


def test_the_format_is_not_in_the_name(tmp_path: Path, narrow_path: Path, narrow: Graph) -> None:
    write_openvino(narrow, tmp_path / "n.xml")
    renamed = (tmp_path / "n.xml").rename(tmp_path / "n.onnx")
    assert read_model(renamed).source.format == "openvino"
    assert read_model(narrow_path).source.format == "onnx"


def test_weights_without_their_xml_name_it(tmp_path: Path, narrow: Graph) -> None:
    write_openvino(narrow, tmp_path / "n.xml")
    with pytest.raises(ModelError, match=r"this may be the weights of an OpenVINO model; give .*n\.xml"):
        refnet.load(tmp_path / "n.bin")
    (tmp_path / "n.xml").unlink()
    with pytest.raises(ModelError, match=r"give its \.xml; there is no n\.xml beside it"):
        refnet.load(tmp_path / "n.bin")


def test_a_folder_names_the_model_in_it(tmp_path: Path, narrow: Graph) -> None:
    (tmp_path / "FP32").mkdir()
    write_openvino(narrow, tmp_path / "FP32" / "n.xml")
    with pytest.raises(ModelError, match=r"this is a folder; give a model in it, such as .*FP32/n\.xml"):
        read_model(tmp_path)
    zoo = tmp_path / "zoo"
    (zoo / "public" / "face").mkdir(parents=True)
    (tmp_path / "FP32").rename(zoo / "public" / "face" / "FP32")
    with pytest.raises(ModelError, match=r"zoo: this is a folder; give a model in it, such as .*face/FP32/n\.xml"):
        read_model(zoo)


def test_an_empty_folder_and_a_pipe_are_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this is a folder"):
        read_model(tmp_path)
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(ModelError, match="this is not a regular file"):
        read_model(tmp_path / "pipe.xml")
