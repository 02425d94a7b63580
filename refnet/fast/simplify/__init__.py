"""The same network with less to do: what is constant is folded, what is linear is merged.

Every pass takes a graph and gives a graph that computes the same in exact arithmetic; tensors that are left keep
their names and their values. Nothing here knows a particular network, and nothing is rounded to float32.
"""

from collections.abc import Callable, Mapping

from refnet.fast.simplify.constants import constant_names, evaluate, without_unread
from refnet.fast.simplify.copies import drop_copies
from refnet.fast.simplify.folding import (
    KnownTensors,
    fold_after_layers,
    fold_before_layers,
    scale_after_flattening,
)
from refnet.fast.simplify.fusion import Epilogue, FusedConv, epilogue, fuse
from refnet.fast.simplify.layers import name_layers
from refnet.fast.simplify.scaling import collect_scalings, merge_scalings
from refnet.graph import Graph, Shape
from refnet.ops.inference import infer

__all__ = ["Epilogue", "FusedConv", "constant_names", "epilogue", "evaluate", "fuse", "simplify"]

_PASSES: tuple[Callable[[Graph, KnownTensors], Graph], ...] = (
    lambda graph, _: drop_copies(graph),
    name_layers,
    collect_scalings,
    lambda graph, _: merge_scalings(graph),
    fold_after_layers,
    scale_after_flattening,
    fold_before_layers,
)


def simplify(graph: Graph, shapes: Mapping[str, Shape]) -> Graph:
    """Fold what can be folded.

    Parameters
    ----------
    graph : Graph
    shapes : {graph input: shape}
        Those that the graph will be run with. Where it keeps the images of a batch apart the result is right for any
        number of them, and more can be folded when several are given than for one.

    Returns
    -------
    Graph
        With operators of `ops/` only. Small new constants are float64; new weights are nodes that follow from
        constants, to be had by `evaluate`. Channels scaled and shifted by constants are in the form that
        `scaling.scaling_of` reads.

    Raises
    ------
    ModelError
        If the graph does not fit itself.
    """
    for simpler in _PASSES:
        graph = without_unread(simpler(graph, infer(graph, shapes)))
    return graph
