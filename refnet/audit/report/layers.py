"""The layers as rows: wiring, shapes, cost, what runs them, where in the network they stand."""

from typing import Any

from refnet.audit.comparison import plain
from refnet.audit.inspect import Inspection
from refnet.audit.report.places import places
from refnet.audit.report.weights import prepared_constants, read_constants
from refnet.graph import Graph
from refnet.network import Network


def layer_rows(network: Network, inspection: Inspection) -> list[dict[str, Any]]:
    """A row for each node, in the graph's order, as report.schema.json has `layers`."""
    graph = network.graph
    kernels = {cost.name: cost.kernel for cost in network.costs}  # a node folded into another has none
    prepared = prepared_constants(graph)
    shapes = {node.output: layer.output_shape for node, layer in zip(graph.nodes, inspection.layers, strict=True)}
    where = places(graph, shapes)
    rows = []
    for node, layer in zip(graph.nodes, inspection.layers, strict=True):
        place = where.get(node.output)
        constants = list(read_constants(node, graph, prepared))
        rows.append(
            {
                "name": node.name,
                "op": node.op,
                "inputs": [name for name in node.inputs if name and not _constant(name, graph, prepared)],
                "output": node.output,
                "shape": list(layer.output_shape),
                "attributes": plain(dict(node.attributes)),
                "flops": layer.flops,
                "macs": layer.macs,
                "parameters": constants,
                "fast_step": kernels.get(node.name),
                "of_constants": node.output in prepared,
                "group": place.group if place else None,
                "unit": place.unit if place else None,
                "part": place.part if place else None,
            }
        )
    return rows


def _constant(name: str, graph: Graph, prepared: dict[str, tuple[str, ...]]) -> bool:
    return name in graph.constants or name in prepared
