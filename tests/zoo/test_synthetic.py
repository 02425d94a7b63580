"""The synthetic model: the same everywhere, alive through every unit, and honest about itself."""

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from refnet import UsageError, reference, watermark
from refnet.files import sha256
from refnet.graph import Graph
from refnet.zoo import find_card
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_images
from refnet.zoo.synthetic import synthetic_model


def test_every_normalization_meets_about_the_variance_it_was_given(narrow: Graph) -> None:
    _check_variances(narrow, sample_images()[:2])


def test_an_image_the_model_never_saw_neither_dies_nor_explodes(narrow: Graph) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (1, 3, 14, 14)).repeat(8, axis=2).repeat(8, axis=3)
    tensors = dict(reference.stream(narrow, {"data": noise.astype(float)}, ["_plus*", "fc1"]))
    spread = {name: float(tensor.std()) for name, tensor in tensors.items()}
    assert min(spread.values()) > 0.25
    assert max(spread.values()) < 25


def test_the_seed_alone_decides_the_bits() -> None:
    a, b = (synthetic_model(3, width=Fraction(1, 16), units=(1, 1, 1, 1)) for _ in range(2))
    other = synthetic_model(4, width=Fraction(1, 16), units=(1, 1, 1, 1))
    assert all(np.array_equal(a.constants[name], b.constants[name]) for name in a.constants)
    assert not np.array_equal(a.constants["conv0_weight"], other.constants["conv0_weight"])


def test_the_draws_have_not_changed() -> None:
    """Pinned: a changed draw is a changed model for everyone who made one."""
    constants = synthetic_model(0, width=Fraction(1, 16), units=(1, 1, 1, 1)).constants
    digest = hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in constants.items())).hexdigest()
    assert digest == PINNED


def test_weights_spread_as_their_fan_in_asks(narrow: Graph) -> None:
    weight = narrow.constants["stage4_unit3_conv2_weight"]
    fan_in = weight[0].size
    assert weight.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)
    assert abs(weight.mean()) < 4 * weight.std() / np.sqrt(weight.size)


def test_the_watermark_is_read_back_and_moves_no_embedding(narrow: Graph) -> None:
    assert watermark.read(narrow) == f"{watermark.SENTENCE} (seed 0)"
    largest = np.abs(narrow.constants["fc1_moving_mean"]).max() / np.sqrt(narrow.constants["fc1_moving_var"].min())
    assert largest < 2e-4


def test_trained_weights_carry_no_watermark(narrow: Graph) -> None:
    trained = dict(narrow.constants) | {"fc1_moving_mean": np.random.default_rng(0).normal(size=512).astype(np.float32)}
    zeros = dict(narrow.constants) | {"fc1_moving_mean": np.zeros(512, np.float32)}
    without = {name: array for name, array in narrow.constants.items() if name != "fc1_moving_mean"}
    for constants in (trained, zeros, without):
        graph = Graph(narrow.name, narrow.inputs, narrow.outputs, narrow.nodes, constants)
        assert watermark.read(graph) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, r"seed is -1; expected 0 to 2\*\*64 - 1"),
        ({"width": Fraction(1, 3)}, "width 1/3 gives stages of 64/3"),
        ({"width": Fraction(0)}, "expected whole numbers"),
        ({"units": (1, 2)}, r"units are \(1, 2\); expected four numbers"),
        ({"units": (0, 1, 1, 1)}, "of at least 1"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        synthetic_model(**arguments)  # type: ignore[arg-type]


@pytest.mark.full
@pytest.mark.parametrize("spatial", [0, 1])
def test_the_full_model_has_the_size_and_digest_on_its_card(tmp_path: Path, spatial: int) -> None:
    make_model(tmp_path / "model.onnx", seed=0, spatial=spatial)
    (entry,) = [entry for entry in find_card("arcfaceresnet100-8").synthetic if entry.spatial == spatial]
    assert (tmp_path / "model.onnx").stat().st_size == entry.size_bytes == 261_036_388
    assert sha256(tmp_path / "model.onnx") == entry.sha256


@pytest.mark.full
def test_every_normalization_of_the_full_model_meets_about_the_variance_it_was_given() -> None:
    _check_variances(synthetic_model(0), sample_images()[:2])


def _check_variances(graph: Graph, images: np.ndarray) -> None:
    """Each BatchNormalization's input has a variance within a factor of 4 of its running variance."""
    normalizations = {node.inputs[0]: node for node in graph.nodes if node.op == "BatchNormalization"}
    checked = 0
    for name, tensor in reference.stream(graph, {"data": images}, sorted(set(normalizations))):
        running = graph.constants[normalizations[name].inputs[4]].astype(float)
        axes = (0, 2, 3) if tensor.ndim == 4 else None
        ratio = tensor.var(axis=axes) / (running if tensor.ndim == 4 else running.mean())
        assert 0.25 < np.median(ratio) < 4, f"{name}: variance is {np.median(ratio):.3f} of the running one"
        assert np.mean((ratio > 0.25) & (ratio < 4)) > 0.95, name
        checked += 1
    assert checked == len(normalizations)


PINNED = "ab4666396fad16f050d2c8f777691661b6d2a891afb2a9811e0ed74d82b791c8"


def test_a_place_that_cannot_be_written_is_refused_before_the_weights_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("refnet.zoo.make.synthetic_model", lambda *_, **__: pytest.fail("weights are made"))
    for place, reason in ((tmp_path / "file" / "m.onnx", "not a directory|file exists"), (tmp_path, "it is a folder")):
        with pytest.raises(UsageError, match=f"cannot write .*({reason})"):
            make_model(place)
