"""The tensors of an image, float64, computed when they are asked for and kept while they are likely to be asked again.

The first look at an image runs the whole network and keeps what its blocks hand on to each other; the layers inside a
block follow from that. What is kept is bounded: for LResNet100E-IR 33 MB an image, and up to 32 MB a block.
"""

import glob
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from refnet.errors import UsageError, nearest
from refnet.graph import Array
from refnet.network import Network
from refnet.web.structure import Block

IMAGES, BLOCKS = 6, 8  # how many are kept

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Newest(OrderedDict[K, V]):
    """A mapping that keeps what was used last, and of that so many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def found_or_made(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made now if it is not there."""
        if key not in self:
            self[key] = make()
        self.move_to_end(key)
        value = self[key]
        while len(self) > self.most:
            self.popitem(last=False)
        return value


class Traces:
    """The tensors of images, by name. Any number of threads may ask; they take turns.

    Parameters
    ----------
    network : Network
        Of either engine: tensors are always those of the float64 network, as the file has them.
    blocks : what `structure.blocks_of` made of its graph
    """

    def __init__(self, network: Network, blocks: Sequence[Block]) -> None:
        self._network = network
        self._names = [tuple(layer.name for layer in block.layers) for block in blocks]
        self._block_of = {name: number for number, names in enumerate(self._names) for name in names}
        self._handed_on = {
            name
            for node in network.graph.nodes
            for name in node.inputs
            if name in self._block_of and self._block_of[name] != self._block_of.get(node.output)
        }
        self._kept: Newest[Hashable, dict[str, Array]] = Newest(IMAGES)
        self._opened: Newest[tuple[Hashable, int], dict[str, Array]] = Newest(BLOCKS)
        self._turn = threading.Lock()

    def tensor(self, key: Hashable, image: Callable[[], Array], name: str) -> Array:
        """One tensor of one image.

        Parameters
        ----------
        key : by which the image is known; equal keys are equal images
        image : makes it, (3, H, W), 0..255, RGB; called only if something has to be computed
        name : of a tensor in a block, or of the graph's input

        Returns
        -------
        (C, H, W) or (C,) float64, read-only

        Raises
        ------
        UsageError
            If there is no such tensor; names the nearest.
        """
        contract = self._network.contract
        if name == contract.name:
            return np.asarray(contract.prepare(image()[np.newaxis])[0], np.float64)
        if name not in self._block_of:
            raise UsageError(f"the network has no tensor {name!r}{nearest(name, self._block_of)}")
        with self._turn:
            number = self._block_of[name]
            handed_on = self._kept.found_or_made(key, lambda: self._whole(image()))
            if name in handed_on:
                return handed_on[name]
            return self._opened.found_or_made((key, number), lambda: self._inside(number, image, handed_on))[name]

    def _whole(self, image: Array) -> dict[str, Array]:
        """What blocks hand on."""
        return self._computed(self._handed_on, self._network.contract.prepare(image[np.newaxis]))

    def _inside(self, number: int, image: Callable[[], Array], handed_on: dict[str, Array]) -> dict[str, Array]:
        """The layers of one block, from what it is handed."""
        graph = self._network.graph
        wanted, own = set(self._names[number]), set(self._names[number])
        for node in reversed(graph.nodes):
            if node.output in wanted and (node.output in own or node.output not in handed_on):
                wanted.update(node.inputs)
        start = {name: handed_on[name][np.newaxis] for name in (wanted - own) & handed_on.keys()}
        if start and graph.inputs[0].name not in wanted:
            return self._computed(own, None, start)
        return self._computed(own, self._network.contract.prepare(image()[np.newaxis]))

    def _computed(
        self, names: set[str], images: Array | None, start: dict[str, Array] | None = None
    ) -> dict[str, Array]:
        """Tensors of one image."""
        patterns = [glob.escape(name) for name in sorted(names)]
        tensors = self._network.stream(images, patterns, start=start)
        return {name: _own(tensor[0]) for name, tensor in tensors}


def _own(tensor: Array) -> Array:
    """A tensor that nobody changes, and that keeps no larger one alive."""
    mine = np.array(tensor, np.float64)
    mine.flags.writeable = False
    return mine
