"""A network as data: names, canonical operators and arrays; no behaviour.

Every reader in `formats/` ends in a `Graph` and every engine starts from one. Tensor and node names are those
of the file, so that a trace lines up with any other runtime's. Dialects of exporters end at the readers: here
every convolution says ``stride``, every slope broadcasts over channels, every axis is an attribute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Tensor:
    """A graph input or output as the file declares it; None marks a free extent."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Node:
    """One operator applied once. An absent optional input is the empty string.

    `op` is an ONNX operator name; `attributes` are those of refnet's `ops/`, complete, no default left out.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Where a graph came from, and what its reader changed on the way in."""

    path: Path | None = None
    format: str = ""
    ir_version: int = 0
    opset: int = 0
    producer: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; every name is a graph input, a constant, or exactly one node's output."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    source: Source = field(default_factory=Source)
