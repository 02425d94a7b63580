"""What is decided before any image is seen."""

from dataclasses import replace

import numpy as np
import pytest

import refnet.fast
from refnet.errors import ModelError, ShapeError, UsageError
from refnet.fast.plan import CAPACITY, Compiled, make_plan
from refnet.graph import Graph, Node, Tensor
from tests.fast.single import Conv, definition, kernels, run


def plan_of(graph, threads=1, **options):
    shapes = {tensor.name: tensor.shape[1:] for tensor in graph.inputs}
    return make_plan(graph, shapes, threads=threads, **options)


def test_the_network_is_compiled_as_a_whole(narrow):
    plan = plan_of(narrow)
    assert [type(part) for part in plan.parts] == [Compiled]
    assert sum(cost.kernel == "winograd_3x3" for cost in plan.costs) > 50


def test_algorithms_follow_from_shapes_and_not_from_threads_memory_or_capacity(narrow):
    plans = [plan_of(narrow), plan_of(narrow, threads=5), plan_of(narrow, low_memory=True)]
    assert len({tuple(plan.steps["kernel"]) for plan in plans}) == 1


def test_the_table_names_every_layer(narrow):
    table = str(plan_of(narrow))
    for name in ("conv0", "stage3_unit7_conv2", "stage4_unit1_conv1sc", "pre_fc1"):
        assert f"\n{name} " in table


def test_low_memory_keeps_nine_values_a_filter_instead_of_eighteen():
    graph = Conv(64, 64, 14, 14).graph(0)
    usual, low = (plan_of(graph, low_memory=low).weights.size for low in (False, True))
    assert (usual - low) == 64 * 64 * 9


@pytest.mark.parametrize("memory", ["default", "low"])
def test_steps_lie_within_the_arena_and_the_weights(narrow, memory):
    plan = plan_of(narrow, threads=3, low_memory=memory == "low")
    steps = plan.steps
    assert (steps["private_at"] + 3 * steps["private_size"] <= plan.arena_size).all()
    assert (steps["weights_at"] < plan.weights.size).all()
    for role in ("x", "y", "residual", "second"):
        images = np.where(steps[f"{role}_whole"], CAPACITY, 1)
        assert (steps[f"{role}_at"] + images * steps[f"{role}_image"] <= steps["private_at"]).all()


@pytest.mark.parametrize(
    ("case", "attributes"),
    [
        (Conv(8, 8, 9, 9), {"dilation": (2, 2)}),
        (Conv(8, 8, 9, 9, size=(1, 1), padding=(0, 0, 0, 0)), {"stride": (3, 3)}),
    ],
)
def test_what_has_no_kernel_runs_by_its_definition(case, attributes):
    case = replace(case, slope=True, residual=False, second=True)
    graph = case.graph(0)
    node = graph.nodes[0]
    nodes = (replace(node, attributes={**node.attributes, **attributes}), *graph.nodes[1:])
    outputs = tuple(replace(tensor, shape=(1, 8, 0, 0)) for tensor in graph.outputs)
    graph = replace(graph, nodes=nodes, outputs=outputs)
    feeds = case.feeds(3, 0)
    assert not kernels(graph)[1]
    exact = definition(graph, feeds)
    for name, value in run(graph, feeds, threads=2).items():
        assert abs(value - exact[name]).max() < 1e-4


def test_grouped_convolutions_run_by_their_definition():
    weight = np.random.default_rng(0).standard_normal((8, 2, 3, 3)).astype(np.float32)
    attributes = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 4}
    node = Node("conv", "Conv", ("x", "w"), "y", attributes)
    x, y = (Tensor(name, "float32", (1, 8, 6, 6)) for name in "xy")
    graph = Graph("grouped", (x,), (y,), (node,), {"w": weight})
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 8, 6, 6)).astype(np.float32)}
    assert abs(run(graph, feeds)["y"] - definition(graph, feeds)["y"]).max() < 1e-5


def test_a_tensor_that_two_kinds_of_kernels_read_is_laid_out_for_both():
    case = Conv(16, 16, 7, 7)
    graph = case.graph(0)
    gemm = {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 1}
    nodes = (
        *graph.nodes,
        Node("again", "Conv", ("sum", "weight"), "c", case.attributes),
        Node("flat", "Flatten", ("sum",), "f", {"axis": 1}),
        Node("fc", "Gemm", ("f", "w"), "d", gemm),
    )
    w = np.random.default_rng(2).standard_normal((10, 16 * 49)).astype(np.float32)
    outputs = (Tensor("c", "float32", (1, 16, 7, 7)), Tensor("d", "float32", (1, 10)))
    graph = replace(graph, nodes=nodes, constants=graph.constants | {"w": w}, outputs=outputs)
    feeds = case.feeds(2, 0)
    exact, results = definition(graph, feeds), run(graph, feeds)
    assert abs(results["c"] - exact["c"]).max() < 1e-4
    assert abs(results["d"] - exact["d"]).max() < 1e-3


def test_a_graph_made_for_one_image_runs_one():
    nodes = (Node("reshape", "Reshape", ("x", "shape"), "y", {"allow_zero": 0}),)
    x, y = Tensor("x", "float32", (1, 3, 2, 2)), Tensor("y", "float32", (1, 6, 2))
    graph = Graph("one", (x,), (y,), nodes, {"shape": np.array([1, 6, 2])})
    images = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)
    engine = refnet.fast.compile(graph, threads=1)
    assert (engine.plan.capacity, engine.plan.batch) == (1, 1)
    assert np.array_equal(engine.run({"x": images[:1]})["y"], images[:1].reshape(1, 6, 2))
    with pytest.raises(ShapeError, match="the model mixes the images of a batch"):
        engine.run({"x": images})


def test_weights_that_do_not_fit_are_refused():
    graph = Conv(16, 16, 7, 7).graph(0)
    graph = replace(graph, constants=graph.constants | {"weight": np.zeros((16, 15, 3, 3), np.float32)})
    with pytest.raises(ModelError, match=r"node 'conv' \(Conv\): weight has shape \(16, 15, 3, 3\)"):
        refnet.fast.compile(graph, threads=1)


def test_open_sizes_are_refused():
    graph = Conv(16, 16, 7, 7).graph(0)
    graph = replace(graph, inputs=(Tensor("x", "float32", (None, 16, None, 7)),))
    with pytest.raises(
        UsageError, match=r"input 'x' has shape \(None, 16, None, 7\); expected all extents but the first"
    ):
        refnet.fast.compile(graph, threads=1)


@pytest.mark.parametrize(
    ("case", "kernel"),
    [
        (Conv(4, 8, 8, 8), "direct_pixels"),
        (Conv(5, 8, 8, 8), "winograd_3x3"),
        (Conv(5, 8, 8, 8, stride=(2, 2)), "direct"),
        (Conv(5, 8, 8, 8, padding=(1, 1, 1, 0)), "direct"),
        (Conv(5, 5, 8, 8, depthwise=True), "depthwise"),
    ],
)
def test_a_convolutions_shape_chooses_its_kernel(case, kernel):
    assert kernel in kernels(case.graph(0))[0]
