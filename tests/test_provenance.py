"""Which embeddings can be compared."""

import importlib.metadata
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import refnet
from refnet.network import load
from refnet.provenance import Provenance, comparable, digest_of, provenance, sources_digest

ONE = Provenance("m.onnx", "ab" * 32, "", "fast", "RGB, values 0..255", "1.0", "2.4")


def test_engine_and_versions_change_rounding_and_not_what_is_computed():
    assert comparable(ONE, replace(ONE, engine="reference", refnet="2.0", numpy="3.0", model="copy.onnx")) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_sha256": "cd" * 32, "model": "n.onnx"}, "the model m.onnx (sha256 abababababab...), the other from n.onnx"),
        ({"input": "RGB, values -1..1"}, "the input RGB, values 0..255, the other from RGB, values -1..1"),
        ({"pipeline": "yunet"}, "the pipeline aligned crops, the other from yunet"),
        ({"model_sha256": ""}, "one of them does not say which model it comes from"),
        ({"pipeline": ""}, "one of them does not say which pipeline it comes from"),
    ],
)  # fmt: skip
def test_another_model_input_or_pipeline_is_another_thing(changes, reason):
    other = replace(ONE, **changes)
    assert reason in comparable(ONE, other)
    assert comparable(other, ONE)


def test_what_is_known_of_neither_is_not_assumed_equal():
    unknown = replace(ONE, model_sha256="")
    assert comparable(unknown, unknown) == "one of them does not say which model it comes from"


def test_the_provenance_of_a_network_holds_its_pipeline(narrow_path):
    network = load(narrow_path, engine="reference")
    assert provenance(network).pipeline == "aligned crops"
    assert comparable(provenance(network), provenance(network, "yunet, largest face"))


def test_the_version_is_that_of_the_code_that_runs(narrow_path, monkeypatch):
    metadata = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == "refnet" else metadata(name))
    assert provenance(load(narrow_path, engine="reference")).refnet == refnet.__version__ != "9.9"


def test_the_version_is_said_alike_where_the_package_is_built():
    path = Path(refnet.__file__).parents[1] / "pyproject.toml"
    if not path.exists():
        pytest.skip("the package is installed without its sources")
    assert tomllib.loads(path.read_text())["project"]["version"] == refnet.__version__


@pytest.mark.parametrize("source", ["ops/conv.py", "faces/align.py", "version.py", "zoo/cards/arcfaceresnet100-8.toml"])
def test_the_digest_of_the_sources_changes_with_each_that_decides_a_number(tmp_path, source):
    package = tmp_path / "refnet"
    shutil.copytree(Path(refnet.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert digest_of(package) == sources_digest()
    with (package / source).open("a") as file:
        file.write("\n")
    assert digest_of(package) != sources_digest()
