"""Any LResNet100E-IR as the graph of `arcfaceresnet100-8.onnx`: its nodes, names and order, with the file's weights."""

from collections.abc import Sequence

import numpy as np

from refnet import resnet100
from refnet.audit.conformance import match
from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Constants, Graph, Stored, Tensor


def as_original(
    graph: Graph, units: Sequence[int] = resnet100.UNITS, widths: Sequence[int] = resnet100.WIDTHS
) -> tuple[Graph, tuple[str, ...]]:
    """Give a graph back the form of the MXNet export.

    Returns
    -------
    The graph, and a sentence about the names that were replaced, if any were.

    Raises
    ------
    UnsupportedModelError
        If the graph is not an LResNet100E-IR operator by operator; one whose BatchNormalizations are folded is not.
    """
    departure, found = match(graph, units, widths)
    if departure:
        folded = all(node.op != "BatchNormalization" for node in graph.nodes)
        raise UnsupportedModelError(
            f"the model cannot take the form of arcfaceresnet100-8.onnx: {departure}"
            + (
                ". Its BatchNormalizations are folded into other layers; convert the file it came from"
                if folded
                else ""
            )
        )
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE), units, widths)
    constants: dict[str, Array | Stored] = {}
    for name, shape in blueprint.parameters.items():
        if name.startswith("reshape"):
            constants[name] = np.array([1, -1, 1, 1], dtype=np.int64)
        else:
            entry = found[name]
            constants[name] = entry.reshape(shape) if isinstance(entry, np.ndarray) else entry
    names = {node.output for node in blueprint.nodes} | blueprint.parameters.keys()
    lost = {node.output for node in graph.nodes} | set(graph.constants)
    lost -= names
    notes = (f"{len(lost)} names of nodes and weights became those of arcfaceresnet100-8.onnx",) if lost else ()
    return Graph(
        name="mxnet_converted_model",
        inputs=(Tensor("data", "float32", (1, *resnet100.IMAGE)),),
        outputs=(Tensor("fc1", "float32", (1, resnet100.EMBEDDING)),),
        nodes=tuple(blueprint.nodes),
        constants=Constants(constants),
        source=graph.source,
    ), notes
