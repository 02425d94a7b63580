"""A smaller graph that still shows a finding: nodes, outputs, attributes and images are taken away, greedily."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.fuzz.growth import ONNX_TYPES
from tests.fuzz.judging import _run_session, _session

_ROUNDS = 6


def shrunk(model, feeds, still):
    """Take away what can be taken away.

    Parameters
    ----------
    model : onnx.ModelProto
    feeds : {graph input: array}
    still : (model, feeds) -> bool
        Whether the finding is still there. Candidates need not be valid; they are checked before.

    Returns
    -------
    (model, feeds)
    """
    for _ in range(_ROUNDS):
        before = model.SerializeToString()
        for step in (_one_output, _shorter, _fewer_attributes, _fewer_images):
            model, feeds = step(model, feeds, still)
        if model.SerializeToString() == before:
            break
    return model, feeds


def _tried(model, feeds, still):
    """A candidate without what nobody reads, and its feeds, or None."""
    _prune(model)
    names = {entry.name for entry in model.graph.input}
    feeds = {name: array for name, array in feeds.items() if name in names}
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:
        return None
    return (model, feeds) if still(model, feeds) else None


def _copy(model):
    other = onnx.ModelProto()
    other.CopyFrom(model)
    return other


def _prune(model):
    """Drop nodes, initializers and inputs that no output needs; the last input stays."""
    graph = model.graph
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in wanted])
    held = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name in wanted]
    if not [entry for entry in inputs if entry.name not in held]:
        inputs += [entry for entry in graph.input if entry.name not in wanted][:1]
    _replace(graph.input, inputs)


def _replace(field, items):
    items = [_clone(item) for item in items]
    del field[:]
    field.extend(items)


def _clone(message):
    other = type(message)()
    other.CopyFrom(message)
    return other


def _one_output(model, feeds, still):
    """One output, the earliest tensor that shows it; else as few of the outputs as do."""
    values = _values(model, feeds)
    for node in model.graph.node:
        name = node.output[0]
        if name in values and [output.name for output in model.graph.output] != [name]:
            other = _copy(model)
            kind = ONNX_TYPES[values[name].dtype.name]
            _replace(other.graph.output, [helper.make_tensor_value_info(name, kind, [None] * values[name].ndim)])
            if found := _tried(other, feeds, still):
                return found
    i = 0
    while i < len(model.graph.output) > 1:
        other = _copy(model)
        del other.graph.output[i]
        if found := _tried(other, feeds, still):
            model, feeds = found
        else:
            i += 1
    return model, feeds


def _shorter(model, feeds, still):
    """Fewer nodes: each is left out for one of its inputs, made a constant, or made the graph's input."""
    values = _values(model, feeds)
    i = len(model.graph.node) - 1
    while i >= 0:
        node = model.graph.node[i]
        if node.op_type != "Constant":
            for candidate in _without(model, feeds, node, values):
                if found := _tried(*candidate, still):
                    model, feeds = found
                    values = _values(model, feeds)
                    break
        i = min(i, len(model.graph.node)) - 1
    return model, feeds


def _without(model, feeds, node, values):
    """Ways to do without a node."""
    name = node.output[0]
    value = values.get(name)
    outputs = {output.name for output in model.graph.output}
    for source in node.input:
        if source and value is not None and source in values:
            there = values[source]
            if there.shape == value.shape and there.dtype == value.dtype and name not in outputs:
                other = _copy(model)
                for reader in other.graph.node:
                    _replace_names(reader, name, source)
                yield other, feeds
    if value is None or value.dtype.name not in ONNX_TYPES:
        return
    other = _copy(model)
    _replace(other.graph.node, [there for there in other.graph.node if there.output[0] != name])
    other.graph.input.append(helper.make_tensor_value_info(name, ONNX_TYPES[value.dtype.name], value.shape))
    _prune(other)
    if len(other.graph.input) <= len(model.graph.input):
        yield other, {**feeds, name: value}
    if name not in outputs:
        other = _copy(model)
        _replace(other.graph.node, [there for there in other.graph.node if there.output[0] != name])
        other.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        yield other, feeds


def _replace_names(node, old, new):
    names = [new if name == old else name for name in node.input]
    del node.input[:]
    node.input.extend(names)


def _values(model, feeds):
    """Every tensor, by onnxruntime; nothing where it refuses the model."""
    other = _copy(model)
    made = [name for node in model.graph.node for name in node.output if name]
    there = {output.name for output in model.graph.output}
    other.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in there)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer} | dict(feeds)
    try:
        return values | _run_session(_session(other), feeds)
    except Exception:
        return values


def _fewer_attributes(model, feeds, still):
    """Without attributes that have a default."""
    for i in range(len(model.graph.node)):
        j = 0
        while i < len(model.graph.node) and j < len(model.graph.node[i].attribute):
            other = _copy(model)
            del other.graph.node[i].attribute[j]
            if found := _tried(other, feeds, still):
                model, feeds = found
            else:
                j += 1
    return model, feeds


def _fewer_images(model, feeds, still):
    """The first images only, where the batch is free."""
    entry = model.graph.input[0]
    if not entry.type.tensor_type.shape.dim or not entry.type.tensor_type.shape.dim[0].dim_param:
        return model, feeds
    for count in (1, 2, 3, 9):
        fewer = {name: array[:count] for name, array in feeds.items()}
        if count < len(next(iter(feeds.values()))) and still(model, fewer):
            return model, fewer
    return model, feeds
