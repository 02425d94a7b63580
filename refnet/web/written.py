"""Any number of the network, written out, whatever operator makes it."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from refnet.errors import UsageError
from refnet.graph import Array, Graph, Node, Shape
from refnet.reference import apply
from refnet.web.element import Element, Term, Window
from refnet.web.newest import Newest
from refnet.web.pointwise import POINTWISE, of_pointwise
from refnet.web.products import of_conv, of_gemm
from refnet.web.structure import Layer

MOVES = frozenset(("Flatten", "Reshape"))  # numbers stay in their order
PASSES = MOVES | {"Identity", "Dropout"}
WRITTEN = POINTWISE | {"Conv", "Gemm"}
UNKNOWN = Element("unknown", "what this operator makes is not written out here")
CONSTANTS = 6  # weights kept in memory while one looks at a layer


class Writer:
    """Writes out numbers of one network.

    Parameters
    ----------
    graph : Graph
    layers : those that a page shows, by name
    crop : (C, H, W) of the graph's input
    """

    def __init__(self, graph: Graph, layers: Mapping[str, Layer], crop: Shape) -> None:
        self._graph = graph
        self._shapes = {graph.inputs[0].name: crop} | {name: layer.shape for name, layer in layers.items()}
        self._makers = {node.output: node for node in graph.nodes}
        self._fixed = set(graph.constants)
        for node in graph.nodes:
            if all(source in self._fixed for source in node.inputs if source):
                self._fixed.add(node.output)
        self._constants: Newest[str, Array] = Newest(CONSTANTS)

    def __call__(self, name: str, place: tuple[int, ...], tensor: Callable[[str], Array]) -> Element:
        """Write out one number.

        Parameters
        ----------
        name : of the tensor, one of the layers
        place : (channel, row, column), or (channel,) where the tensor is a vector
        tensor : gives any tensor of the image, without the batch

        Raises
        ------
        UsageError
            If the tensor has no such place.
        """
        node, shape = self._makers[name], self._shapes[name]
        if len(place) != len(shape) or not all(0 <= i < extent for i, extent in zip(place, shape, strict=True)):
            raise UsageError(f"{name!r} has no place {place}; its extents are {shape}, counted from 0")
        moving = [source in self._shapes for source in node.inputs]
        if node.op in MOVES and moving[0]:
            return self._moved(node, place, tensor)
        known = all(
            moves or not source or source in self._fixed for source, moves in zip(node.inputs, moving, strict=True)
        )
        if not known or node.op not in WRITTEN:
            return UNKNOWN
        inputs = zip(node.inputs, moving, strict=True)
        arrays = [tensor(source) if moves else self._constant(source) for source, moves in inputs if source]
        if node.op == "Conv" or node.op == "Gemm":
            if not moving[0] or any(moving[1:]) or node.attributes.get("trans_a"):
                return UNKNOWN
            x, weight, bias = arrays[0], arrays[1], arrays[2] if len(arrays) > 2 else None
            if node.op == "Gemm":
                return of_gemm(node, place[0], x, weight, bias, *self._picture(node.inputs[0]))
            return of_conv(node, (place[0], place[1], place[2]), x, weight, bias)
        batched = [array[np.newaxis] if moves else array for array, moves in zip(arrays, moving, strict=True)]
        return of_pointwise(node, place, batched, moving)

    def _moved(self, node: Node, place: tuple[int, ...], tensor: Callable[[str], Array]) -> Element:
        """A number that only lies elsewhere."""
        source = node.inputs[0]
        before = self._shapes[source]
        there = np.unravel_index(int(np.ravel_multi_index(place, self._shapes[node.output])), before)
        value = float(tensor(source)[there])
        channel, row, column = (int(i) for i in there) if len(there) == 3 else (0, 0, int(there[0]))
        window = Window(source, channel, row, column, row + 1, column + 1)
        return Element("sum", "y = x", windows=(window,), terms=(Term("x", value, channel),), total=value)

    def _picture(self, name: str) -> tuple[str, Shape]:
        """The picture that a vector was made from, or the vector itself, and its shape."""
        vector = name
        while len(self._shapes[name]) == 1 and name in self._makers and self._makers[name].op in PASSES:
            name = self._makers[name].inputs[0]
        name = name if math.prod(self._shapes[name]) == math.prod(self._shapes[vector]) else vector
        return name, self._shapes[name]

    def _constant(self, name: str) -> Array:
        """A weight, or what nodes make of weights alone."""
        return self._constants.found_or_made(name, lambda: self._computed(name))

    def _computed(self, name: str) -> Array:
        if name in self._graph.constants:
            return self._graph.constants[name]
        node = self._makers[name]
        return apply(node, {source: self._computed(source) for source in node.inputs if source}, {})
