"""Healthy models pass clean: no problem and no warning, whatever the doctor asks."""

from pathlib import Path

import numpy as np
import pytest

from refnet.audit.doctor.diagnosis import Diagnosis, examine
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.audit.winograd_error import uses_winograd
from refnet.network import load
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops
from tests import localdata
from tests.audit.doctor.photographs import lfw

MXNET, TORCH = "models/mobilefacenet-arcface-mxnet.onnx", "models/mobilefacenet-arcface-opset19.onnx"


def _clean(diagnosis: Diagnosis) -> bool:
    assert diagnosis.findings("problem") == []
    assert diagnosis.findings("warning") == []
    return diagnosis.healthy


def _examined(path: Path) -> Diagnosis:
    patient = Patient(path)
    assert patient.network is not None
    return examine(patient, Running(patient.network, sample_crops(), (), "samples"))


def test_the_narrow_synthetic_model_is_healthy(narrow_path: Path) -> None:
    assert _clean(_examined(narrow_path))


@pytest.mark.full
@pytest.mark.parametrize("spatial", [0, 1])
def test_the_full_synthetic_model_is_healthy(tmp_path: Path, spatial: int) -> None:
    path = tmp_path / "full.onnx"
    make_model(path, spatial=spatial)
    assert _clean(_examined(path))


@pytest.mark.parametrize("name", [MXNET, TORCH])
def test_trained_relatives_are_healthy(name: str) -> None:
    assert _clean(_examined(localdata.path(name)))


@pytest.mark.parametrize("name", [MXNET, TORCH])
def test_trained_relatives_fed_with_faces_are_healthy(name: str) -> None:
    patient = Patient(localdata.path(name))
    assert patient.network is not None
    assert _clean(examine(patient, Running(patient.network, lfw(4), (), "pictures")))
    fed = patient.network.contract.prepare(lfw(4))
    assert _clean(examine(patient, Running(patient.network, fed, (), "array")))


def test_a_trained_model_knows_the_order_of_channels_from_single_photographs() -> None:
    network = Patient(localdata.path(MXNET)).network
    assert network is not None
    for face in lfw(40)[:, np.newaxis]:
        given = Running(network, face, (), "pictures").first_statistics(face.astype(np.float64))
        swapped = Running(network, face, (), "pictures").first_statistics(face[:, ::-1].astype(np.float64))
        assert given is not None
        assert swapped is not None
        assert given.divergence < swapped.divergence


@pytest.mark.parametrize("name", [MXNET, TORCH, "models/face_detection_yunet_2023mar.onnx"])
def test_trained_relatives_have_no_convolution_by_winograds_algorithm(name: str) -> None:
    graph = load(localdata.path(name)).graph
    convolutions = [node for node in graph.nodes if node.op == "Conv"]
    assert len(convolutions) > 40
    assert not any(uses_winograd(node, graph.constants[node.inputs[1]]) for node in convolutions)
