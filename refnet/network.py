"""One face for every engine: load a model, call it, trace it.

>>> import refnet
>>> net = refnet.load("arcfaceresnet100-8.onnx")  # doctest: +SKIP
>>> embeddings = net(images)                      # doctest: +SKIP
"""

import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from refnet import reference, watermark
from refnet.channels import reversed_input, way_in
from refnet.contract import InputContract, input_contract
from refnet.errors import InputError, ModelError, ShapeError, UnsupportedModelError, UsageError
from refnet.following import SIDE
from refnet.gradient import Pullback, pullback
from refnet.graph import Array, Graph
from refnet.ops.batch_analysis import BatchAxes, batch_axes
from refnet.ops.inference import infer
from refnet.range_check import overflows, refuse_no_answer
from refnet.reference import Patch

if TYPE_CHECKING:
    from refnet.fast.costs import Cost

EngineName = Literal["fast", "reference"]
Memory = Literal["default", "low"]
ENGINES: tuple[EngineName, ...] = ("fast", "reference")
MANY = 10_000  # images from which on it is asked whether their outputs fit into memory
CHUNK = 8  # images computed at a time by the reference engine: bounds its memory, changes no number


class Engine(Protocol):
    """Computes a graph's outputs from its inputs, for any number of images."""

    @property
    def costs(self) -> "tuple[Cost, ...]":
        """What each piece of the work costs, in order; nothing where there is no plan."""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute the outputs, by name."""


class ReferenceEngine:
    """The float64 engine, of a graph with one input."""

    costs: "tuple[Cost, ...]" = ()

    def __init__(self, graph: Graph, axes: BatchAxes):
        self._graph, self._axes = graph, axes

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute `CHUNK` images at a time, or all at once where the graph mixes them."""
        count = len(next(iter(feeds.values())))
        if not self._axes.apart or count <= CHUNK:
            return reference.run(self._graph, feeds)
        parts = [
            reference.run(self._graph, {name: array[i : i + CHUNK] for name, array in feeds.items()})
            for i in range(0, count, CHUNK)
        ]
        return {
            name: first if self._axes.axes[name] is None else np.concatenate([part[name] for part in parts])
            for name, first in parts[0].items()
        }


class Network:
    """A model and the engine that computes it.

    Attributes
    ----------
    graph : Graph
    engine : str
    contract : InputContract
        What the input takes.
    synthetic : str or None
        The sentence in the weights that says they are made up.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        engine: EngineName = "fast",
        threads: int | None = None,
        memory: Memory = "default",
        cache: bool = False,
    ):
        if engine not in ENGINES:
            raise UsageError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
        self.graph = graph
        self.engine = engine
        self.contract: InputContract = input_contract(graph)
        self.synthetic = watermark.read(graph)
        self._computed, self._turned = _in_canonical_order(graph, self.contract)
        self._threads = threads
        self._memory: Memory = memory
        self._cache = cache
        self._making = threading.Lock()

    @property
    def _engine(self) -> Engine:
        """The engine, made when it is first needed: inspecting a model needs none."""
        with self._making:
            return self._made_engine

    @cached_property
    def _made_engine(self) -> Engine:
        if self.engine == "reference":
            return ReferenceEngine(self._computed, self._batch_axes)
        from refnet import fast  # numba takes a third of a second to import

        apart = self._batch_axes.apart
        return fast.compile(self._computed, threads=self._threads, memory=self._memory, cache=self._cache, apart=apart)

    def __call__(self, images: Array, *, strict: bool = True) -> Array:
        """Compute the network's one output.

        Parameters
        ----------
        images : (N, 3, 112, 112) float or uint8
            As the graph's input takes them (`contract`); for `arcfaceresnet100-8` RGB, 0..255, not normalised.
        strict : bool
            Refuse outputs that are no answer (`range_check`); False hands them on as they are.

        Returns
        -------
        (N, 512) float32 from the fast engine, float64 from the reference
            Raw embeddings: the output as it is, not of unit length. An image's embedding is the same bits alone and
            in any batch; from the fast engine also with any number of threads and on any processor.

        Raises
        ------
        ShapeError
            If the images have another shape or are not numbers.
        InputError
            If a value is not finite, or lies outside 0..255 where the graph scales pixels itself.
        NoAnswerError
            If an output is not finite, an embedding is all zero, or numbers overflowed on the way.
        ModelError
            If the model has several outputs, or one that has no row of numbers an image; `run` gives any.
        """
        embeddings = self.run(images, strict=strict)[self.output]
        if embeddings.ndim != 2 or len(embeddings) != len(images):
            raise ModelError(
                f"output {self.output!r} has shape {embeddings.shape} for {len(images)} images; expected embeddings, (N, D), "
                "a row an image. run() gives outputs of any shape"
            )
        return embeddings

    def embeddings(self, images: Array, *, strict: bool = True) -> Array:
        """Compute embeddings that follow from their own image alone, whatever the batch.

        As a call; where the model mixes the images of a batch and leaves their number open, one image at a time.

        Raises
        ------
        ModelError
            If the model mixes a declared number of images. Otherwise as a call.
        """
        if self.fixed_batch is None:
            return self(images, strict=strict)
        if self.fixed_batch != 1:
            raise ModelError(
                f"the model mixes the {self.fixed_batch} images of a batch, so that no embedding follows from its image "
                "alone; run() computes them together"
            )
        return np.concatenate([self(images[i : i + 1], strict=strict) for i in range(len(images))])

    @property
    def costs(self) -> "tuple[Cost, ...]":
        """What the fast engine runs, piece by piece, and what each costs; nothing from the reference."""
        return self._engine.costs

    @cached_property
    def output(self) -> str:
        """The name of the one output."""
        if len(self.graph.outputs) != 1:
            names = ", ".join(tensor.name for tensor in self.graph.outputs)
            raise ModelError(
                f"the model has {len(self.graph.outputs)} outputs ({names}); use run() to get them by name"
            )
        return self.graph.outputs[0].name

    @cached_property
    def fixed_batch(self) -> int | None:
        """How many images to compute at a time where the model mixes those of a batch; None where it does not matter.

        The declared number; 1 where the file leaves it open: then any may be given, and the result depends on all of
        them.
        """
        return None if self._batch_axes.apart else self.graph.inputs[0].shape[0] or 1

    @cached_property
    def _batch_axes(self) -> BatchAxes:
        """Where the images lie in each tensor that is computed."""
        shape = tuple(extent or SIDE for extent in self.contract.shape)
        return batch_axes(self._computed, {self.contract.name: shape})

    def run(self, images: Array, *, strict: bool = True) -> dict[str, Array]:
        """Compute every output, by name; arguments and errors as in `__call__`."""
        feeds = {self.contract.name: self._in_order(self._checked(images))}
        with overflows() as seen:
            outputs = self._engine.run(feeds)
        if strict:
            refuse_no_answer(outputs, len(images), bool(seen), self.engine)
        return outputs

    def stream(
        self,
        images: Array | None = None,
        patterns: Sequence[str] = ("*",),
        *,
        start: Mapping[str, Array] | None = None,
        patch: Mapping[str, Patch] | None = None,
    ) -> Iterator[tuple[str, Array]]:
        """Yield tensors in the graph's order, float64, one at a time in memory.

        Parameters
        ----------
        images : as in `__call__`
            None where everything wanted follows from `start`.
        patterns : names or glob patterns of tensor names, such as ``stage3_*``
        start : {tensor: array}, optional
            Tensors to go on from, instead of computing them: those of another run, or changed ones.
        patch : {tensor: function}, optional
            What to put in a tensor's place: function(array) -> array of the same shape.

        Raises
        ------
        As `__call__`, and as `refnet.reference.stream`.
        """
        if images is None and start is None:
            raise UsageError("there are neither images nor tensors to start from; give one of both")
        feeds = {} if images is None else {self.contract.name: self._checked(images)}
        if start is None and patch is None:
            tensors = reference.stream(
                self._computed, {name: self._in_order(array) for name, array in feeds.items()}, patterns
            )
            return _turned_back(tensors, self._turned) if self._turned else tensors
        if start is not None:
            start = {name: np.asarray(array) for name, array in start.items()}
            _refuse_unequal_batches({**feeds, **start})
        return reference.stream(self.graph, feeds, patterns, start=start, patch=patch)  # tensors as the file has them

    def trace(
        self,
        images: Array | None = None,
        patterns: Sequence[str] = ("*",),
        *,
        start: Mapping[str, Array] | None = None,
        patch: Mapping[str, Patch] | None = None,
    ) -> tuple[Array, dict[str, Array]]:
        """Compute the one output and keep the tensors that match; both float64. Arguments as in `stream`."""
        wanted = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        tensors = dict(self.stream(images, (*wanted, self.output), start=start, patch=patch))
        embeddings = tensors[self.output]
        keep = reference.matching(self.graph, wanted)
        return embeddings, {name: array for name, array in tensors.items() if name in keep}

    def gradient(self, images: Array, seed: Array, wrt: str | None = None) -> Array:
        """Differentiate sum(seed * output), in float64, by the images or by another tensor.

        Parameters
        ----------
        images : as in `__call__`
        seed : (N, 512) float
            A weight for every number of the one output.
        wrt : name of a node's output or of a weight, optional
            The images where absent.

        Returns
        -------
        float64 array of the shape of the images, or of the tensor. Gradients by images are in units of the input: one
        step of a pixel's value where the graph takes 0..255. That of an image does not depend on those beside it; that
        of a weight is summed over them.

        Raises
        ------
        As `__call__`, and as `refnet.gradient.gradient`.

        Examples
        --------
        >>> net = refnet.load("arcfaceresnet100-8.onnx")  # doctest: +SKIP
        >>> net.gradient(images, np.eye(512)[:1])         # doctest: +SKIP
        """
        _, pull = self.pullback(images, () if wrt is None else (wrt,))
        return next(iter(pull({self.output: seed}).values()))

    def pullback(self, images: Array, wrt: Sequence[str] = ()) -> tuple[dict[str, Array], Pullback]:
        """Compute every output, float64, and a function that carries weights of outputs back to gradients.

        Parameters
        ----------
        images : as in `__call__`
        wrt : names of tensors, the images where there are none

        Returns
        -------
        {output: array}, and a function from {output: weights} to {name: gradient}; see `refnet.gradient.pullback`.
        For a function of the output whose derivative depends on it: compute that from the first, give it to the second.
        """
        feeds = {self.contract.name: self._checked(images)}
        outputs = [tensor.name for tensor in self.graph.outputs]
        return pullback(self.graph, feeds, outputs, tuple(wrt) or (self.contract.name,))

    def _in_order(self, images: Array) -> Array:
        """The images with their channels in the order in which they are computed."""
        return images[:, ::-1] if self._turned else images

    def _checked(self, images: Array) -> Array:
        """The images as an array the engines can take, or an error that says what is wrong with them."""
        x = np.asarray(images)
        wanted = ", ".join(["N", *("any" if extent is None else str(extent) for extent in self.contract.shape)])
        if x.dtype.kind not in "fui" or x.dtype.itemsize > 8:
            raise ShapeError(
                f"images have dtype {x.dtype}; expected numbers (uint8 or float32), {self.contract.values}"
            )
        fits = x.ndim == 4 and all(
            extent in (None, actual) for extent, actual in zip(self.contract.shape, x.shape[1:], strict=True)
        )
        if not fits:
            raise ShapeError(f"images have shape {x.shape}; expected ({wanted}).{_hint(x.shape, self.contract)}")
        if x.size == 0:
            what = "zero images" if len(x) == 0 else "images of no pixels"
            raise ShapeError(f"there are {what} (shape {x.shape}); expected at least one of each")
        self._refuse_what_cannot_fit(x.shape)
        low, high = float(x.min()), float(x.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("images hold NaN or infinite values; expected finite numbers")
        if self.graph.inputs[0].shape[0] is not None and self.fixed_batch not in (None, len(x)):
            raise ShapeError(
                f"there are {len(x)} images; the model computes {self.fixed_batch} at a time, because a tensor in it "
                "mixes the batch with other axes"
            )
        if self.contract.inside and (low < 0 or high > 255):
            raise InputError(
                f"image values span {low:g} to {high:g}; expected 0 to 255: {self.contract.evidence}. "
                "Give pixels as they are, not normalised."
            )
        return x

    def _refuse_what_cannot_fit(self, shape: tuple[int, ...]) -> None:
        """Raise before anything is computed if the outputs alone are larger than the machine's memory."""
        count = shape[0]
        if count < MANY:
            return
        known = infer(self.graph, {self.contract.name: (1, *shape[1:])})
        values = sum(math.prod(known[tensor.name].shape) for tensor in self.graph.outputs)
        needed, there = count * values * (4 if self.engine == "fast" else 8), _memory_bytes()
        if needed > there:
            raise ShapeError(
                f"the outputs of {count:,} images take {needed / 1e9:,.0f} GB; this machine has {there / 1e9:,.0f} GB of "
                "memory. Give fewer images at a time: their embeddings do not depend on how many there are"
            )


def _in_canonical_order(graph: Graph, contract: InputContract) -> tuple[Graph, frozenset[str]]:
    """The graph that engines compute, and the names of its tensors whose channels lie the other way round in the file.

    A sum over channels is rounded differently when it is taken backwards. So a network that says it takes BGR is
    computed as the RGB network it came from, whose bits are then its own; its channels are turned at the door.
    """
    if contract.channels == "RGB":
        return graph, frozenset()
    try:
        way = way_in(graph)
    except UnsupportedModelError:
        return graph, frozenset()  # its bits are those of no RGB network
    return reversed_input(graph), frozenset([contract.name, *(node.output for node in way[:-1])])


def _turned_back(tensors: Iterator[tuple[str, Array]], turned: frozenset[str]) -> Iterator[tuple[str, Array]]:
    """The tensors as the file's own graph has them."""
    for name, tensor in tensors:
        yield name, tensor[:, ::-1] if name in turned else tensor


def _memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _refuse_unequal_batches(given: Mapping[str, Array]) -> None:
    """Raise unless all arrays are of the same number of images: one image would be broadcast to others, silently."""
    counts = {name: len(array) if array.ndim else 0 for name, array in given.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        said = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise ShapeError(f"what to start from holds different numbers of images, or none: {said}; expected the same")
    for name, array in given.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{name!r}, given to start from, holds NaN or infinite values; expected finite numbers")


def _hint(shape: tuple[int, ...], contract: InputContract) -> str:
    """What to do about a shape, where that can be seen from it."""
    if len(shape) == 4 and shape[3] == contract.shape[0]:
        return " Transpose to channels-first: images.transpose(0, 3, 1, 2)."
    if len(shape) == 3:
        return " Add the batch axis: images[np.newaxis]."
    return ""


def load(
    path: str | Path,
    *,
    engine: EngineName = "fast",
    threads: int | None = None,
    memory: Memory = "default",
    cache: bool = True,
) -> Network:
    """Read a model file and make it ready to run.

    Parameters
    ----------
    path : path of an ONNX file, or of the .xml of an OpenVINO model, beside its .bin
    engine : "fast" or "reference"
        float32 by compiled kernels, or float64 in plain NumPy, the specification.
    threads : int, optional
        Of the fast engine; as many as there are usable cores. Changes no bit.
    memory : "default" or "low"
        Of the fast engine; "low" takes less and is slower. Changes no bit.
    cache : bool
        Of the fast engine: keep packed weights in the cache folder (`$REFNET_CACHE_DIR`) and map them from there the
        next time. Changes no bit.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a model.
    UnsupportedModelError
        If the model asks for something refnet does not implement.
    """
    from refnet.formats.reading import read_model  # onnx takes a third of a second to import

    return Network(read_model(Path(path)), engine=engine, threads=threads, memory=memory, cache=cache)
