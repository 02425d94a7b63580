"""A run on the table: the network, what it is fed, and the figures of every tensor of one pass in float64.

What is fed comes from one of three places: the sample portraits (drawings, right by construction), pictures, which are
read as `refnet embed` reads them, or an array as another program feeds it, which may be wrong in every way.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from refnet import reference
from refnet.audit.doctor.finding import Skipped
from refnet.audit.doctor.statistics import Statistics, statistics
from refnet.audit.winograd_error import expected_units, uses_winograd
from refnet.errors import RefnetError
from refnet.graph import Array, Graph, Node
from refnet.network import Network

Origin = Literal["samples", "pictures", "array"]
TRACED = 4  # images of which every tensor is computed
FILTERS = 16  # of a convolution whose rounding errors are foretold: what is large is so in the input, for all of them
MEASURED = 16  # images whose first layers are computed, for the statistics of the first normalisation
UNIT = 1.5  # no pixels 0..255 of a photograph stay below, none that are scaled to 0..1 or -1..1 go above
FLAT = Skipped("the array has not the shape of images; see input-layout")


@dataclass(frozen=True)
class Activation:
    """One tensor of the pass.

    Attributes
    ----------
    node
    elements, not_finite : counts.
    largest : absolute.
    channels : along axis 1 of a tensor of images; 0 for others.
    constant_channels : those that have one value in every place of every image.
    at_bounds : share of elements at a bound of a Clip; 0 for other operators.
    """

    node: Node
    elements: int
    not_finite: int
    largest: float
    channels: int
    constant_channels: int
    at_bounds: float


@dataclass(frozen=True)
class Rounding:
    """How large the error of Winograd's algorithm may be in one convolution, in units of u (|w| * |x|)."""

    node: Node
    units: float


@dataclass(frozen=True)
class Pass:
    """What one pass in float64 shows: a row for each tensor, the statistics of each normalisation, why it stopped."""

    activations: tuple[Activation, ...]
    statistics: tuple[Statistics, ...]
    roundings: tuple[Rounding, ...]
    outputs: dict[str, Array]
    failure: str = ""


class Running:
    """A network and what it is fed.

    Parameters
    ----------
    network : Network
    images : Array
        From samples and pictures (N, 3, H, W) pixels 0..255; from an array as it is.
    names : of the images, as far as they have names.
    origin : where the images come from.
    landmarks : (N, 5, 2), optional
        Points of each crop in its own pixels; see `alignment`.
    """

    def __init__(
        self, network: Network, images: Array, names: tuple[str, ...], origin: Origin, landmarks: Array | None = None
    ):
        self.network = network
        self.given = np.asarray(images)
        self.names = names
        self.origin = origin
        self.landmarks = landmarks

    @property
    def trained(self) -> bool:
        """Whether the weights are not made up."""
        return self.network.synthetic is None

    @cached_property
    def fed(self) -> Array | None:
        """What the graph's input gets, float64; None if it cannot be brought to (N, 3, H, W)."""
        if self.origin != "array":
            return self.network.contract.prepare(self.given).astype(np.float64)
        x = channels_first(self.given, self.network.contract.shape)
        return None if x is None else np.asarray(x, dtype=np.float64)

    @cached_property
    def proper(self) -> Array | None:
        """The same, brought to the range the input takes, so that other checks see other mistakes; finite."""
        if self.fed is None or self.origin != "array":
            return self.fed
        pixels = as_pixels(np.nan_to_num(self.fed), inside=self.network.contract.inside)
        return self.fed if pixels is None else self.network.contract.prepare(pixels).astype(np.float64)

    @property
    def traced(self) -> Array | None:
        """The images of which every tensor is computed."""
        if self.proper is None:
            return None
        return self.proper[: self.network.fixed_batch or TRACED]

    @cached_property
    def forward(self) -> Pass:
        """One pass in float64 over `traced`."""
        assert self.traced is not None
        graph = self.network.graph
        judged = {node.inputs[0]: node for node in graph.nodes if _has_statistics(node, graph)}
        wanted = {tensor.name for tensor in graph.outputs}
        rows: list[Activation] = []
        measured: list[Statistics] = []
        outputs: dict[str, Array] = {}
        failure = ""
        makers = {node.output: node for node in graph.nodes}
        roundings: list[Rounding] = []
        with np.errstate(all="ignore"):
            try:
                for name, array in reference.stream(graph, {self.network.contract.name: self.traced}):
                    rows.append(_activation(makers[name], array, self.network))
                    if name in judged:
                        measured.append(statistics(judged[name], array, graph))
                    roundings.extend(_rounding(node, array, graph) for node in self._winograd.get(name, ()))
                    if name in wanted:
                        outputs[name] = np.array(array)
            except RefnetError as error:
                failure = str(error)
        return Pass(tuple(rows), tuple(measured), tuple(roundings), outputs, failure)

    @cached_property
    def _winograd(self) -> dict[str, list[Node]]:
        """The convolutions that the fast engine computes by Winograd's algorithm, by what they read."""
        found: dict[str, list[Node]] = {}
        constants = self.network.graph.constants
        for node in self.network.graph.nodes:
            if node.op == "Conv" and node.inputs[1] in constants and uses_winograd(node, constants[node.inputs[1]]):
                found.setdefault(node.inputs[0], []).append(node)
        return found

    def first_statistics(self, x: Array) -> Statistics | None:
        """Of the first BatchNormalization on images, for other images; None if there is none."""
        graph = self.network.graph
        for node in graph.nodes:
            if _has_statistics(node, graph):
                ((_, array),) = self._tensors(x[:MEASURED], node.inputs[0])
                return statistics(node, array, graph) if array.ndim == 4 else None
        return None

    def _tensors(self, x: Array, name: str) -> Iterator[tuple[str, Array]]:
        graph = self.network.graph
        if name == self.network.contract.name:
            return iter([(name, x)])
        return reference.stream(graph, {self.network.contract.name: x}, [glob.escape(name)])


def _rounding(node: Node, x: Array, graph: Graph) -> Rounding:
    """What is expected of a convolution, seen at some of its output channels."""
    weight = graph.constants[node.inputs[1]]
    units = expected_units(x, weight[:: -(-len(weight) // FILTERS)])
    return Rounding(node, float(np.nan_to_num(units, nan=np.inf).max()))


def _has_statistics(node: Node, graph: Graph) -> bool:
    """Whether a node is a BatchNormalization that says what it measured in training."""
    return node.op == "BatchNormalization" and all(name in graph.constants for name in node.inputs[3:5])


def channels_first(x: Array, shape: tuple[int | None, int | None, int | None]) -> Array | None:
    """An array of images as (N, C, H, W), from the layouts that occur; None where it is none of them."""
    if x.dtype.kind not in "fuib" or x.size == 0:
        return None
    batch = x[np.newaxis] if x.ndim == 3 else x
    if batch.ndim != 4:
        return None
    for candidate in (batch, batch.transpose(0, 3, 1, 2)):
        if all(wanted in (None, extent) for wanted, extent in zip(shape, candidate.shape[1:], strict=True)):
            return candidate
    return None


def as_pixels(x: Array, *, inside: bool) -> Array | None:
    """Pixels 0..255 from images in another range that is common; None if the range is the one the input takes."""
    low, high = float(x.min()), float(x.max())
    as_it_should_be = (low >= 0 and high > UNIT) if inside else (low < -0.05 and high <= 5)
    if as_it_should_be:
        return None
    if high > 5:
        return np.clip(x if low >= 0 else x + 127.5, 0, 255)
    return np.clip(x * 127.5 + 127.5 if low < -0.05 else x * 255, 0, 255)


def _activation(node: Node, array: Array, network: Network) -> Activation:
    """The row of one tensor."""
    finite = np.isfinite(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
    largest = float(abs(array[finite]).max(initial=0)) if array.dtype.kind in "fi" else 0.0
    channels = constant = 0
    if array.ndim == 4 and array.dtype.kind == "f" and array.size // array.shape[1] >= 16:
        channels = array.shape[1]
        constant = int((np.ptp(array, axis=(0, 2, 3)) == 0).sum())
    return Activation(
        node=node,
        elements=array.size,
        not_finite=int(array.size - np.count_nonzero(finite)),
        largest=largest,
        channels=channels,
        constant_channels=constant,
        at_bounds=_at_bounds(node, array, network),
    )


def _at_bounds(node: Node, array: Array, network: Network) -> float:
    """The share of a Clip's elements that are at one of its bounds, where it has both."""
    bounds = [name for name in node.inputs[1:] if name]
    if node.op != "Clip" or len(bounds) < 2 or not all(name in network.graph.constants for name in bounds):
        return 0.0
    low, high = (float(network.graph.constants[name].reshape(-1)[0]) for name in bounds)
    return float(np.mean((array <= low) | (array >= high)))
