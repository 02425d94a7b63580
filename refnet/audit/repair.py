"""What ONNX Runtime cannot run as it is shipped, changed in a copy in memory, each change said in a sentence.

- ``spatial = 0`` in BatchNormalization means one number a channel to MXNet, which wrote it; onnxruntime reads statistics
  for every pixel and stops with "Invalid input scale: NumDimensions() != 3" (onnx/models#242, microsoft/onnxruntime#2447).
- A declared batch of 1 refuses any other number of images, though the operators would take them.

Does not change what a file computes. Imports onnx: what another runtime is given must not pass through refnet's reader.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refnet.errors import ModelError


@dataclass(frozen=True)
class Repaired:
    """A model as onnxruntime can take it.

    Attributes
    ----------
    model : onnx.ModelProto
    repairs : what was changed, a sentence each.
    locked_by : the node that fixes the batch, so that images must be given one at a time; "" if any number can be.
    """

    model: Any
    repairs: tuple[str, ...]
    locked_by: str


def repaired(path: Path) -> Repaired:
    """Read a file and change what has to be changed.

    Raises
    ------
    ModelError
        If the onnx package cannot read the file.
    """
    import onnx  # takes a third of a second

    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf and the operating system raise what they like
        raise ModelError(f"the onnx package cannot read {path}: {error}") from error
    locked = _locked_by(model.graph)
    sentences = (_spatial(model.graph), "" if locked else _free_batch(model.graph))
    return Repaired(model, tuple(filter(None, sentences)), locked)


def _spatial(graph: Any) -> str:
    """Say ``spatial = 1`` where 0 is meant for a number a channel."""
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    attributes = [
        attribute
        for node in graph.node
        if node.op_type == "BatchNormalization" and ranks.get(node.input[1]) == 1
        for attribute in node.attribute
        if attribute.name == "spatial" and attribute.i == 0
    ]
    for attribute in attributes:
        attribute.i = 1
    if not attributes:
        return ""
    return f"spatial = 0 became 1 in {len(attributes)} BatchNormalization nodes, which onnxruntime refuses as shipped"


def _free_batch(graph: Any) -> str:
    """Free the batch of the image input and of every output."""
    weights = {tensor.name for tensor in graph.initializer}
    declared = 0
    for entry in (*(entry for entry in graph.input if entry.name not in weights), *graph.output):
        extents = entry.type.tensor_type.shape.dim
        if extents and extents[0].HasField("dim_value"):
            declared = extents[0].dim_value
            extents[0].dim_param = "N"
    if not declared:
        return ""
    del graph.value_info[:]  # they repeat the batch, and say nothing that cannot be inferred
    return f"the declared batch of {declared} was freed, so that any number of images can be given"


def _locked_by(graph: Any) -> str:
    """The first Reshape of data to a shape that begins with a number, which is then the batch; "" if none."""
    import onnx

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    data = {entry.name for entry in graph.input} - set(constants)
    for node in graph.node:
        if data.intersection(node.input):
            data.update(node.output)
            if node.op_type == "Reshape" and node.input[1] in constants:
                target = onnx.numpy_helper.to_array(constants[node.input[1]])
                if target.size and target[0] > 0:
                    return str(node.name or node.output[0])
    return ""
