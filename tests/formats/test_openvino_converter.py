"""Models as OpenVINO's present-day tools write them: `convert_model`, `reshape`, `save_model`, and its operation sets."""

from pathlib import Path

import numpy as np
import openvino
import openvino.opset8 as ops
import pytest

import refnet
from refnet import reference
from refnet.errors import UnsupportedModelError
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Array, Graph
from tests.comparison import assert_within, gamma
from tests.formats.models import ramp

X = ramp(2, 3, 4, 5)


def saved(path: Path, output: openvino.Node, data: openvino.Node) -> Path:
    """A model of one input, as OpenVINO saves it."""
    openvino.save_model(openvino.Model([output], [data], "made"), path, compress_to_fp16=False)
    return path


def computed(path: Path) -> Array:
    (y,) = reference.run(read_openvino(path), {"x": X}).values()
    return y


def parameter(*shape: int) -> openvino.Node:
    data = ops.parameter(list(shape), np.float32, "x")
    data.output(0).get_tensor().set_names({"x"})
    return data


@pytest.mark.parametrize("keep", [False, True])
def test_lengths_and_means_are_taken_along_the_axes_of_the_file(tmp_path: Path, keep: bool) -> None:
    data = parameter(2, 3, 4, 5)
    length = saved(tmp_path / "l2.xml", ops.reduce_l2(data, np.array([1, -1]), keep), data)
    mean = saved(tmp_path / "mean.xml", ops.reduce_mean(data, np.array([2]), keep), data)
    exact = X.astype(np.float64)
    expected = np.sqrt((exact**2).sum(axis=(1, 3), keepdims=keep))
    assert_within(computed(length), expected, gamma(16) * expected)
    assert_within(computed(mean), sum(exact[:, :, i : i + 1] if keep else exact[:, :, i] for i in range(4)) / 4, 1e-12)


def test_an_image_is_laid_flat_by_its_own_shape(tmp_path: Path) -> None:
    data = parameter(-1, 3, 4, 5)
    batch = ops.gather(ops.shape_of(data), np.array([0]), np.array(0))
    flat = ops.reshape(data, ops.concat([batch, ops.constant(np.array([60], dtype=np.int64))], 0), special_zero=False)
    assert np.array_equal(computed(saved(tmp_path / "flat.xml", flat, data)), X.reshape(2, 60))


def test_tensors_are_joined_along_the_axis_of_the_file(tmp_path: Path) -> None:
    data = parameter(2, 3, 4, 5)
    joined = saved(tmp_path / "joined.xml", ops.concat([data, ops.relu(data)], -1), data)
    assert np.array_equal(computed(joined), np.concatenate([X, np.maximum(X, 0)], axis=3))


def test_a_reduction_along_axes_that_are_computed_is_refused(tmp_path: Path) -> None:
    data = parameter(2, 3, 4, 5)
    axes = ops.convert(ops.reduce_max(data, np.array([0, 1, 2, 3])), "i64")
    path = saved(tmp_path / "computed.xml", ops.reduce_l2(data, axes), data)
    with pytest.raises(UnsupportedModelError, match="refnet does not implement this type of layer"):
        read_openvino(path)


def test_a_gather_of_batches_is_refused(tmp_path: Path) -> None:
    data = parameter(2, 3, 4, 5)
    path = saved(tmp_path / "batches.xml", ops.gather(data, np.array([[0], [1]]), np.array(1), 1), data)
    with pytest.raises(UnsupportedModelError, match=r"\(Gather\): batch_dims is '1'; refnet implements 0"):
        read_openvino(path)


@pytest.mark.parametrize("half", [False, True])
def test_todays_converter_writes_what_refnet_reads(
    tmp_path: Path, narrow_path: Path, narrow: Graph, half: bool
) -> None:
    path, model = tmp_path / "theirs.xml", openvino.convert_model(narrow_path)
    openvino.save_model(model, path, compress_to_fp16=half)
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    expected = reference.run(narrow, {"data": images})["fc1"]
    error = np.linalg.norm(refnet.load(path, engine="reference")(images) - expected) / np.linalg.norm(expected)
    assert error < (2e-2 if half else 1e-5)  # weights of 11 bits; folded weights of 24


def test_a_batch_that_openvino_made_free_is_free(tmp_path: Path, narrow: Graph) -> None:
    ours, theirs = tmp_path / "ours.xml", tmp_path / "theirs.xml"
    write_openvino(narrow, ours, statements={"refnet.channels": "BGR"})
    model = openvino.Core().read_model(ours)
    model.reshape({"data": [-1, 3, 112, 112]})
    openvino.save_model(model, theirs, compress_to_fp16=False)
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 112, 112)).astype(np.float32)
    network = refnet.load(theirs, engine="reference")
    assert (network.fixed_batch, network.contract.channels) == (None, "BGR")
    assert np.array_equal(network(images), refnet.load(ours, engine="reference")(images))
