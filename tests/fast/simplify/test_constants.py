import numpy as np

from refnet.fast.simplify import constant_names, evaluate
from refnet.fast.simplify.constants import without_unread
from tests.comparison import assert_within
from tests.fast.simplify.graphs import CHANNELS, SIZE, Build, only_scaling, ops, simplified


def test_weights_are_those_of_the_file_and_their_products_are_nodes():
    build = Build()
    build.normalise(build.conv("x"))
    graph = build.graph()
    simpler = simplified(graph)
    weight = graph.nodes[0].inputs[1]
    assert simpler.constants[weight] is graph.constants[weight]
    folded = evaluate(simpler, simpler.nodes[-1].inputs[1])
    assert folded.dtype == np.float64
    assert_within(folded, graph.constants[weight] * only_scaling(graph).scale.reshape(-1, 1, 1, 1))


def test_evaluating_hands_out_fresh_arrays():
    build = Build()
    weight = build.weights(3)
    build.constants[weight] = build.constants[weight].astype(np.float64)
    build.node("Relu", "x")
    graph = build.graph()
    evaluate(graph, weight)[:] = 0
    assert graph.constants[weight].any()


def test_what_follows_from_shapes_is_not_constant():
    build = Build()
    shape = build.node("Shape", "x")
    target = build.node("Gather", shape, build.constant([0]), axis=0)
    product = build.node("Mul", build.weights(2), build.weights(2))
    assert not {shape, target} & constant_names(build.graph(target))
    assert product in constant_names(build.graph(target))


def test_what_no_one_reads_is_left_out():
    build = Build()
    build.conv("x")
    build.node("Relu", "x")
    left = without_unread(build.graph())
    assert ops(left) == ["Relu"]
    assert not left.constants


def test_the_bits_of_a_folded_bias_do_not_depend_on_a_matrix_library():
    build = Build()
    build.gemm(build.node("Flatten", build.normalise("x"), axis=1), CHANNELS * SIZE * SIZE, bias=(3,))
    build.constants = {name: value + build.random.normal(size=value.shape) for name, value in build.constants.items()}
    build.constants = {name: abs(value) for name, value in build.constants.items()}
    graph = build.graph()
    simpler = simplified(graph)
    gemm = simpler.nodes[-1]
    bias = evaluate(simpler, gemm.inputs[2])
    scaling = only_scaling(graph)
    weight, old = (graph.constants[name].astype(np.float64) for name in graph.nodes[-1].inputs[1:])
    for row, got, start in zip(weight, bias, old, strict=True):
        total = 0.0
        for term in row * np.repeat(scaling.shift, SIZE * SIZE):
            total += term
        assert got == total + start
