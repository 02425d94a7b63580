"""A calibrated threshold holds for its model and pipeline."""

import json

import pytest

from refnet import InputError, UsageError
from refnet.faces.calibration import Calibration, read_calibration, write_calibration
from refnet.provenance import Provenance

MODEL = "ab" * 32
FACES = Provenance("m.onnx", MODEL, "", "fast", "RGB", "0", "2")
GOOD = {
    "schema_version": 1,
    "kind": "calibration",
    "metric": "half_cosine_distance",
    "threshold": 0.3,
    "far": 0.001,
    "pairs": 3000,
    "model_sha256": MODEL,
    "pipeline": "aligned crops",
}


def written(tmp_path, **changes):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    return path


def test_it_is_read_as_it_is_written(tmp_path):
    calibration = Calibration("half_cosine_distance", 0.3, 0.001, 3000, MODEL, "aligned crops")
    write_calibration(tmp_path / "c.json", calibration)
    assert json.loads((tmp_path / "c.json").read_text()) == GOOD
    assert read_calibration(tmp_path / "c.json") == calibration


def test_its_threshold_says_its_rate(tmp_path):
    threshold = read_calibration(written(tmp_path, note="more")).threshold_for(FACES, "c.json")
    assert threshold.cosine == 0.4
    assert threshold.origin == "c.json: far 0.001 on 3,000 impostor pairs"


def test_another_model_or_pipeline_is_refused(tmp_path):
    other = read_calibration(written(tmp_path, model_sha256="cd" * 32))
    with pytest.raises(
        InputError, match=r"c.json calibrates the model with sha256 cdcd.*A threshold holds for one model"
    ):
        other.threshold_for(FACES, "c.json")
    other = read_calibration(written(tmp_path, pipeline="yunet"))
    with pytest.raises(InputError, match=r"calibrates the pipeline 'yunet'; the embeddings come from 'aligned crops'"):
        other.threshold_for(FACES, "c.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "roc"}, 'expected a JSON object with "kind": "calibration"'),
        ({"schema_version": 2}, "schema_version is 2; this refnet reads 1"),
        ({"metric": "euclid"}, "metric is 'euclid'; expected one of cosine, "),
        ({"metric": ["cosine"]}, "metric is"),
        ({"threshold": 1.5}, "threshold is 1.5; expected a number, 0 to 1"),
        ({"threshold": True}, "threshold is True; expected a number"),
        ({"threshold": "0.3"}, "threshold is '0.3'; expected a number"),
        ({"far": -0.1}, "far is -0.1; expected a number, 0 to 1"),
        ({"far": float("nan")}, "far is nan"),
        ({"far": 0}, "a rate below 1/3000 cannot have been seen"),
        ({"far": 1e-4}, "far is 0.0001 on 3000 impostor pairs; a rate below 1/3000 cannot have been seen"),
        ({"pairs": 0}, "pairs is 0; expected the number of impostor pairs"),
        ({"pairs": 10.5}, "pairs is 10.5"),
        ({"model_sha256": ""}, "model_sha256 is ''; expected text"),
        ({"pipeline": None}, "pipeline is None; expected text"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_calibration(written(tmp_path, **changes))


def test_what_is_no_calibration_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such file"):
        read_calibration(tmp_path / "absent.json")
    path = tmp_path / "c.json"
    for content in (b"\xff\xfe", b"{", b"[1]", b"[" * 100_000, b"5"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a calibration; expected"):
            read_calibration(path)
    path.write_bytes(b" " * (1 << 21))
    with pytest.raises(InputError, match="it has more than"):
        read_calibration(path)
    with pytest.raises(UsageError, match=r"the suffix is '.txt'; expected .json"):
        write_calibration(tmp_path / "c.txt", Calibration("cosine", 0.3, 0.1, 10, MODEL, "p"))
