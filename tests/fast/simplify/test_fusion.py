import numpy as np
import pytest

from refnet.fast.simplify import FusedConv, epilogue, fuse, simplify
from refnet.ops import OPERATORS
from refnet.ops.inference import infer
from refnet.reference import stream
from tests.comparison import assert_within
from tests.fast.simplify.graphs import CHANNELS, SIZE, Build, images, known, simplified


def steps_of(graph):
    """The steps of a simplified graph; each of its tensors has been checked against the graph."""
    steps = fuse(graph, known(graph))
    held = {"x": images(graph)["x"]}
    expected = dict(stream(graph, held))
    for step in steps:
        if isinstance(step, FusedConv):
            held.update(computed(graph, step, held))
        else:
            inputs = [
                held[name] if name in held else expected.get(name, graph.constants.get(name)) for name in step.inputs
            ]
            held[step.output] = OPERATORS[step.op].compute(*inputs, **step.attributes)
    for tensor in graph.outputs:
        assert_within(held[tensor.name], expected[tensor.name])
    return steps


def computed(graph, step, held):
    """What a fused convolution makes, as its formula says it."""
    after = epilogue(graph, step, known(graph))
    wide = (slice(None), np.newaxis, np.newaxis)
    weights = (
        dict(stream(graph, images(graph), [step.conv.inputs[1]]))
        if step.conv.inputs[1] not in graph.constants
        else graph.constants
    )
    v = OPERATORS["Conv"].compute(held[step.conv.inputs[0]], weights[step.conv.inputs[1]], **step.conv.attributes)
    v = v + after.bias[wide]
    if step.residual:
        v = v + held[step.residual]
    below = np.where(np.isnan(after.slope[wide]), 0, after.slope[wide] * v)  # a slope of NaN is a ReLU
    y = np.where(v < 0, below, v)
    made = {step.output: y}
    if step.second:
        made[step.second] = after.scale[wide] * y + after.shift[wide]
    return made


def test_a_unit_becomes_its_convolutions():
    build = Build()
    y = build.conv(build.normalise("x"))
    y = build.node("PRelu", build.normalise(y), build.weights(CHANNELS, 1, 1))
    total = build.node("Add", build.normalise(build.conv(y)), "x")
    last = build.conv(build.normalise(total))
    build.node("Add", last, total)
    graph = simplified(build.graph())
    first, *fused = steps_of(graph)
    assert first.op == "BatchNormalization"
    assert [bool(step.activation) for step in fused] == [True, False, False]
    assert [step.residual for step in fused] == ["", "x", total]
    assert [bool(step.second) for step in fused] == [False, True, False]


def test_a_residual_may_be_made_after_the_convolution_it_is_added_to():
    build = Build()
    y, shortcut = build.conv("x"), build.conv("x", size=1, padding=0)
    build.node("Add", y, shortcut)
    steps = steps_of(build.graph())
    assert [step.output for step in steps] == [shortcut, build.nodes[-1].output]
    assert steps[1].residual == shortcut


def test_the_first_convolution_takes_the_sum_when_both_could():
    build = Build()
    shortcut, y = build.conv("x", size=1, padding=0), build.conv("x")
    build.node("Add", y, shortcut)
    steps = steps_of(build.graph())
    assert [(step.conv.output, step.residual) for step in steps] == [(shortcut, ""), (y, shortcut)]


def test_an_activation_before_a_sum_keeps_the_sum_apart():
    build = Build()
    build.node("Add", build.node("Relu", build.conv("x")), "x")
    steps = steps_of(build.graph())
    assert [type(step) is FusedConv or step.op for step in steps] == [True, "Add"]


def test_an_activation_after_a_sum_is_taken_in():
    build = Build()
    build.node("Relu", build.node("Add", "x", build.conv("x")))
    (step,) = steps_of(build.graph())
    assert (step.residual, step.activation.op) == ("x", "Relu")


@pytest.mark.parametrize("shape", [(), (1,), (CHANNELS, 1, 1), (1, CHANNELS, 1, 1)])
def test_slopes_of_a_channel_are_taken_in(shape):
    build = Build()
    build.node("PRelu", build.conv("x"), build.weights(*shape))
    (step,) = steps_of(build.graph())
    assert step.activation


@pytest.mark.parametrize("shape", [(SIZE,), (SIZE, 1), (CHANNELS, SIZE, SIZE)])
def test_slopes_of_pixels_are_not(shape):
    build = Build()
    build.node("PRelu", build.conv("x"), build.weights(*shape))
    conv, activation = steps_of(build.graph())
    assert not conv.activation
    assert activation.op == "PRelu"


def test_a_sum_that_stretches_is_not_a_residual():
    build = Build(shape=(CHANNELS, 1, 1))
    single = build.conv("x", size=1, padding=0)
    build.node("Add", build.conv(build.node("Expand", "x", build.constant([1, CHANNELS, SIZE, SIZE]))), single)
    steps = steps_of(build.graph())
    assert all(not step.residual for step in steps if isinstance(step, FusedConv))


def test_what_is_read_twice_is_made():
    build = Build()
    y = build.conv("x")
    build.node("Add", build.node("Relu", y), y)
    conv, activation, total = steps_of(build.graph())
    assert (conv.output, activation.op, total.op) == (y, "Relu", "Add")


def test_what_is_given_out_is_made():
    build = Build()
    y = build.conv("x")
    graph = build.graph(y, build.node("Relu", y))
    conv, activation = steps_of(graph)
    assert (conv.output, activation.op) == (y, "Relu")


def test_twice_the_same_convolution_is_a_sum_of_its_own():
    build = Build()
    y = build.conv("x")
    build.node("Add", y, y)
    assert len(steps_of(build.graph())) == 2


def test_a_second_reader_that_scales_has_a_step_of_its_own():
    build = Build()
    y = build.node("Relu", build.conv("x"))
    build.node("Add", build.conv(build.normalise(y)), build.conv(build.normalise(y)))
    steps = steps_of(simplified(build.graph()))
    assert sum(isinstance(step, FusedConv) for step in steps) == 3
    assert sum(not isinstance(step, FusedConv) for step in steps) == 1


def test_constant_nodes_are_no_steps():
    build = Build()
    build.normalise(build.conv("x"))
    assert len(steps_of(simplified(build.graph()))) == 1


def test_the_network_is_its_convolutions_and_little_else(narrow):
    simpler = simplify(narrow, {"data": (2, 3, 112, 112)})
    steps = fuse(simpler, infer(simpler, {"data": (2, 3, 112, 112)}))
    fused = [step for step in steps if isinstance(step, FusedConv)]
    assert len(fused) == 103
    assert [step.op for step in steps if not isinstance(step, FusedConv)] == ["BatchNormalization", "Flatten", "Gemm"]
    assert sum(bool(step.residual) for step in fused) == 49
    assert sum(bool(step.activation) for step in fused) == 50
    assert sum(bool(step.second) for step in fused) == 49
    made = {"data"}
    for step in steps:
        reads = [step.conv.inputs[0], step.residual] if isinstance(step, FusedConv) else [step.inputs[0]]
        assert set(filter(None, reads)) <= made
        made |= {step.output, step.second} if isinstance(step, FusedConv) else {step.output}
