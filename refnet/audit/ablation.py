"""Patches that take something out of a network, to see what it was good for.

A patch replaces a tensor while the rest is computed as ever (`refnet.reference.stream`). What is taken out here: channels,
and whole residual units, whose shortcut then carries everything (Veit et al., arXiv:1605.06431, section 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refnet.errors import ShapeError, UsageError, nearest
from refnet.graph import Array, Graph, Node
from refnet.reference import Patch


@dataclass(frozen=True)
class ResidualUnit:
    """Two ways from one tensor, joined by an addition.

    Attributes
    ----------
    output : the sum.
    branch : the summand with more convolutions behind it.
    shortcut : the other summand.
    inside : what the branch consists of, in the graph's order, `branch` last.
    """

    output: str
    branch: str
    shortcut: str
    inside: tuple[str, ...]


def ablate_channels(
    name: str, channels: Sequence[int], value: float | Array | Literal["mean"] = 0.0
) -> dict[str, Patch]:
    """Hold channels of a tensor at a constant.

    Parameters
    ----------
    name : of a tensor, (N, C) or (N, C, H, W)
    channels : numbers along axis 1, from 0
    value : number, (len(channels),) array, or "mean"
        What the channels become; "mean": each image's own mean over its positions. The mean over many images, as
        `refnet stats` finds it, is a number or an array.

    Returns
    -------
    {name: patch}, for `patch=`; raises ShapeError when it is used on a tensor without such channels.

    Examples
    --------
    >>> ablate_channels("relu0", [1])["relu0"](np.array([[1.0, 2.0, 3.0]]))
    array([[1., 0., 3.]])
    """
    chosen = [int(channel) for channel in channels]
    if isinstance(value, str) and value != "mean":
        raise UsageError(f"value is {value!r}; expected a number, one for each channel, or 'mean'")
    if not isinstance(value, str) and np.shape(value) not in ((), (len(chosen),)):
        raise ShapeError(
            f"value has shape {np.shape(value)}; expected one number, or one for each of {len(chosen)} channels"
        )

    def patch(x: Array) -> Array:
        if x.ndim not in (2, 4):
            raise ShapeError(f"tensor {name!r} has shape {x.shape}; channels are ablated of (N, C) or (N, C, H, W)")
        for channel in chosen:
            if not 0 <= channel < x.shape[1]:
                raise ShapeError(f"tensor {name!r} has no channel {channel}; it has {x.shape[1]}, from 0")
        if isinstance(value, str):
            x[:, chosen] = x[:, chosen].mean(axis=tuple(range(2, x.ndim)), keepdims=True)
        else:
            x[:, chosen] = np.reshape(value, (-1, *(1,) * (x.ndim - 2)))
        return x

    return {name: patch}


def ablate_unit(graph: Graph, name: str) -> dict[str, Patch]:
    """Take a residual unit's branch out: zeros in its place, so that the sum is the shortcut.

    Parameters
    ----------
    graph : Graph
    name : of the unit's sum, of any tensor in its branch, or what they begin with: ``stage3_unit7``

    Returns
    -------
    {branch: patch}, for `patch=`

    Raises
    ------
    UsageError
        If no residual unit, or more than one, answers to the name.
    """
    units = residual_units(graph)
    exact = [unit for unit in units if name in (unit.output, *unit.inside)]
    found = exact or [unit for unit in units if any(inside.startswith(f"{name}_") for inside in unit.inside)]
    if len(found) != 1:
        names = [name for unit in units for name in (unit.output, *unit.inside)]
        how = f"{len(found)} residual units answer" if found else "no residual unit answers"
        raise UsageError(f"{how} to {name!r}; the model has {len(units)}{nearest(name, names)}")
    return {found[0].branch: np.zeros_like}


def residual_units(graph: Graph) -> tuple[ResidualUnit, ...]:
    """Find the additions that join a branch and a shortcut from the same tensor, by the graph's structure alone.

    The branch is the side with more convolutions that the other does not share; an addition with as many on both sides,
    or whose branch is read elsewhere too, is no residual unit.
    """
    images = {tensor.name for tensor in graph.inputs}
    makers = {node.output: node for node in graph.nodes}
    order = {node.output: i for i, node in enumerate(graph.nodes)}
    behind: dict[str, set[str]] = {name: set() for name in images}
    readers: dict[str, int] = {}
    units = []
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
        moving = [name for name in node.inputs if name in behind]
        if moving:
            behind[node.output] = set().union(*(behind[name] | {name} for name in moving))
        if node.op == "Add" and len(moving) == 2 and moving[0] != moving[1]:
            units.append(_unit(node, moving, behind, makers, order))
    return tuple(unit for unit in units if unit is not None and readers[unit.branch] == 1)


def _unit(
    node: Node, sides: list[str], behind: Mapping[str, set[str]], makers: Mapping[str, Node], order: Mapping[str, int]
) -> ResidualUnit | None:
    """The addition as a residual unit, if one of its sides is a branch and the other a shortcut."""
    reach = [behind[side] | {side} for side in sides]
    if not reach[0] & reach[1]:
        return None
    own = [reach[0] - reach[1], reach[1] - reach[0]]
    convolutions = [sum(makers[name].op == "Conv" for name in names if name in makers) for names in own]
    if convolutions[0] == convolutions[1]:
        return None
    which = int(convolutions[1] > convolutions[0])
    inside = tuple(sorted((name for name in own[which] if name in order), key=order.__getitem__))
    return ResidualUnit(node.output, sides[which], sides[1 - which], inside)
