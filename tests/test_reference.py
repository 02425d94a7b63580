import gc
import tracemalloc

import numpy as np
import pytest

from refnet import reference
from refnet.errors import InputError, ModelError, ShapeError, UnsupportedModelError, UsageError
from refnet.graph import Graph, Node, Tensor
from refnet.ops.conv import conv
from tests.comparison import assert_within


def graph(nodes, *, inputs=(("x", (1, 3, 8, 8)),), outputs=("y",), **constants):
    return Graph(
        "test",
        tuple(Tensor(name, "float32", shape) for name, shape in inputs),
        tuple(Tensor(name, "float32", ()) for name in outputs),
        tuple(nodes),
        {name: np.asarray(value) for name, value in constants.items()},
    )


def residual_unit(seed=0):
    """A unit like those of the network: two ways from one tensor, joined by an addition."""
    rng = np.random.default_rng(seed)
    same = {"padding": (1, 1, 1, 1)}
    return graph(
        [
            Node("conv0", "Conv", ("x", "w0"), "conv0", same),
            Node("bn1", "BatchNormalization", ("conv0", "gamma", "beta", "mean", "var"), "bn1", {"epsilon": 2e-5}),
            Node("conv1", "Conv", ("bn1", "w1"), "conv1", same),
            Node("relu1", "PRelu", ("conv1", "slope"), "relu1"),
            Node("plus", "Add", ("relu1", "conv0"), "plus"),
            Node("flat", "Flatten", ("plus",), "flat", {"axis": 1}),
            Node("fc", "Gemm", ("flat", "w", "b"), "y", {"trans_b": 1}),
        ],
        w0=rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        gamma=rng.normal(size=4).astype(np.float32),
        beta=rng.normal(size=4).astype(np.float32),
        mean=rng.normal(size=4).astype(np.float32),
        var=rng.uniform(1, 2, size=4).astype(np.float32),
        w1=rng.normal(size=(4, 4, 3, 3)).astype(np.float32),
        slope=rng.normal(size=(4, 1, 1)).astype(np.float32),
        w=rng.normal(size=(5, 256)).astype(np.float32),
        b=rng.normal(size=5).astype(np.float32),
    )


def images(n=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3, 8, 8))


def test_run_is_the_operators_one_after_another_in_float64():
    unit = residual_unit()
    x, w = images(), {name: value.astype(np.float64) for name, value in unit.constants.items()}
    stem = conv(x, w["w0"], padding=(1, 1, 1, 1))
    per_channel = (slice(None), None, None)
    normal = (stem - w["mean"][per_channel]) * (w["gamma"] / np.sqrt(w["var"] + 2e-5))[per_channel]
    inner = conv(normal + w["beta"][per_channel], w["w1"], padding=(1, 1, 1, 1))
    joined = np.where(inner < 0, w["slope"] * inner, inner) + stem
    expected = np.stack([row @ w["w"].T for row in joined.reshape(2, -1)]) + w["b"]
    result = reference.run(unit, {"x": x})
    assert list(result) == ["y"]
    assert_within(result["y"], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.float16])
def test_results_are_float64_whatever_goes_in(dtype):
    y = reference.run(residual_unit(), {"x": images().astype(dtype)})["y"]
    assert y.dtype == np.float64


def test_an_image_has_the_same_bits_alone_and_at_every_place_of_a_batch():
    unit, x = residual_unit(), images(7)
    batch = dict(reference.stream(unit, {"x": x}))
    for i in range(len(x)):
        for name, alone in reference.stream(unit, {"x": x[i : i + 1]}):
            assert_within(alone[0], batch[name][i])
    swapped = dict(reference.stream(unit, {"x": x[::-1]}))
    assert_within(swapped["y"][::-1], batch["y"])


def test_stream_yields_node_outputs_in_the_order_of_the_graph():
    names = [name for name, _ in reference.stream(residual_unit(), {"x": images()})]
    assert names == ["conv0", "bn1", "conv1", "relu1", "plus", "flat", "y"]


def test_stream_yields_what_a_pattern_matches_and_no_more():
    def names(*patterns):
        return [name for name, _ in reference.stream(residual_unit(), {"x": images()}, patterns)]

    assert names("conv?") == ["conv0", "conv1"]
    assert names("y", "bn1") == ["bn1", "y"]
    assert names("*[1]") == ["bn1", "conv1", "relu1"]
    assert names() == []


def test_one_pattern_may_stand_alone():
    assert [name for name, _ in reference.stream(residual_unit(), {"x": images()}, "plus")] == ["plus"]
    assert reference.matching(residual_unit(), "conv*") == {"conv0", "conv1"}


def test_patterns_heed_upper_and_lower_case_and_offer_the_nearest_names():
    with pytest.raises(UsageError, match=r"pattern 'Conv1' matches no tensor; nearest are 'conv1', 'conv0'"):
        reference.stream(residual_unit(), {"x": images()}, ["conv0", "Conv1"])


def test_graph_inputs_and_constants_are_not_yielded():
    with pytest.raises(UsageError, match="pattern 'w0' matches no tensor"):
        reference.stream(residual_unit(), {"x": images()}, ["w0"])


def test_nodes_that_no_wanted_tensor_needs_are_not_computed():
    # What they would make of a constant that is no number would show.
    unit = residual_unit()
    unit.constants["w"][:] = np.nan
    (name, value), *rest = reference.stream(unit, {"x": images()}, ["conv0"])
    assert (name, rest) == ("conv0", [])
    assert np.isfinite(value).all()


def test_streamed_tensors_are_read_only_and_results_are_not():
    for _, value in reference.stream(residual_unit(), {"x": images()}):
        assert not value.flags.writeable
    assert reference.run(residual_unit(), {"x": images()})["y"].flags.writeable


def test_results_share_no_memory_with_what_went_in():
    x = images()
    y = reference.run(graph([Node("n", "Identity", ("x",), "y")]), {"x": x})["y"]
    assert not np.shares_memory(x, y)


def test_feeds_and_constants_are_left_as_they_were():
    unit, x = residual_unit(), images()
    before, constants = x.copy(), {name: value.copy() for name, value in unit.constants.items()}
    reference.run(unit, {"x": x})
    assert_within(x, before)
    for name, value in constants.items():
        assert_within(unit.constants[name], value)


def test_integers_stay_int64_and_choose_shapes():
    nodes = [
        Node("shape", "Shape", ("x",), "s"),
        Node("batch", "Gather", ("s", "zero"), "b", {"axis": 0}),
        Node("vector", "Unsqueeze", ("b",), "v", {"axes": (0,)}),
        Node("target", "Concat", ("v", "rest"), "t", {"axis": 0}),
        Node("reshape", "Reshape", ("x", "t"), "y", {"allow_zero": 0}),
    ]
    subject = graph(nodes, outputs=("y", "t"), zero=np.int64(0), rest=np.array([-1]))
    result = reference.run(subject, {"x": images(5)})
    assert result["y"].shape == (5, 192)
    assert result["t"].tolist() == [5, -1]
    assert result["t"].dtype == np.int64


def test_a_cast_to_float32_does_not_leave_float64():
    nodes = [Node("n", "Cast", ("x",), "c", {"to": "float32"}), Node("m", "Sqrt", ("c",), "y")]
    y = reference.run(graph(nodes, inputs=(("x", (1,)),)), {"x": np.array([2.0])})["y"]
    assert y[0] == np.sqrt(2.0)
    integers = Graph("ints", (Tensor("x", "int64", (1,)),), (Tensor("y", "float32", ()),), tuple(nodes), {})
    assert reference.run(integers, {"x": np.array([2])})["y"][0] == np.sqrt(2.0)


def test_an_output_may_be_an_input_or_a_constant():
    subject = graph([Node("n", "Relu", ("x",), "y")], outputs=("k", "y", "x"), k=np.float32([3.0]))
    x = images()
    result = reference.run(subject, {"x": x})
    assert list(result) == ["k", "y", "x"]
    assert_within(result["x"], x)
    assert result["k"].dtype == np.float64


def test_one_tensor_may_be_read_twice_by_one_node():
    x = images()
    assert_within(reference.run(graph([Node("n", "Mul", ("x", "x"), "y")]), {"x": x})["y"], x * x)


def test_memory_holds_a_few_tensors_however_long_the_graph():
    def peak_bytes(length):
        nodes = [Node(f"n{i}", "Relu", (f"t{i}",), f"t{i + 1}") for i in range(length)]
        chain = graph(nodes, inputs=(("t0", (1, 100_000)),), outputs=(f"t{length}",))
        x = np.ones((1, 100_000))
        gc.collect()
        tracemalloc.start()
        for _, value in reference.stream(chain, {"t0": x}):
            del value
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    tensor = 800_000
    assert peak_bytes(40) < 3 * tensor


def test_constants_are_never_all_in_float64_at_once():
    weights = {f"w{i}": np.ones((100, 100), dtype=np.float32) for i in range(20)}
    nodes = [Node(f"n{i}", "MatMul", (f"t{i}", f"w{i}"), f"t{i + 1}") for i in range(20)]
    chain = graph(nodes, inputs=(("t0", (1, 100)),), outputs=("t20",), **weights)
    gc.collect()
    tracemalloc.start()
    reference.run(chain, {"t0": np.ones((1, 100))})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_weight = 80_000
    assert peak < 3 * one_weight


@pytest.mark.parametrize(
    ("feeds", "error", "message"),
    [
        ({}, UsageError, "no array is given for the graph input 'x'"),
        ({"data": images()}, UsageError, "the graph has no input 'data'"),
        ({"x": images(), "xx": images()}, UsageError, "the graph has no input 'xx'; nearest are 'x'"),
        ({"x": images()[0]}, ShapeError, r"input 'x' has shape \(3, 8, 8\); expected \(1, 3, 8, 8\)"),
        ({"x": np.array("face")}, ShapeError, "input 'x' has dtype <U4; expected numbers"),
        (
            {"x": images().transpose(0, 2, 3, 1)},
            ShapeError,
            r"input 'x' has shape \(2, 8, 8, 3\); the model declares \(1, 3, 8, 8\) \(any extent on axis 0\), "
            r"and cannot run otherwise: node 'conv0' \(Conv\): weight has shape",
        ),
    ],
)
def test_feeds_that_do_not_fit_are_refused(feeds, error, message):
    with pytest.raises(error, match=message):
        reference.run(residual_unit(), feeds)


def test_a_model_that_does_not_fit_itself_is_the_models_fault():
    with pytest.raises(ModelError, match=r"node 'n' \(Add\): shapes .* do not broadcast"):
        reference.run(graph([Node("n", "Add", ("x", "k"), "y")], k=np.ones(7)), {"x": images()})
    with pytest.raises(UnsupportedModelError, match=r"node 'n' \(Gelu\)"):
        reference.run(graph([Node("n", "Gelu", ("x",), "y")]), {"x": images()})


def test_what_refnet_lacks_is_not_blamed_on_the_images():
    with pytest.raises(UnsupportedModelError, match=r"node 'n' \(Gelu\)"):
        reference.run(graph([Node("n", "Gelu", ("x",), "y")]), {"x": images()[..., :5]})


def test_free_extents_are_shown_as_n():
    subject = graph([Node("n", "Relu", ("x",), "y")], inputs=(("x", (None, 3, None)),))
    with pytest.raises(ShapeError, match=r"expected \(N, 3, N\)"):
        reference.run(subject, {"x": images()})


def streamed(**how):
    feeds = how.pop("feeds", {"x": images()})
    return {name: array.copy() for name, array in reference.stream(residual_unit(), feeds, **how)}


def test_what_follows_from_given_tensors_is_computed_from_them():
    there = streamed()
    rest = streamed(feeds={}, start={"relu1": there["relu1"], "conv0": there["conv0"]})
    assert list(rest) == ["bn1", "conv1", "plus", "flat", "y"]
    for name, array in rest.items():
        assert_within(array, there[name], 0)


def test_a_given_tensor_is_taken_as_it_is_beside_what_is_fed():
    there = streamed()
    rest = streamed(start={"relu1": 2 * there["relu1"]}, patterns=["plus"])
    assert_within(rest["plus"], 2 * there["relu1"] + there["conv0"], 0)


def test_given_tensors_may_be_of_another_number_of_images():
    plus = np.random.default_rng(0).normal(size=(5, 4, 8, 8))
    (y,) = streamed(feeds={}, start={"plus": plus}, patterns=["y"]).values()
    assert y.shape == (5, 5)


@pytest.mark.parametrize(
    ("start", "patterns", "message"),
    [
        (["relu1"], ["plus"], "pattern 'plus' matches only tensors that need 'x', which is not given; what follows from 'relu1'"),
        (["plus"], ["y", "conv1"], "pattern 'conv1' matches only tensors that need 'x'"),
        (["plus"], ["pl*"], "pattern 'pl.' matches only what is given to start from"),
        (["plus"], ["z*"], "pattern 'z.' matches no tensor"),
        (["conv7"], ["y"], "cannot start from 'conv7': there is no such tensor; nearest are 'conv1', 'conv0'"),
        (["w0"], ["y"], "cannot start from 'w0': it is a weight"),
    ],
)  # fmt: skip
def test_what_does_not_follow_is_named(start, patterns, message):
    there = streamed()
    given = {name: there.get(name, np.ones((1, 1))) for name in start}
    with pytest.raises(UsageError, match=message):
        streamed(feeds={}, start=given, patterns=patterns)


def test_a_given_tensor_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"input 'plus' has shape \(2, 256\); expected \(N, 4, 8, 8\)"):
        streamed(feeds={}, start={"plus": np.ones((2, 256))}, patterns=["y"])
    with pytest.raises(ShapeError, match=r"input 'plus' has shape \(2, 4, 8, 9\); the model declares \(N, 4, 8, 8\)"):
        streamed(feeds={}, start={"plus": np.ones((2, 4, 8, 9))}, patterns=["y"])


def test_a_patch_takes_the_place_of_a_tensor():
    there = streamed()
    seen = []

    def negated(array):
        seen.append(array.copy())
        array *= -1
        return array

    patched = streamed(patch={"relu1": negated})
    assert_within(seen[0], there["relu1"], 0)
    assert_within(patched["relu1"], -there["relu1"], 0)
    assert_within(patched["plus"], there["conv0"] - there["relu1"], 0)
    assert_within(patched["conv1"], there["conv1"], 0)


@pytest.mark.parametrize(
    ("patch", "error", "message"),
    [
        (lambda x: x[:1], ShapeError, r"the patch of 'bn1' returned shape \(1, 4, 8, 8\) and dtype float64; expected .* \(2, 4, 8, 8\)"),
        (lambda x: x.astype(int), ShapeError, "and dtype int64; expected the tensor's, .* and float64"),
        (lambda _: None, ShapeError, r"returned shape \(\) and dtype object"),
        (lambda x: x / 0, InputError, "the patch of 'bn1' returned NaN or infinite values"),
    ],
)  # fmt: skip
def test_a_patch_that_does_not_fit_is_refused(patch, error, message):
    with np.errstate(divide="ignore"), pytest.raises(error, match=message):
        streamed(patch={"bn1": patch})


def test_a_patch_of_what_no_node_makes_is_refused():
    with pytest.raises(UsageError, match="cannot patch 'conv9': no node makes it; nearest are 'conv1', 'conv0'"):
        streamed(patch={"conv9": abs})
