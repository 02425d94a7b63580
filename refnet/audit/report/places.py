"""Where a node stands in a residual network: stem, stage, unit, head; found by the graph's structure, not by names.

A unit is a residual unit (`refnet.audit.ablation.residual_units`). Units of the same extent one after the other are a
stage: in LResNet100E-IR four, of 3, 13, 30 and 3 units. What comes before the first unit is the stem, what comes after
the last the head; what lies between two units, such as a convolution that halves the image, belongs to the stage it
leads to. A graph without residual units has no places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from refnet.audit.ablation import residual_units
from refnet.graph import Graph, Shape

Part = Literal["branch", "shortcut", "sum"]


@dataclass(frozen=True)
class Place:
    """Where one node stands.

    Attributes
    ----------
    group : "stem", "stage1", "stage2" ... or "head".
    unit : the number of its unit within the stage, from 1; None outside of units.
    part : of the unit; None outside of units.
    """

    group: str
    unit: int | None = None
    part: Part | None = None


def places(graph: Graph, shapes: Mapping[str, Shape]) -> dict[str, Place]:
    """Place the nodes of a graph.

    Parameters
    ----------
    graph : Graph
    shapes : {tensor: shape}

    Returns
    -------
    {name of a node's output: Place}; empty where there is no residual unit.
    """
    units = residual_units(graph)
    if not units:
        return {}
    behind = _behind(graph)
    found: dict[str, Place] = {}
    stage = number = 0
    extent: Shape = ()
    for unit in units:
        if shapes[unit.output][2:] != extent:
            extent, stage, number = shapes[unit.output][2:], stage + 1, 0
        number += 1
        group = f"stage{stage}"
        fork = (behind[unit.branch] | {unit.branch}) & (behind[unit.shortcut] | {unit.shortcut})
        before = Place("stem" if stage == number == 1 else group)
        for name in fork:
            found.setdefault(name, before)
        for name in behind[unit.branch] | {unit.branch}:
            found.setdefault(name, Place(group, number, "branch"))
        for name in behind[unit.shortcut] | {unit.shortcut}:
            found.setdefault(name, Place(group, number, "shortcut"))
        found[unit.output] = Place(group, number, "sum")
    made = [node.output for node in graph.nodes]
    return {name: found.get(name, Place("head")) for name in made}


def _behind(graph: Graph) -> dict[str, frozenset[str]]:
    """For every tensor, all that it is made of."""
    behind: dict[str, frozenset[str]] = {}
    for node in graph.nodes:
        read = [name for name in node.inputs if name]
        behind[node.output] = frozenset(read).union(*(behind.get(name, frozenset()) for name in read))
    return behind
