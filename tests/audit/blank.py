"""The full-size network with every weight zero, in no memory: for what looks at structure alone."""

import numpy as np

from refnet import resnet100
from refnet.graph import Array, Graph, Tensor


def blank_graph(units: tuple[int, ...] = resnet100.UNITS) -> Graph:
    """LResNet100E-IR as the real file writes it; weights are views of a single zero."""
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE), units)
    constants: dict[str, Array] = {
        name: np.broadcast_to(np.float32(1 if name.endswith("_var") else 0), shape)
        for name, shape in blueprint.parameters.items()
    }
    constants |= {name: np.array([1, -1, 1, 1]) for name in constants if name.startswith("reshape")}
    constants |= {"scalar_op2": np.array([127.5], np.float32), "scalar_op3": np.array([0.0078125], np.float32)}
    return Graph(
        "mxnet_converted_model",
        (Tensor("data", "float32", (1, 3, 112, 112)),),
        (Tensor("fc1", "float32", (1, 512)),),
        tuple(blueprint.nodes),
        constants,
    )
