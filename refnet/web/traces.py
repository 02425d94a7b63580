"""The tensors of an image, computed when they are asked for and kept while they are likely to be asked again.

One run of the engine gives the embedding and what blocks hand on to each other; the layers inside a block then follow in
float64 from what it is handed. With the fast engine every number is hence that of the float64 network within its block,
from float32 inputs; with the reference engine it is that of the float64 network.

What is kept is bounded: for LResNet100E-IR and the fast engine 17 MB an image, and up to 34 MB a block.
"""

import glob
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refnet.errors import UsageError, nearest
from refnet.graph import Array, Tensor
from refnet.network import Memory, Network
from refnet.web.newest import Newest
from refnet.web.structure import Block

IMAGES, BLOCKS = 8, 8  # how many are kept


@dataclass(frozen=True)
class Run:
    """What the engine makes of one image: its embedding (D,), and what blocks hand on, without the batch."""

    embedding: Array
    handed_on: dict[str, Array]


class Traces:
    """The tensors of images, by name. Any number of threads may ask.

    Parameters
    ----------
    network : Network
        Its engine runs the blocks. The engine's own copy, which hands out more than the embedding, is made here: the
        network's is never used, so that weights are packed once. The bits of the embedding are the same.
    blocks : what `structure.blocks_of` made of its graph
    threads, memory, cache : of the fast engine, as in `refnet.network.load`
    """

    def __init__(
        self,
        network: Network,
        blocks: Sequence[Block],
        *,
        threads: int | None = None,
        memory: Memory = "default",
        cache: bool = False,
    ) -> None:
        graph = network.graph
        self._network = network
        self._names = [tuple(layer.name for layer in block.layers) for block in blocks]
        self._block_of = {name: number for number, names in enumerate(self._names) for name in names}
        self._handed_on = {
            name
            for node in graph.nodes
            for name in node.inputs
            if name in self._block_of and self._block_of[name] != self._block_of.get(node.output)
        }
        outputs = {tensor.name: tensor for tensor in graph.outputs}
        for layer in (layer for block in blocks for layer in block.layers):
            if layer.name in self._handed_on:
                outputs.setdefault(layer.name, Tensor(layer.name, "float32", (None, *layer.shape)))
        self._engine = Network(
            replace(graph, outputs=tuple(outputs.values())),
            engine=network.engine,
            threads=threads,
            memory=memory,
            cache=cache,
        )
        self._runs: Newest[Hashable, Run] = Newest(IMAGES)
        self._opened: Newest[tuple[Hashable, int], dict[str, Array]] = Newest(BLOCKS)

    def embedding(self, key: Hashable, image: Callable[[], Array]) -> Array:
        """The embedding of one image, (D,), with the bits that the network gives; parameters as of `tensor`."""
        return self._run(key, image).embedding

    def tensor(self, key: Hashable, image: Callable[[], Array], name: str) -> Array:
        """One tensor of one image, as its block makes it.

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
        if name == self._network.contract.name:
            return np.asarray(self._prepared(image)[0], np.float64)
        if name not in self._block_of:
            raise UsageError(f"the network has no tensor {name!r}{nearest(name, self._block_of)}")
        number = self._block_of[name]
        return self._opened.found_or_made((key, number), lambda: self._inside(number, key, image))[name]

    def read_by(self, reader: str, key: Hashable, image: Callable[[], Array], name: str) -> Array:
        """One tensor as the maker of another, `reader`, reads it: as it was handed on, where they are of two blocks."""
        if name in self._handed_on and self._block_of[name] != self._block_of[reader]:
            return np.asarray(self._run(key, image).handed_on[name], np.float64)
        return self.tensor(key, image, name)

    def _run(self, key: Hashable, image: Callable[[], Array]) -> Run:
        """The engine's run."""

        def made() -> Run:
            results = {name: array[0] for name, array in self._engine.run(self._prepared(image), strict=False).items()}
            return Run(results[self._network.output], {name: results[name] for name in self._handed_on})

        return self._runs.found_or_made(key, made)

    def _prepared(self, image: Callable[[], Array]) -> Array:
        """(1, 3, H, W) as the graph takes it."""
        return self._network.contract.prepare(image()[np.newaxis])

    def _inside(self, number: int, key: Hashable, image: Callable[[], Array]) -> dict[str, Array]:
        """The layers of one block, from what it is handed."""
        graph, own = self._network.graph, set(self._names[number])
        given = self._handed_on - own
        wanted = set(own)
        for node in reversed(graph.nodes):
            if node.output in wanted and node.output not in given:
                wanted.update(node.inputs)
        images = self._prepared(image) if graph.inputs[0].name in wanted else None
        start = None
        if images is None:
            handed_on = self._run(key, image).handed_on
            start = {name: np.asarray(handed_on[name][np.newaxis], np.float64) for name in wanted & given}
        patterns = [glob.escape(name) for name in self._names[number]]
        return {name: _own(tensor[0]) for name, tensor in self._network.stream(images, patterns, start=start)}


def _own(tensor: Array) -> Array:
    """A tensor that nobody changes, and that keeps no larger one alive."""
    mine = np.array(tensor, np.float64)
    mine.flags.writeable = False
    return mine
