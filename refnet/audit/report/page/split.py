"""Where a graph can be cut through one wire: the plan of its picture.

A residual network is a trunk with branches that leave it and come back. The layers through which everything passes lie
on the trunk; between two of them are branches, each a run of layers. That holds for any graph: one that has no such
layers is one stretch between its input and its output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SOURCE = -1  # in the place of a layer: the network's input


@dataclass(frozen=True)
class Stretch:
    """What lies between two layers of the trunk, and the second of them.

    Attributes
    ----------
    start, end : layers of the trunk; `start` may be `SOURCE`.
    branches : runs of layers, each fed by the one before it alone; in the order of the graph.
    """

    start: int
    branches: tuple[tuple[int, ...], ...]
    end: int


@dataclass(frozen=True)
class Plan:
    """A graph in stretches.

    Attributes
    ----------
    stretches : in the order of the graph; each begins where the one before ends.
    producers : {layer: the layers that feed it, `SOURCE` among them}
    """

    stretches: tuple[Stretch, ...]
    producers: Mapping[int, tuple[int, ...]]


def split(layers: Sequence[tuple[Sequence[str], Sequence[str]]], inputs: Sequence[str]) -> Plan:
    """Cut a graph; layers that no image changes are left out.

    Parameters
    ----------
    layers : (names of the tensors read, names of those written), in topological order
    inputs : names of the network's inputs
    """
    made = dict.fromkeys(inputs, SOURCE) | {name: n for n, (_, outputs) in enumerate(layers) for name in outputs}
    fed: dict[int, tuple[int, ...]] = {}
    changing = {SOURCE}
    for n, (read, _) in enumerate(layers):
        fed[n] = tuple(dict.fromkeys(made[name] for name in read if name in made))
        if changing.intersection(fed[n]):
            changing.add(n)
    flow = [n for n in fed if n in changing]
    producers = {n: tuple(source for source in fed[n] if source in changing) for n in flow}
    return Plan(tuple(_stretches(flow, producers)), producers)


def _stretches(flow: Sequence[int], producers: Mapping[int, tuple[int, ...]]) -> list[Stretch]:
    """Cut where no wire passes a layer by."""
    last_reader: dict[int, int] = {}
    for n in flow:
        last_reader.update(dict.fromkeys(producers[n], n))
    found: list[Stretch] = []
    start, inside, furthest = SOURCE, list[int](), last_reader.get(SOURCE, SOURCE)
    for n in flow:
        if furthest <= n or n == flow[-1]:
            found.append(Stretch(start, _runs(inside, producers), n))
            start, inside = n, []
        else:
            inside.append(n)
        furthest = max(furthest, last_reader.get(n, n))
    return found


def _runs(inside: Sequence[int], producers: Mapping[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The layers of a stretch as runs: a layer follows another if that is all it reads, and nothing else reads that."""
    readers: dict[int, int] = {}
    for sources in producers.values():
        for source in sources:
            readers[source] = readers.get(source, 0) + 1
    runs: dict[int, list[int]] = {}  # by their last layers
    for n in inside:
        before = producers[n]
        run = runs.pop(before[0], None) if len(before) == 1 and readers[before[0]] == 1 else None
        runs[n] = [*(run or ()), n]
    return tuple(sorted(tuple(run) for run in runs.values()))
