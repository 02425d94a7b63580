"""Shapes while a file is read: what the weights must fit, and which axis is the batch.

Every shape is followed for the batch the file declares and for two others. A first axis that has just these numbers,
while all other axes have the same in all, is the batch. (Images that a Transpose interleaved and a
Reshape cut up again would pass for a batch as well; at the batch that the file declares, that changes nothing.)
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Constants, Node, Tensor
from refnet.ops.inference import infer_node, known_constant, known_input
from refnet.ops.operator import Known


class Shapes:
    """What is known of each tensor so far.

    A free batch is taken for 1. Other free extents are not guessed: what depends on them is unknown here, and is
    checked when the size of an image is known.

    Attributes
    ----------
    batch : int
        The batch that the file declares, or 1.
    checked : bool
        Whether every input's shape is known, so that every weight is checked.
    """

    def __init__(self, inputs: Iterable[Tensor], constants: Constants):
        inputs = list(inputs)
        declared = next((tensor.shape[0] for tensor in inputs if tensor.shape), None)
        self.batch = 1 if declared is None else declared
        self._free = declared is None
        self._others = (self.batch + 6, self.batch + 1)
        self._constants = constants
        self._first: dict[str, Known] = {}
        self._elsewhere: tuple[dict[str, Known], ...] = ({}, {})  # for the other batches, as far as there is one
        self.checked = True
        for tensor in inputs:
            extents = tensor.shape[1:]
            if None in extents:
                self.checked = False
                continue
            whole = tuple(extent for extent in tensor.shape if extent is not None)
            rest = tuple(extent for extent in extents if extent is not None)
            leads = tensor.shape[:1] and tensor.shape[0] in (None, declared)
            self._first[tensor.name] = known_input(tensor, (self.batch, *rest) if leads else whole)
            for batch, shapes in zip(self._others, self._elsewhere, strict=True):
                shapes[tensor.name] = known_input(tensor, (batch, *rest) if leads else whole)

    def known(self, name: str) -> Known | None:
        """What is known of a tensor, or None."""
        return self._look_up(self._first, name)

    def settled(self, name: str) -> Known | None:
        """What is known of a tensor whatever the batch; None if extents beside the first depend on a batch that is free.

        A graph that fits no other batch than the one it is followed for has only that.
        """
        first = self._look_up(self._first, name)
        if first is None or not self._free:
            return first
        for shapes in self._elsewhere:
            other = self._look_up(shapes, name)
            if other is None:
                continue
            if len(other.shape) != len(first.shape) or other.shape[1:] != first.shape[1:]:
                return None
            if not (first.value is None or other.value is None or np.array_equal(first.value, other.value)):
                first = replace(first, value=None)
        return first

    def carries_batch(self, name: str) -> bool:
        """Whether the first axis of a tensor is known to be the batch."""
        first, second = self._look_up(self._first, name), self._look_up(self._elsewhere[0], name)
        return (
            first is not None
            and second is not None
            and first.shape[:1] == (self.batch,)
            and second.shape == (self._others[0], *first.shape[1:])
        )

    def add(self, node: Node) -> None:
        """Learn a node's output; raises as `infer` does if its weights do not fit."""
        first = self._inputs(self._first, node)
        if first is None:
            return
        self._first[node.output] = infer_node(node, first)
        for shapes in self._elsewhere:
            other = self._inputs(shapes, node)
            if other is not None:
                with suppress(ModelError):  # the file is sound for its own batch; `carries_batch` is False from here on
                    shapes[node.output] = infer_node(node, other)

    def _look_up(self, shapes: Mapping[str, Known], name: str) -> Known | None:
        if name in self._constants:
            return known_constant(self._constants.entries[name])
        return shapes.get(name)

    def _inputs(self, shapes: Mapping[str, Known], node: Node) -> dict[str, Known] | None:
        """What is known of a node's inputs, if it is all of them."""
        found = {name: self._look_up(shapes, name) for name in node.inputs if name}
        return (
            {name: known for name, known in found.items() if known is not None} if None not in found.values() else None
        )
