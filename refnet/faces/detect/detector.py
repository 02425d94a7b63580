"""A face detector on refnet's own engines, for photographs of any size.

The graph's declared size of input is replaced by the photograph's, rounded up to multiples of 32, and a plan is made
for every such size; making one takes a hundredth of a second, and the last few are kept.
"""

import threading
from collections import OrderedDict
from functools import cached_property

import numpy as np

from refnet.errors import ModelError, ShapeError, UsageError
from refnet.faces.detect.candidates import Candidates, suppress
from refnet.faces.detect.kinds import STRIDE, Kind, at_size, kind_of
from refnet.faces.detect.shown import shown
from refnet.faces.face import Face
from refnet.files import sha256
from refnet.graph import Array, Graph
from refnet.network import EngineName, Network

LIMIT = 640  # pixels of the longer side that is shown; docs/detection.md has what others find and take
KEPT = 8  # plans; each holds memory for the activations of its size, 10 MB for YuNet at 640 x 640


class Detector:
    """Finds faces and their landmarks.

    Parameters
    ----------
    graph : Graph
        YuNet or SCRFD with landmarks; told by its outputs.
    engine, threads : as `refnet.load`

    Attributes
    ----------
    kind : Kind
    graph : Graph
    sha256 : str

    Notes
    -----
    Any number of threads may call one detector. Boxes and landmarks are the same bits with any number of threads;
    scores hold a sigmoid by NumPy, whose last bit can depend on the processor.
    """

    def __init__(self, graph: Graph, *, engine: EngineName = "fast", threads: int | None = None) -> None:
        self.graph = graph
        self.kind: Kind = kind_of(graph)
        self._engine: EngineName = engine
        self._threads = threads
        self._networks: OrderedDict[tuple[int, int], Network] = OrderedDict()
        self._turn = threading.Lock()

    def __call__(self, pixels: Array, *, threshold: float | None = None, limit: int = LIMIT) -> list[Face]:
        """Find every face of a photograph, in falling order of score.

        Parameters
        ----------
        pixels : (H, W, 3) uint8, RGB, upright
        threshold : float, optional
            Least score, 0 to 1; the kind's own if none is given.
        limit : int
            A photograph whose longer side has more pixels is scaled down to it. More finds smaller faces, and takes
            time in proportion to the area.

        Raises
        ------
        ShapeError
            If the pixels are of another shape or type.
        UsageError
            If threshold or limit cannot be meant.
        ModelError
            If a face that the detector is sure of is at no finite place.
        NoAnswerError
            If an output is not finite.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise ShapeError(f"the image has shape {pixels.shape} and dtype {pixels.dtype}; expected (H, W, 3) uint8")
        least = self.kind.threshold if threshold is None else threshold
        if not 0 < least <= 1:
            raise UsageError(f"the detector's threshold is {least:g}; expected a score above 0, at most 1")
        if limit < STRIDE:
            raise UsageError(f"the detector's limit is {limit} pixels; expected at least {STRIDE}")
        seen, scale = shown(pixels, limit)
        height, width = seen.shape[:2]
        outputs = self._network(height, width).run(self.kind.prepare(seen))
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.kind.decode(
                {tensor.name: outputs[tensor.name] for tensor in self.graph.outputs}, height, width, least
            )
        self._check(found)
        best = suppress(found, self.kind.overlap)
        return [
            Face(landmarks, (box[0], box[1], box[2], box[3]), float(score))
            for box, score, landmarks in zip(
                (best.boxes / scale).tolist(), best.scores, best.landmarks / scale, strict=True
            )
        ]

    @cached_property
    def sha256(self) -> str:
        """Digest of the detector's file; empty where there is none."""
        path = self.graph.source.path
        return sha256(path) if path else ""

    def _network(self, height: int, width: int) -> Network:
        """The network for images of this size."""
        with self._turn:
            network = self._networks.pop((height, width), None)
            if network is None:
                network = Network(at_size(self.graph, height, width), engine=self._engine, threads=self._threads)
            self._networks[height, width] = network
            if len(self._networks) > KEPT:
                self._networks.popitem(last=False)
            return network

    def _check(self, found: Candidates) -> None:
        """Refuse faces at no place; scores that are not numbers are below every threshold."""
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.landmarks).all()):
            raise ModelError(
                f"{self.graph.source.path or self.graph.name} finds a face at no finite place; is it damaged?"
            )
