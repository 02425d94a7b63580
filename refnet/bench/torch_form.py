"""A graph as a PyTorch module, so that `side_by_side` can run it there; for the operators of face networks."""

from typing import Any

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Graph, Node
from refnet.runtimes import import_runtime


def torch_module(graph: Graph) -> Any:
    """The nodes of a graph of one input and one output, one after the other, as a module."""
    torch = import_runtime("torch")
    module_class: Any = torch.nn.Module

    places = {name: f"c{n}" for n, name in enumerate(graph.constants)}

    class TorchGraph(module_class):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            values = {name: getattr(self, place) for name, place in places.items()} | {graph.inputs[0].name: x}
            for node in graph.nodes:
                values[node.output] = _compute(node, [values[name] for name in node.inputs if name])
            return values[graph.outputs[0].name]

    module = TorchGraph()
    for name, place in places.items():
        module.register_buffer(place, torch.from_numpy(np.array(graph.constants[name])))
    return module.eval()


def _compute(node: Node, inputs: list[Any]) -> Any:
    """One node."""
    functional = import_runtime("torch").nn.functional
    x, a = inputs[0], node.attributes
    match node.op:
        case "Conv":
            top, left, bottom, right = a["padding"]  # type: ignore[misc, str-unpack]
            if (top, left) != (bottom, right):
                x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
            return functional.conv2d(
                x, *inputs[1:], stride=a["stride"], padding=(top, left), dilation=a["dilation"], groups=a["groups"]
            )
        case "BatchNormalization":
            gamma, beta, mean, var = inputs[1:]
            return functional.batch_norm(x, mean, var, gamma, beta, eps=a["epsilon"])
        case "PRelu":
            return functional.prelu(x, inputs[1].reshape(-1))
        case "Gemm" if a["trans_b"] and a["alpha"] == a["beta"] == 1.0:
            return functional.linear(x, *inputs[1:])
        case "Add":
            return x + inputs[1]
        case "Sub":
            return x - inputs[1]
        case "Mul":
            return x * inputs[1]
        case "Div":
            return x / inputs[1]
        case "Flatten":
            return x.flatten(1)
        case "Reshape":
            return x.reshape([int(extent) if extent else x.shape[n] for n, extent in enumerate(inputs[1].tolist())])
        case "Identity" | "Dropout":
            return x
    raise UnsupportedModelError(f"node {node.name!r} ({node.op}) is not written for torch")
