"""What each residual unit contributes to the similarity: the network is run without it.

Source: Veit, Wilber & Belongie, arXiv:1605.06431, section 4.1: in a residual network a unit can be left out, its
shortcut staying, without the rest losing its sense.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from refnet.audit.ablation import ResidualUnit, residual_units
from refnet.faces.similarity import similarity
from refnet.graph import Array, Graph, Node
from refnet.network import Network


@dataclass(frozen=True)
class WithoutUnit:
    """The similarity when one unit adds nothing to its shortcut, in both images."""

    name: str
    similarity: float


def without(graph: Graph, unit: ResidualUnit) -> Graph:
    """The graph in which a unit's sum is its shortcut, and its branch is gone."""
    nodes = tuple(
        Node(node.name, "Identity", (unit.shortcut,), node.output) if node.output == unit.output else node
        for node in graph.nodes
        if node.output not in unit.inside
    )
    return replace(graph, nodes=nodes)


def unit_contributions(
    network: Network,
    pixels: Array,
    others: Array,
    *,
    threads: int | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> list[WithoutUnit]:
    """Compare two images once without each residual unit, in the order of the graph.

    Parameters
    ----------
    network : Network
    pixels, others : (3, H, W), 0..255, RGB
    threads : int, optional
        Of the fast engine.
    on_step : called after each unit
    """
    pair = network.contract.prepare(np.stack([pixels, others]))
    found = []
    for unit in residual_units(network.graph):
        a, b = Network(without(network.graph, unit), engine=network.engine, threads=threads)(pair)
        found.append(WithoutUnit(unit.output, similarity(a, b)))
        on_step()
    return found
