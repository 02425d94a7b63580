"""A network as data: names, canonical operators and arrays; no behaviour.

Every reader in `formats/` ends in a `Graph` and every engine starts from one. Tensor and node names are those
of the file, so that a trace lines up with any other runtime's. Dialects of exporters end at the readers: here
every convolution says ``stride``, every slope broadcasts over channels, every axis is an attribute.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy import dtype, ndarray
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
    """Where a graph came from, and what its reader changed on the way in.

    `beside` are files that hold a part of the model, such as the weights of an .xml; `metadata` is what the file says
    of itself, by names that begin with "refnet.".
    """

    path: Path | None = None
    beside: tuple[Path, ...] = ()
    format: str = ""
    ir_version: int = 0
    opset: int = 0
    producer: str = ""
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


class Stored(Protocol):
    """An array that stays in its file until it is asked for."""

    @property
    def shape(self) -> Shape:
        """Extents."""

    @property
    def dtype(self) -> dtype[Any]:
        """Of the array that `read` gives."""

    @property
    def size(self) -> int:
        """Elements."""

    def read(self) -> Array:
        """The array, fresh from the file; raises ModelError if the file is no longer what it was."""


class Constants(MutableMapping[str, Array]):
    """Arrays by name. Those that are `Stored` are read whenever they are looked up, and not kept.

    A network's weights are needed once, when an engine packs them, or one at a time, when the reference runs: there
    is no reason to hold all of them for as long as the graph lives.
    """

    def __init__(self, constants: "Mapping[str, Array] | Mapping[str, Array | Stored]") -> None:
        self.entries = entries(constants)

    def __getitem__(self, name: str) -> Array:
        entry = self.entries[name]
        return entry if isinstance(entry, ndarray) else entry.read()

    def __setitem__(self, name: str, entry: "Array | Stored") -> None:
        self.entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def entries(constants: Mapping[str, Array] | Mapping[str, Array | Stored]) -> dict[str, Array | Stored]:
    """The constants by name, those that are stored as such: for whoever wants shapes, or the mapping with changes."""
    return dict(constants.entries if isinstance(constants, Constants) else constants)


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; every name is a graph input, a constant, or exactly one node's output."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    source: Source = field(default_factory=Source)
