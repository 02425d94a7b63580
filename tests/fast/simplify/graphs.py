"""Small graphs for the tests of simplifying, and how two graphs are compared.

The graphs hold integers and halves, with which float64 is exact: there, simplifying may not change a single bit.
"""

import numpy as np

from refnet.fast.simplify import constant_names, simplify
from refnet.fast.simplify.scaling import collect_scalings, scaling_of
from refnet.graph import Graph, Node, Tensor
from refnet.ops.inference import infer
from refnet.reference import stream
from tests.comparison import assert_within

CHANNELS, SIZE = 4, 5


class Build:
    """A graph, written line by line; weights are small integers."""

    def __init__(self, shape=(CHANNELS, SIZE, SIZE), seed=0):
        self.input = Tensor("x", "float32", (1, *shape))
        self.nodes, self.constants = [], {}
        self.random = np.random.default_rng(seed)

    def weights(self, *shape):
        name = f"w{len(self.constants)}"
        self.constants[name] = self.random.integers(-4, 5, shape).astype(np.float32)
        return name

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(value)
        return name

    def node(self, op, *inputs, output="", **attributes):
        output = output or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(Node(output, op, inputs, output, attributes))
        return output

    def conv(self, x, channels=CHANNELS, size=3, *, padding=1, stride=1, groups=1, inputs=CHANNELS, bias=False):
        tensors = [x, self.weights(channels, inputs // groups, size, size)] + ([self.weights(channels)] if bias else [])
        square = {"stride": (stride, stride), "padding": (padding,) * 4, "dilation": (1, 1)}
        return self.node("Conv", *tensors, **square, groups=groups)

    def normalise(self, x, channels=CHANNELS):
        deviation = self.random.choice([0.5, 1, 2, 4], channels)
        gamma, beta, mean = (self.weights(channels) for _ in range(3))
        var = self.constant(np.square(deviation) - 0.125)
        return self.node("BatchNormalization", x, gamma, beta, mean, var, epsilon=0.125)

    def gemm(self, x, terms, outputs=3, *, trans_b=1, bias=None, alpha=1.0, beta=1.0):
        weight = self.weights(*((outputs, terms) if trans_b else (terms, outputs)))
        tensors = [x, weight] + ([self.weights(*bias)] if bias is not None else [])
        return self.node("Gemm", *tensors, alpha=alpha, beta=beta, trans_a=0, trans_b=trans_b)

    def graph(self, *outputs):
        given = tuple(Tensor(name, "float32", ()) for name in outputs or [self.nodes[-1].output])
        return Graph("test", (self.input,), given, tuple(self.nodes), self.constants)


def images(graph, count=2):
    shape = graph.inputs[0].shape[1:]
    return {"x": np.random.default_rng(1).integers(-8, 9, (count, *shape)).astype(np.float64)}


def known(graph, count=2):
    return infer(graph, {tensor.name: (count, *tensor.shape[1:]) for tensor in graph.inputs})


def simplified(graph):
    return simplify(graph, {tensor.name: (2, *tensor.shape[1:]) for tensor in graph.inputs})


def only_scaling(graph):
    """What the one node that scales and shifts channels does."""
    collected = collect_scalings(graph, known(graph))
    (scaling,) = (found for node in collected.nodes if (found := scaling_of(collected, node)))
    return scaling


def ops(graph):
    """The operators that are left to run."""
    constant = constant_names(graph)
    return [node.op for node in graph.nodes if node.output not in constant]


def assert_same(graph, simpler):
    """Every tensor that both graphs have is the same, bit by bit, and so are the outputs."""
    feeds = images(graph)
    before, after = (dict(stream(each, feeds)) for each in (graph, simpler))
    common = before.keys() & after.keys() - constant_names(graph)
    assert common >= {tensor.name for tensor in graph.outputs}
    for name in common:
        assert_within(after[name], before[name])
