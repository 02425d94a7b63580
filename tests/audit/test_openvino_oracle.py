"""OpenVINO beside our reading of its own file, tensor by tensor."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet.audit.compare import compare
from refnet.audit.openvino_oracle import OpenVino
from refnet.cli import main
from refnet.errors import MissingExtraError, ModelError
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Graph
from refnet.network import Network
from refnet.zoo.samples import sample_crops
from tests import localdata


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, narrow: Graph) -> Path:
    path = tmp_path_factory.mktemp("openvino") / "narrow.xml"
    write_openvino(narrow, path)
    return path


def test_every_tensor_agrees(path: Path) -> None:
    network = refnet.load(path)
    images = network.contract.prepare(sample_crops(112, 112))
    comparison = compare(network, images, OpenVino(network.graph))
    assert comparison.agrees
    assert "410 of 410 tensors agree with openvino" in comparison.summary


def test_the_model_optimizers_own_file_has_all_its_tensors() -> None:
    graph = read_openvino(localdata.path("openvino-ir/narrow.xml"))
    assert OpenVino(graph).tensor_names == {node.output for node in graph.nodes}


def test_a_weight_that_we_read_otherwise_is_found(path: Path) -> None:
    graph = read_openvino(path)
    name = "stage2_unit1_bn1/shift"
    wrong = replace(graph, constants={**graph.constants, name: graph.constants[name] * np.float32(1.01)})
    network = Network(wrong, engine="reference")
    comparison = compare(network, network.contract.prepare(sample_crops(112, 112)[:1]), OpenVino(graph))
    departed = [row.name for row in comparison.tensors if row.verdict == "departs"]
    assert departed == ["stage2_unit1_bn1"]


def test_an_onnx_file_is_not_openvinos(narrow_path: Path) -> None:
    with pytest.raises(ModelError, match="OpenVINO is compared with on its own models; make one with 'refnet convert'"):
        OpenVino(refnet.load(narrow_path).graph)


def test_without_openvino_the_line_that_installs_it_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'refnet\[openvino\]'"):
        OpenVino(read_openvino(path))


def test_onnxruntime_is_not_asked_about_openvino_models(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(path), "--against", "onnxruntime"]) == 2
    assert "onnxruntime does not read OpenVINO models; use --against openvino" in capsys.readouterr().err
