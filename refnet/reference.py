"""The float64 engine: runs a graph node by node, exactly as `ops/` defines each operator.

It is the specification that every other engine is judged by, so it is plain: no fusion, no folding, no reordering.
Images are in true batches; an image has the same bits alone and in any batch.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from refnet.errors import InputError, ModelError, ShapeError, UnsupportedModelError, UsageError, nearest
from refnet.following import following, lacking
from refnet.graph import Array, Graph, Node, Tensor
from refnet.ops.application import apply_node
from refnet.ops.dtypes import in_declared_dtype
from refnet.ops.inference import infer

Patch = Callable[[Array], Array]  # from what a node made to what is to go on instead, of the same shape


def run(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Compute the outputs of a graph.

    Parameters
    ----------
    graph : Graph
    feeds : {graph input: array}
        Of any number of images: axis 0 is free, whatever the file declares. Cast to float64 where the file declares
        a floating dtype; integers and truth values where it declares those.

    Returns
    -------
    {graph output: float64 array}, fresh arrays; integers and truth values in the dtype that the specification gives them.

    Raises
    ------
    UsageError
        If feeds do not name exactly the inputs of the graph.
    ShapeError
        If an array does not fit the model.
    ModelError
        If the model does not fit itself, or (UnsupportedModelError) asks for what refnet does not implement.

    Examples
    --------
    >>> from refnet.graph import Graph, Node, Tensor
    >>> x, y = Tensor("x", "float32", (1, 2)), Tensor("y", "float32", (1, 2))
    >>> graph = Graph("tiny", (x,), (y,), (Node("half", "Mul", ("x", "factor"), "y"),), {"factor": np.float32([0.5])})
    >>> run(graph, {"x": np.array([[1, 2], [3, 4]])})
    {'y': array([[0.5, 1. ],
           [1.5, 2. ]])}
    """
    held = checked(graph, feeds)
    wanted = {tensor.name for tensor in graph.outputs}
    results = {name: np.array(held[name]) for name in wanted & held.keys()}
    results.update((name, np.array(exact(graph.constants[name]))) for name in wanted & graph.constants.keys())
    for name, value in _execute(graph, held, wanted, {}):
        results[name] = np.array(value)
    return {tensor.name: results[tensor.name] for tensor in graph.outputs}


def stream(
    graph: Graph,
    feeds: Mapping[str, Array],
    patterns: Sequence[str] = ("*",),
    *,
    start: Mapping[str, Array] | None = None,
    patch: Mapping[str, Patch] | None = None,
) -> Iterator[tuple[str, Array]]:
    """Compute tensors one at a time, in the order of the graph, letting each go as soon as nothing needs it.

    Parameters
    ----------
    graph : Graph
    feeds : {graph input: array}
        As in `run`.
    patterns : sequence of str
        Names or globs (``*``, ``?``, ``[...]``; upper and lower case differ), such as ``"stage3_*"``. Nodes that
        no matching tensor needs are not computed.
    start : {tensor: array}, optional
        Tensors in the midst of the graph that are given instead of computed; then only such graph inputs are to be fed
        as are needed beside them. Floating, of any number of images. They are not yielded.
    patch : {tensor: function}, optional
        What goes on instead of a node's output: function(array) -> array of the same shape. It is given a copy.

    Yields
    ------
    (name, float64 array)
        Each node output that matches a pattern. Read-only, because the computation goes on with it: copy what is
        to be changed.

    Raises
    ------
    UsageError
        If a pattern matches no node output; it names the nearest. If it matches only what does not follow from
        `start`; it names what is missing. If a name in `start` or `patch` is no such tensor. Otherwise as `run`.
    ShapeError, InputError
        If a patch returns another shape or dtype, or what is not finite; raised as the tensors are taken.
    """
    replaced = dict(patch or {})
    made = [node.output for node in graph.nodes]
    for name in replaced:
        if name not in made:
            raise UsageError(f"cannot patch {name!r}: no node makes it{nearest(name, made)}")
    if start is None:
        return _execute(graph, checked(graph, feeds), matching(graph, patterns), replaced)
    given = {**feeds, **start}
    part = following(graph, given)
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        whole = matching(graph, (pattern,))
        if not whole & {node.output for node in part.nodes}:
            _explain_missing(graph, given, pattern, whole)
    return _execute(part, checked(part, given), matching(part, patterns), replaced)


def matching(graph: Graph, patterns: Sequence[str]) -> set[str]:
    """Node outputs whose name matches a pattern, as `stream` yields them; UsageError for a pattern without any."""
    names = [node.output for node in graph.nodes]
    found: set[str] = set()
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise UsageError(f"pattern {pattern!r} matches no tensor{nearest(pattern, names)}")
        found.update(matches)
    return found


def _explain_missing(graph: Graph, given: Mapping[str, Array], pattern: str, names: set[str]) -> None:
    """Raise an error that says why none of the tensors follows from what is given."""
    missing = sorted({name for wanted in names for name in lacking(graph, given, wanted)})
    if not missing:
        raise UsageError(f"pattern {pattern!r} matches only what is given to start from; ask for what follows from it")
    raise UsageError(
        f"pattern {pattern!r} matches only tensors that need {', '.join(map(repr, missing))}, which is not given; "
        f"what follows from {', '.join(map(repr, given))} alone can be computed"
    )


def checked(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The feeds as float64, after they, and the model, are found to fit; raises as `run` does."""
    declared = {tensor.name: tensor for tensor in graph.inputs}
    for name in feeds:
        if name not in declared:
            raise UsageError(f"the graph has no input {name!r}{nearest(name, list(declared))}")
    for name in declared:
        if name not in feeds:
            raise UsageError(f"no array is given for the graph input {name!r}")
    arrays = {name: _fed(tensor, feeds[name]) for name, tensor in declared.items()}
    try:
        infer(graph, {name: array.shape for name, array in arrays.items()})
    except UnsupportedModelError:
        raise
    except ModelError as error:
        for name, tensor in declared.items():
            if not _as_declared(arrays[name].shape, tensor):
                raise ShapeError(
                    f"input {name!r} has shape {arrays[name].shape}; the model declares {_readable(tensor)} "
                    f"(any extent on axis 0), and cannot run otherwise: {error}"
                ) from error
        raise
    return arrays


def _fed(tensor: Tensor, value: Array) -> Array:
    """An input in the dtype the reference computes in."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"input {tensor.name!r} has dtype {array.dtype}; expected numbers")
    if len(array.shape) != len(tensor.shape):
        raise ShapeError(f"input {tensor.name!r} has shape {array.shape}; expected {_readable(tensor)}")
    if tensor.dtype.startswith("float"):
        return array.astype(np.float64, copy=False)
    return in_declared_dtype(tensor.name, tensor.dtype, array)


def _as_declared(shape: tuple[int, ...], tensor: Tensor) -> bool:
    """Whether a shape is the declared one, axis 0 and free extents aside."""
    return all(said in (None, got) for got, said in zip(shape[1:], tensor.shape[1:], strict=True))


def _readable(tensor: Tensor) -> str:
    """A declared shape with N for the free extents."""
    return f"({', '.join('N' if extent is None else str(extent) for extent in tensor.shape)})"


def _execute(
    graph: Graph, held: dict[str, Array], wanted: set[str], patch: Mapping[str, Patch]
) -> Iterator[tuple[str, Array]]:
    """Run the nodes that the wanted tensors need; `held` keeps what is still to be read, and nothing else."""
    nodes = needed(graph, wanted)
    readers = Counter(name for node in nodes for name in node.inputs)
    for node in nodes:
        y = apply(node, held, graph.constants)
        if node.output in patch:
            y = _patched(node.output, y, patch[node.output])
        for name in node.inputs:
            readers[name] -= 1
            if not readers[name]:
                held.pop(name, None)
        if readers[node.output]:
            held[node.output] = y
        if node.output in wanted:
            shown = y.view()
            shown.flags.writeable = False
            yield node.output, shown
            del shown
        del y


def _patched(name: str, y: Array, patch: Patch) -> Array:
    """What a patch makes of a tensor, found to fit in its place."""
    new = np.asarray(patch(y.copy()))
    if new.shape != y.shape or new.dtype.kind != y.dtype.kind:
        raise ShapeError(
            f"the patch of {name!r} returned shape {new.shape} and dtype {new.dtype}; expected the tensor's, "
            f"{y.shape} and {y.dtype}"
        )
    if not np.isfinite(new).all():
        raise InputError(f"the patch of {name!r} returned NaN or infinite values; expected finite numbers")
    return exact(new)


def needed(graph: Graph, wanted: set[str]) -> list[Node]:
    """The nodes on whose outputs the wanted tensors depend, in order."""
    names = set(wanted)
    nodes = []
    for node in reversed(graph.nodes):
        if node.output in names:
            names.update(node.inputs)
            nodes.append(node)
    return nodes[::-1]


def apply(node: Node, held: Mapping[str, Array], constants: Mapping[str, Array]) -> Array:
    """One node's output; constants are float64 only as long as this takes."""
    return exact(apply_node(node, arguments(node, held, constants)))


def arguments(node: Node, held: Mapping[str, Array], constants: Mapping[str, Array]) -> list[Array | None]:
    """A node's inputs, None where absent: what is held, else the constants, read here and not kept."""
    return [None if not name else held[name] if name in held else exact(constants[name]) for name in node.inputs]


def exact(value: Array) -> Array:
    """Floating values as float64; integers and truth values as they are."""
    return value.astype(np.float64, copy=False) if value.dtype.kind == "f" else value
