"""One layer as a network: what a kernel computes, through the plan and the packing that it has in real use."""

from dataclasses import dataclass

import numpy as np

import refnet.fast
from refnet.fast.plan import Compiled
from refnet.graph import Graph, Node, Tensor
from refnet.ops import OPERATORS

UNIT = 2.0**-24  # unit roundoff of float32


@dataclass(frozen=True)
class Conv:
    """A convolution of an image, and what may follow it."""

    ic: int
    oc: int
    height: int
    width: int
    size: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (1, 1, 1, 1)
    depthwise: bool = False
    slope: bool = False
    residual: bool = False
    second: bool = False

    @property
    def attributes(self):
        groups = self.ic if self.depthwise else 1
        return {"stride": self.stride, "padding": self.padding, "dilation": (1, 1), "groups": groups}

    def constants(self, seed):
        rng = np.random.default_rng(seed)
        fan_in = (1 if self.depthwise else self.ic) * self.size[0] * self.size[1]
        weight = rng.standard_normal((self.oc, 1 if self.depthwise else self.ic, *self.size)) * (2 / fan_in) ** 0.5
        vectors = {name: rng.standard_normal(self.oc) for name in ("bias", "gamma", "beta", "mean")}
        vectors["slope"] = rng.standard_normal((self.oc, 1, 1))
        vectors["var"] = rng.uniform(0.5, 2, self.oc)
        return {"weight": weight.astype(np.float32)} | {k: v.astype(np.float32) for k, v in vectors.items()}

    def graph(self, seed):
        """Conv, [Add], [PRelu], [BatchNormalization beside it]; outputs y and, if asked for, z."""
        shape = self.output_shape
        nodes = [Node("conv", "Conv", ("x", "weight", "bias"), "sum", self.attributes)]
        inputs = [Tensor("x", "float32", (1, self.ic, self.height, self.width))]
        if self.residual:
            inputs.append(Tensor("r", "float32", (1, *shape)))
            nodes.append(Node("add", "Add", (nodes[-1].output, "r"), "added"))
        if self.slope:
            nodes.append(Node("prelu", "PRelu", (nodes[-1].output, "slope"), "activated"))
        outputs = [Tensor(nodes[-1].output, "float32", (1, *shape))]
        if self.second:
            names = (nodes[-1].output, "gamma", "beta", "mean", "var")
            nodes.append(Node("bn", "BatchNormalization", names, "z", {"epsilon": 1e-5}))
            outputs.append(Tensor("z", "float32", (1, *shape)))
        used = {name for node in nodes for name in node.inputs}
        constants = {name: value for name, value in self.constants(seed).items() if name in used}
        return Graph("single", tuple(inputs), tuple(outputs), tuple(nodes), constants)

    def feeds(self, count, seed):
        rng = np.random.default_rng(seed + 1)
        feeds = {"x": rng.standard_normal((count, self.ic, self.height, self.width)).astype(np.float32)}
        if self.residual:
            feeds["r"] = rng.standard_normal((count, *self.output_shape)).astype(np.float32)
        return feeds

    @property
    def output_shape(self):
        top, left, bottom, right = self.padding
        down = (self.height + top + bottom - self.size[0]) // self.stride[0] + 1
        across = (self.width + left + right - self.size[1]) // self.stride[1] + 1
        return self.oc, down, across


def definition(graph, feeds):
    """All tensors by refnet.ops in float64."""
    tensors = {name: value.astype(np.float64) for name, value in (graph.constants | feeds).items()}
    for node in graph.nodes:
        inputs = [tensors[name] for name in node.inputs]
        tensors[node.output] = OPERATORS[node.op].compute(*inputs, **node.attributes)
    return tensors


def magnitude(case, graph, feeds):
    """|w| * |x|, what the error of a sum of products is measured by."""
    x, weight = abs(feeds["x"].astype(np.float64)), abs(graph.constants["weight"].astype(np.float64))
    return OPERATORS["Conv"].compute(x, weight, **case.attributes)


def run(graph, feeds, **options):
    return refnet.fast.compile(graph, threads=options.pop("threads", 1), **options).run(feeds)


def kernels(graph, **options):
    """Which kernels the graph's plan calls, by name; 'Op' in capitals for a node run by its definition."""
    plan = refnet.fast.compile(graph, threads=1, **options).plan
    return [step.kernel for step in plan.described], all(isinstance(part, Compiled) for part in plan.parts)


def error_units(case, count=1, seed=0, **options):
    """The worst error of a plain convolution (no bias), in units of u (|w| * |x|)."""
    graph, feeds = case.graph(seed), case.feeds(count, seed)
    graph.constants["bias"][:] = 0
    error = abs(run(graph, feeds, **options)["sum"] - definition(graph, feeds)["sum"])
    allowed = UNIT * magnitude(case, graph, feeds)
    assert not error[allowed == 0].any()  # where only zeros were added up
    return (error[allowed > 0] / allowed[allowed > 0]).max()
