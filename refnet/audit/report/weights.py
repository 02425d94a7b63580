"""Every tensor of constants: what it is to the node that reads it, how its numbers lie, what the doctor sees in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from refnet.audit.doctor.weight_figures import WeightFigures
from refnet.audit.report.figures import figures, shape_of, statistics_of
from refnet.graph import Graph, Node


def weight_rows(
    graph: Graph, looked_at: Sequence[WeightFigures], progress: Callable[[], object] = lambda: None
) -> list[dict[str, Any]]:
    """Describe each tensor of floating-point constants, one in memory at a time.

    Parameters
    ----------
    graph : Graph
    looked_at : as `refnet.audit.doctor.weight_figures` finds them; their order is kept.
    progress : called after each.

    Returns
    -------
    As report.schema.json has `weights`.
    """
    readers = constant_readers(graph)
    rows = []
    for found in looked_at:
        row = {
            "name": found.name,
            "layer": readers.get(found.name),
            "role": found.role,
            "shape": shape_of(found.shape),
            **figures(statistics_of(graph.constants[found.name])),
            "denormals": found.subnormal / found.count,
            "dead_filters": list(found.dead),
            "equal_filters": [list(pair) for pair in found.twins],
            "outlier": _outlier(found),
        }
        rows.append(row)
        progress()
    return rows


def _outlier(found: WeightFigures) -> dict[str, Any] | None:
    """The number furthest from the middle of the tensor."""
    if found.outlier is None:
        return None
    return {
        "index": list(found.outlier.index),
        "value": found.outlier.value,
        "deviations": found.outlier.deviations,
        "isolation": found.outlier.isolation,
    }


def constant_readers(graph: Graph) -> dict[str, int]:
    """The number of the first layer that computes with each constant, be it through nodes that only prepare it."""
    prepared = prepared_constants(graph)
    found: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        if node.output not in prepared:
            for name in read_constants(node, graph, prepared):
                found.setdefault(name, number)
    return found


def read_constants(node: Node, graph: Graph, prepared: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The constants a node reads, be it through nodes that only prepare them."""
    for name in node.inputs:
        if name in prepared:
            yield from prepared[name]
        elif name in graph.constants:
            yield name


def prepared_constants(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Outputs that are made of constants alone, such as a reshaped slope, and the constants of each."""
    found: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        read = [name for name in node.inputs if name]
        if read and all(name in graph.constants or name in found for name in read):
            found[node.output] = tuple(read_constants(node, graph, found))
    return found
