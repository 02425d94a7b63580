import re

import numpy as np
import pytest

from refnet import reference
from refnet.audit.similarity_gradient import pixel_gradient
from refnet.errors import InputError, ShapeError, UnsupportedModelError, UsageError
from refnet.faces.similarity import similarity, similarity_gradient
from refnet.formats.onnx_reader import read_model
from refnet.gradient import gradient, pullback
from refnet.graph import Node
from refnet.network import Network
from refnet.zoo.samples import sample_images
from refnet.zoo.synthetic import synthetic_model
from tests import localdata
from tests.central_differences import along, relative_error, unit_directions
from tests.comparison import assert_within
from tests.test_reference import graph, images, residual_unit

RELATIVES = ["models/mobilefacenet-arcface-mxnet.onnx", "models/mobilefacenet-arcface-opset19.onnx"]


def by_hand(unit, x, dy):
    """The way back through the residual unit, written out: {tensor: gradient}, for one output vector a image."""
    w = {name: value.astype(np.float64) for name, value in unit.constants.items()}
    there = dict(reference.stream(unit, {"x": x}))
    column = (slice(None), None, None)

    def back_through_conv(d, weight):
        """Transposed convolution of 3x3, padded by 1: the kernel turned around, its channels exchanged."""
        padded = np.pad(d, ((0, 0), (0, 0), (1, 1), (1, 1)))
        turned = weight[:, :, ::-1, ::-1]
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        return np.einsum("nohwuv,ocuv->nchw", windows, turned)

    plus = (dy @ w["w"]).reshape(there["plus"].shape)
    conv1 = np.where(there["conv1"] < 0, w["slope"], 1) * plus
    bn1 = back_through_conv(conv1, w["w1"])
    conv0 = bn1 * (w["gamma"] / np.sqrt(w["var"] + 2e-5))[column] + plus
    return {
        "x": back_through_conv(conv0, w["w0"]),
        "conv0": conv0,
        "bn1": bn1,
        "plus": plus,
        "beta": bn1.sum(axis=(0, 2, 3)),
        "slope": np.where(there["conv1"] < 0, there["conv1"] * plus, 0).sum(axis=(0, 2, 3))[column],
        "w": dy.T @ there["flat"],
        "b": dy.sum(axis=0),
    }


def test_gradients_are_the_chain_rule_written_out():
    unit, x = residual_unit(), images()
    dy = np.random.default_rng(1).normal(size=(2, 5))
    expected = by_hand(unit, x, dy)
    values, found = gradient(unit, {"x": x}, {"y": dy}, list(expected))
    assert list(found) == list(expected)
    assert_within(values["y"], reference.run(unit, {"x": x})["y"])
    for name, array in found.items():
        assert_within(array, expected[name], 1e-12 * (1 + abs(expected[name]).max()))


def test_a_tensor_read_twice_collects_both():
    twice = graph([Node("square", "Mul", ("x", "x"), "s"), Node("sum", "Add", ("s", "x"), "y")], inputs=[("x", (1, 2))])
    _, found = gradient(twice, {"x": np.array([[3.0, -1.0]])}, {"y": np.array([[1.0, 10.0]])}, ["x", "s"])
    assert found["x"].tolist() == [[7.0, -10.0]]
    assert found["s"].tolist() == [[1.0, 10.0]]


def test_several_tensors_may_be_seeded_at_once_and_sums_add_up():
    unit, x = residual_unit(), images()
    rng = np.random.default_rng(2)
    y, bn = rng.normal(size=(2, 5)), rng.normal(size=(2, 4, 8, 8))
    _, both = gradient(unit, {"x": x}, {"y": y, "bn1": bn}, ["x"])
    _, first = gradient(unit, {"x": x}, {"y": y}, ["x"])
    _, second = gradient(unit, {"x": x}, {"bn1": bn}, ["x"])
    assert_within(both["x"], first["x"] + second["x"], 1e-12 * abs(both["x"]).max())


def test_an_image_has_the_same_gradient_alone_and_in_a_batch(narrow):
    x = sample_images().astype(np.float64)[:2]
    (output,) = (tensor.name for tensor in narrow.outputs)
    (name,) = (tensor.name for tensor in narrow.inputs)
    width = reference.run(narrow, {name: x})[output].shape[1]
    dy = np.random.default_rng(0).normal(size=(2, width))
    _, batch = gradient(narrow, {name: x}, {output: dy}, [name])
    for i in range(2):
        _, alone = gradient(narrow, {name: x[i : i + 1]}, {output: dy[i : i + 1]}, [name])
        assert_within(alone[name][0], batch[name][i], 0)


def test_the_way_back_may_be_gone_again():
    unit, x = residual_unit(), images()
    values, pull = pullback(unit, {"x": x}, ["y"], ["x"])
    rows = [pull({"y": np.eye(5)[[k, k]]})["x"] for k in range(5)]
    together = pull({"y": np.array([[1.0, 2, 3, 4, 5], [5, 4, 3, 2, 1]])})["x"]
    weighed = sum((k + 1) * rows[k][0] for k in range(5))
    assert_within(together[0], weighed, 1e-12 * abs(weighed).max())
    assert values["y"].shape == (2, 5)


def test_an_output_that_no_seed_names_counts_for_nothing():
    unit, x = residual_unit(), images()
    _, pull = pullback(unit, {"x": x}, ["y", "bn1"], ["x"])
    _, alone = gradient(unit, {"x": x}, {"y": np.ones((2, 5))}, ["x"])
    assert_within(pull({"y": np.ones((2, 5))})["x"], alone["x"], 0)
    assert not pull({})["x"].any()


def test_results_are_the_callers_own():
    unit, x = residual_unit(), images()
    seed = np.ones((2, 5))
    values, found = gradient(unit, {"x": x}, {"y": seed}, ["y", "plus", "x"])
    for array in (*values.values(), *found.values()):
        array[...] = 0
    assert seed.all()
    assert x.any()


def test_what_only_reads_a_shape_has_no_part_in_it():
    shaped = graph(
        [
            Node("shape", "Shape", ("x",), "extents"),
            Node("first", "Gather", ("extents", "zero"), "n", {"axis": 0}),
            Node("row", "Unsqueeze", ("n",), "n1", {"axes": (0,)}),
            Node("both", "Concat", ("n1", "rest"), "to", {"axis": 0}),
            Node("flat", "Reshape", ("x", "to"), "y", {"allow_zero": 0}),
        ],
        inputs=[("x", (1, 2, 2))],
        zero=np.array(0),
        rest=np.array([-1]),
    )
    dy = np.arange(8.0).reshape(2, 4)
    _, found = gradient(shaped, {"x": np.ones((2, 2, 2))}, {"y": dy}, ["x"])
    assert_within(found["x"], dy.reshape(2, 2, 2), 0)


@pytest.mark.parametrize(
    ("seed", "wrt", "error", "message"),
    [
        ({"z": np.ones((2, 5))}, ["x"], UsageError, "the graph has no tensor 'z'"),
        ({"y": np.ones((2, 5))}, ["conv9"], UsageError, "the graph has no tensor 'conv9'; nearest are 'conv1', 'conv0'"),
        ({"conv0": np.ones((2, 4, 8, 8))}, ["w1"], UsageError, "'conv0' does not depend on 'w1'"),
        ({"conv0": np.ones((2, 4, 8, 8))}, ["x", "w1"], UsageError, "'w1' has no part in 'conv0'"),
        ({"y": np.ones((2, 5))}, [], UsageError, "'y' does not depend on anything: wrt is empty"),
        ({"y": np.ones((5, 2))}, ["x"], ShapeError, r"the seed of 'y' has shape \(5, 2\) .*; expected .* \(2, 5\)"),
        ({"y": np.full((2, 5), "a")}, ["x"], ShapeError, "the seed of 'y' has shape .* and dtype <U1"),
        ({"y": np.full((2, 5), np.nan)}, ["x"], InputError, "the seed of 'y' holds NaN or infinite values"),
    ],
)  # fmt: skip
def test_what_cannot_be_differentiated_is_refused(seed, wrt, error, message):
    with pytest.raises(error, match=message):
        gradient(residual_unit(), {"x": images()}, seed, wrt)


def test_a_seed_for_what_was_not_computed_is_refused():
    _, pull = pullback(residual_unit(), {"x": images()}, ["y"], ["x"])
    with pytest.raises(UsageError, match="seed names 'plus', which was not computed"):
        pull({"plus": np.ones((2, 4, 8, 8))})


def test_a_node_that_no_gradient_passes_is_named():
    whole = graph(
        [Node("whole", "Cast", ("x",), "i", {"to": "int64"}), Node("back", "Cast", ("i",), "y", {"to": "float32"})],
        inputs=[("x", (1, 2))],
    )
    with pytest.raises(UnsupportedModelError, match=re.escape("node 'back' (Cast): no gradient passes through it")):
        gradient(whole, {"x": np.ones((1, 2))}, {"y": np.ones((1, 2))}, ["x"])
    with pytest.raises(
        UnsupportedModelError, match=re.escape("node 'whole' (Cast): no gradient passes through a cast")
    ):
        gradient(whole, {"x": np.ones((1, 2))}, {"i": np.ones((1, 2))}, ["x"])


def test_the_gradient_of_a_cosine_is_what_differences_find():
    a, b = np.random.default_rng(3).normal(size=(2, 128))
    found = similarity_gradient(a, b)
    h = 1e-5
    differences = [(similarity(a + h * e, b) - similarity(a - h * e, b)) / (2 * h) for e in np.eye(128)]
    assert_within(np.array(differences), found, 1e-10)
    assert abs(found @ a) < 1e-15


def similarity_of_faces(network, directions):
    """The gradient of the similarity of two faces along directions: (exact, by central differences)."""
    # Noise, because a flat part of a photograph may stand at the kink of a PReLU; where one still does, `along` says so.
    noise = np.random.default_rng(2).uniform(0, 1, size=(2, 3, 112, 112))
    a, b = network.contract.prepare(sample_images()[:2]).astype(np.float64) * 0.9 + noise
    other = reference.run(network.graph, {network.contract.name: b[np.newaxis]})[network.output][0]
    found = pixel_gradient(network, a, other)
    feeds = {network.contract.name: a[np.newaxis]}

    def value(outputs):
        return similarity(outputs[network.output][0], other)

    assert_within(np.array(found.similarity), np.array(value(reference.run(network.graph, feeds))), 1e-15)
    directions = list(unit_directions((1, 3, 112, 112), directions))
    exact = [(found.gradient * v[0]).sum() for v in directions]
    return exact, [along(network.graph, feeds, network.contract.name, v, value) for v in directions]


def test_the_gradient_of_similarity_by_pixels_on_the_narrow_model(narrow):
    exact, differences = similarity_of_faces(Network(narrow), 8)
    assert relative_error(differences, exact) < 1e-6


@pytest.mark.parametrize("name", RELATIVES)
def test_the_gradient_of_similarity_by_pixels_on_trained_relatives(name):
    exact, differences = similarity_of_faces(Network(read_model(localdata.path(name))), 3)
    assert relative_error(differences, exact) < 1e-6


@pytest.mark.full
def test_the_gradient_of_similarity_by_pixels_on_the_full_network():
    exact, differences = similarity_of_faces(Network(synthetic_model(0)), 32)
    assert relative_error(differences, exact) < 1e-6


def test_the_network_differentiates_by_images_and_by_weights(narrow):
    network = Network(narrow)
    x = sample_images()[:1].astype(np.float32)
    (y,) = reference.run(narrow, {network.contract.name: x}).values()
    dy = np.random.default_rng(0).normal(size=y.shape)
    assert network.gradient(x, dy).shape == x.shape
    bias = next(node.inputs[2] for node in narrow.nodes if node.op == "Gemm")
    last = narrow.nodes[-1]
    assert last.op == "BatchNormalization"
    gamma, _, _, var = (narrow.constants[name].astype(np.float64) for name in last.inputs[1:])
    expected = dy[0] * gamma / np.sqrt(var + last.attributes["epsilon"])
    assert_within(network.gradient(x, dy, bias), expected, 1e-14 * abs(expected))


def test_an_image_with_a_batch_axis_is_refused(narrow):
    with pytest.raises(ShapeError, match=r"the image has shape \(1, 3, 112, 112\); expected one image"):
        pixel_gradient(Network(narrow), np.zeros((1, 3, 112, 112)), np.ones(512))
