import numpy as np
import pytest

from tests.fast.simplify.graphs import CHANNELS, SIZE, Build, assert_same, ops, simplified


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, CHANNELS])
def test_a_scaling_after_a_convolution_is_folded(groups, bias):
    build = Build()
    build.normalise(build.conv("x", groups=groups, bias=bias))
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv"]
    assert_same(graph, simpler)


@pytest.mark.parametrize("bias", [None, (), (3,), (1, 3)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_a_scaling_after_a_fully_connected_layer_is_folded(trans_b, bias):
    build = Build(shape=(7,))
    build.normalise(build.gemm("x", 7, trans_b=trans_b, bias=bias, alpha=2.0, beta=0.5), 3)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Gemm"]
    assert_same(graph, simpler)


def test_a_bias_of_its_own_for_every_image_is_not_folded():
    build = Build(shape=(7,))
    build.normalise(build.gemm("x", 7, bias=(2, 3)), 3)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Gemm", "BatchNormalization"]
    assert_same(graph, simpler)


def test_a_convolution_that_something_else_reads_is_left_as_it_is():
    build = Build()
    conv = build.conv("x")
    build.node("Add", build.normalise(conv), conv)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv", "BatchNormalization", "Add"]
    assert_same(graph, simpler)


def test_a_convolution_that_is_given_out_is_left_as_it_is():
    build = Build()
    conv = build.conv("x")
    graph = build.graph(conv, build.normalise(conv))
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv", "BatchNormalization"]
    assert_same(graph, simpler)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, CHANNELS])
@pytest.mark.parametrize("size", [1, 3])
def test_a_scaling_before_a_convolution_without_padding_is_folded(size, groups, bias):
    build = Build()
    build.conv(build.normalise("x"), size=size, padding=0, stride=2, groups=groups, bias=bias, channels=2 * CHANNELS)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv"]
    assert_same(graph, simpler)


def test_a_shift_before_a_convolution_with_padding_stays():
    build = Build()
    build.conv(build.normalise("x"), padding=1)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["BatchNormalization", "Conv"]
    assert_same(graph, simpler)


def test_a_scaling_without_shift_is_folded_into_a_convolution_with_padding():
    build = Build()
    build.conv(build.node("Mul", "x", build.constant(np.float32([[[2]], [[-1]], [[0.5]], [[4]]]))), padding=1)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv"]
    assert_same(graph, simpler)


@pytest.mark.parametrize("bias", [None, (), (3,), (1, 3)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_a_scaling_before_a_fully_connected_layer_is_folded(trans_b, bias):
    build = Build(shape=(7,))
    build.gemm(build.normalise("x", 7), 7, trans_b=trans_b, bias=bias, alpha=2.0, beta=0.5)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Gemm"]
    assert_same(graph, simpler)


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape", "Reshape with the batch"])
def test_the_head_of_the_network_becomes_one_layer(flatten):
    build = Build()
    x, terms = build.node("Dropout", build.normalise("x")), CHANNELS * SIZE * SIZE
    if flatten == "Flatten":
        x = build.node("Flatten", x, axis=1)
    elif flatten == "Reshape":
        x = build.node("Reshape", x, build.constant([-1, terms]), allow_zero=0)
    else:
        count = build.node("Gather", build.node("Shape", x), build.constant([0]), axis=0)
        target = build.node("Concat", count, build.constant([-1]), axis=0)
        x = build.node("Reshape", x, target, allow_zero=0)
    build.normalise(build.gemm(x, terms, bias=(3,)), 3)
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Flatten", "Gemm"]
    assert_same(graph, simpler)


def test_a_scaling_before_flattening_stays_where_nothing_can_do_it_afterwards():
    build = Build()
    build.node("Relu", build.node("Flatten", build.normalise("x"), axis=1))
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["BatchNormalization", "Flatten", "Relu"]
    assert_same(graph, simpler)


def test_a_reshape_that_mixes_images_is_no_flattening():
    build = Build()
    build.node("Reshape", "x", build.constant([-1, SIZE]), allow_zero=0)
    graph = build.graph()
    assert ops(simplified(graph)) == ["Reshape"]


def test_a_product_with_a_matrix_and_a_sum_are_a_fully_connected_layer():
    build = Build(shape=(7,))
    build.node("Add", build.node("MatMul", "x", build.weights(7, 3)), build.weights(3))
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Gemm"]
    assert_same(graph, simpler)


def test_openvinos_bias_costs_no_new_weights():
    build = Build()
    build.node("Add", build.conv("x"), build.weights(1, CHANNELS, 1, 1))
    graph = build.graph()
    simpler = simplified(graph)
    assert ops(simpler) == ["Conv"]
    assert simpler.nodes[0].inputs[1] == graph.nodes[0].inputs[1]
    assert_same(graph, simpler)
