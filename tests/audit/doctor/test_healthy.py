"""Healthy models pass clean: no problem and no warning, whatever the doctor asks."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.audit.doctor.diagnosis import Diagnosis, examine
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.graph import Array
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops
from tests import localdata

MXNET, TORCH = "models/mobilefacenet-arcface-mxnet.onnx", "models/mobilefacenet-arcface-opset19.onnx"


def _clean(diagnosis: Diagnosis) -> bool:
    assert diagnosis.findings("problem") == []
    assert diagnosis.findings("warning") == []
    return diagnosis.healthy


def _examined(path: Path) -> Diagnosis:
    patient = Patient(path)
    assert patient.network is not None
    return examine(patient, Running(patient.network, sample_crops(), (), "samples"))


def _faces(count: int) -> Array:
    """Aligned photographs of LFW."""
    bins, _ = pickle.loads(localdata.path("lfw/lfw-fold1.bin").read_bytes(), encoding="bytes")
    return np.stack([np.asarray(Image.open(io.BytesIO(bytes(it))).convert("RGB")) for it in bins[:count]]).transpose(
        0, 3, 1, 2
    )


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
    assert _clean(examine(patient, Running(patient.network, _faces(4), (), "pictures")))
    fed = patient.network.contract.prepare(_faces(4))
    assert _clean(examine(patient, Running(patient.network, fed, (), "array")))


def test_a_trained_model_knows_the_order_of_channels_from_single_photographs() -> None:
    network = Patient(localdata.path(MXNET)).network
    assert network is not None
    for face in _faces(40)[:, np.newaxis]:
        given = Running(network, face, (), "pictures").first_statistics(face.astype(np.float64))
        swapped = Running(network, face, (), "pictures").first_statistics(face[:, ::-1].astype(np.float64))
        assert given is not None
        assert swapped is not None
        assert given.divergence < swapped.divergence
