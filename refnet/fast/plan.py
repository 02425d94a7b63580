"""From layers to a table of steps: everything that depends on the network or on shapes is decided here, once.

A layer's algorithm, and with it every bit of its result, follows from the layer's shape alone. What follows from
the machine, the batch or the number of threads - how many images go through some layers together, how much is
transformed at a time, who does what - changes no bit.

Reads no images and computes nothing but packed weights.
"""

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from refnet.fast import pack
from refnet.fast.costs import Cost, costs_of, table_of
from refnet.fast.draft import Draft, Generic, keep_what_is_shown
from refnet.fast.kernels.step import STEP
from refnet.fast.lanes import WIDTH
from refnet.fast.layers import layers_of
from refnet.fast.simplify import constant_names, evaluate, simplify
from refnet.fast.steps import CAPACITY, Step, write_row
from refnet.fast.storage import Storage, allocate
from refnet.fast.weights_cache import PackedWeights, graph_digest, packed_weights, weights_key
from refnet.graph import Array, Graph, Shape, Tensor
from refnet.ops.batch_analysis import batch_axes
from refnet.ops.dtypes import FLOAT
from refnet.ops.inference import infer
from refnet.ops.operator import Known

__all__ = ["CAPACITY", "Compiled", "Generic", "Plan", "make_plan", "make_whole_plan"]

PART_BYTES = 32 << 20  # of weights that a part reads where memory is low


@dataclass(frozen=True)
class Compiled:
    """Consecutive steps that run without Python in between; `segments` as `drive` takes them.

    The steps read weights[first_weight:last_weight].
    """

    segments: Array
    first_weight: int
    last_weight: int


@dataclass(frozen=True)
class Plan:
    """A network made ready for one input size, one number of threads and this machine.

    Attributes
    ----------
    parts : what to run, in order
    steps : STEP array
    packed : PackedWeights
    weights_resident : bool
        Whether weights stay in memory once they are there; if not, a part lets go of its own when it is done.
    arena_size : int
        Values that a workspace needs.
    inputs, outputs : {tensor: Storage}
        In plain order, for up to `capacity` images.
    input_shapes : {graph input: shape}
        None stands for the number of images.
    value_inputs : {tensor: Tensor}
        Graph inputs that are handed to nodes as they are: integers, and what has no row an image.
    value_outputs : {tensor: array}
        Outputs that nodes make and that have a row an image, such as integers: what there is of no image.
    whole_outputs : names
        Outputs that have not, given as they are.
    constants : {tensor: array}
        What generic nodes read, and outputs among them.
    capacity : int
        How many images a workspace holds.
    batch : int or None
        How many there must be, where the graph mixes the images of a batch; None where any number will do.
    costs : what each piece of work costs, in order; the plan prints itself as a table of them
    """

    parts: tuple[Compiled | Generic, ...]
    steps: Array
    packed: PackedWeights
    arena_size: int
    inputs: Mapping[str, Storage]
    outputs: Mapping[str, Storage]
    input_shapes: Mapping[str, tuple[int | None, ...]]
    value_inputs: Mapping[str, Tensor]
    value_outputs: Mapping[str, Array]
    whole_outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    capacity: int
    batch: int | None
    weights_resident: bool
    costs: tuple[Cost, ...]

    @property
    def weights(self) -> Array:
        """Float32, read-only."""
        return self.packed.values

    def __str__(self) -> str:
        return "\n".join(table_of(self.costs))


def make_plan(
    graph: Graph, shapes: Mapping[str, Shape], *, threads: int, low_memory: bool = False, cache: bool = False
) -> Plan:
    """Decide how to run a graph that keeps images apart, for any number of them.

    Parameters
    ----------
    graph : Graph
        For which `batch_axes` says so.
    shapes : {graph input: shape of one image, without N}
    threads : int
    low_memory : bool
        Keep filters as they are and transform them in every run: half the memory, more time, the same bits.
    cache : bool
        Look for packed weights on disk, and leave them there.

    Raises
    ------
    ModelError, UnsupportedModelError
        If the graph does not fit itself or the images.
    """
    ranked = {tensor.name for tensor in graph.inputs if tensor.shape}

    def of(images: int) -> dict[str, Shape]:
        return {name: (images, *shape) if name in ranked else () for name, shape in shapes.items()}

    def draft() -> Draft:
        simple = simplify(graph, of(2))
        known, axes = infer(simple, of(1)), batch_axes(simple, shapes).axes
        by_image = frozenset(name for name, axis in axes.items() if axis == 0)
        return Draft(simple, known, by_image, capacity=CAPACITY, threads=threads, low_memory=low_memory)

    return _planned(graph, draft, None, cache=cache)


def make_whole_plan(
    graph: Graph, shapes: Mapping[str, Shape], *, threads: int, low_memory: bool = False, cache: bool = False
) -> Plan:
    """Decide how to run a graph in one piece, for inputs of just these shapes, N included.

    Kernels compute tensors of as many rows as the first input has; everything else runs by its definition. Arguments
    and errors otherwise as in `make_plan`.
    """
    batch = next((shape[0] for shape in shapes.values() if shape), 1)

    def draft() -> Draft:
        simple = simplify(graph, shapes)
        known = infer(simple, shapes)
        as_many = {name for name, found in known.items() if found.shape[:1] == (batch,)} - constant_names(simple)
        return Draft(simple, known, frozenset(as_many), capacity=batch, threads=threads, low_memory=low_memory)

    return _planned(graph, draft, batch, cache=cache)


def _planned(graph: Graph, begin: Callable[[], Draft], batch: int | None, *, cache: bool) -> Plan:
    """The plan that follows from a draft without work in it."""
    with ThreadPoolExecutor(1) as beside:  # the digest takes as long as the planning, and no Python
        digest = beside.submit(graph_digest, graph) if cache else None
        draft = begin()
        layers = layers_of(draft.graph, draft.known, draft.rows)
        draft.expect(layers)
        for layer in layers:
            draft.add(layer)
        return _finished(draft, batch, digest)


def _key(draft: Draft, digest: Future[str] | None) -> str | None:
    """What packed weights follow from: the graph, and where each layer's lie; None if none are to be kept."""
    shapes = sorted((tensor.name, draft.known[tensor.name].shape) for tensor in draft.graph.inputs)
    places = [(at, size) for at, size, _ in draft.packing]
    return weights_key(digest.result(), shapes, draft.low_memory, places) if digest else None


def _finished(draft: Draft, batch: int | None, digest: Future[str] | None) -> Plan:
    """Lay out tensors and scratch, pack the weights or find those of the graph of this digest, write the table."""
    names = [tensor.name for tensor in draft.graph.outputs]
    outputs = {name: draft.output(name) for name in names if name in draft.rows}
    values = [name for name in names if name not in outputs]
    value_outputs = tuple(name for name in values if batch is None and name in draft.by_image)
    whole_outputs = tuple(name for name in values if name not in value_outputs)
    inputs = {tensor.name: draft.storages[tensor.name][0] for tensor in draft.graph.inputs if tensor.name in draft.rows}
    for storage in (*inputs.values(), *outputs.values()):
        storage.whole = True
    for storage in outputs.values():
        storage.last = len(draft.work)
    segments = _segments(draft)
    _settle(draft, segments)
    kept = keep_what_is_shown(draft)
    storages = [storage for layouts in draft.storages.values() for storage in layouts]
    size = allocate(storages)
    steps = [work for work in draft.work if isinstance(work, Step)]
    shared = max((step.shared for step in steps), default=0)
    private = max((pack.round_up(sum(step.private.values()), WIDTH) + WIDTH for step in steps), default=0)
    shared_at, private_at = size, pack.round_up(size + shared, WIDTH)
    table = np.zeros(len(steps), dtype=STEP)
    for row, step in zip(table, steps, strict=True):
        write_row(row, step, shared_at, private_at, private)
    generic = [work for work in draft.work if isinstance(work, Generic)]
    read = {name for work in generic for name in work.node.inputs if name in draft.constant}
    read |= draft.constant.intersection(whole_outputs)
    of_shapes = {name: draft.known[name].value for name in whole_outputs}
    shaped = {name: as_float32(value) for name, value in of_shapes.items() if value is not None}
    return Plan(
        parts=_parts(draft, segments),
        steps=table,
        packed=packed_weights(_key(draft, digest), draft.packed),
        arena_size=private_at + draft.threads * private + WIDTH,
        inputs=inputs,
        outputs=outputs,
        input_shapes={
            tensor.name: _input_shape(draft.known[tensor.name].shape, batch) for tensor in draft.graph.inputs
        },
        value_inputs={tensor.name: tensor for tensor in draft.graph.inputs if tensor.name not in draft.rows},
        value_outputs={name: _nothing(draft.known[name]) for name in value_outputs},
        whole_outputs=whole_outputs,
        constants={name: as_float32(evaluate(draft.graph, name)) for name in read} | shaped,
        capacity=draft.capacity,
        batch=batch,
        weights_resident=not draft.low_memory,
        costs=costs_of(draft, kept),
    )


def _input_shape(shape: Shape, batch: int | None) -> tuple[int | None, ...]:
    """The shape with the number of images open, unless it is fixed."""
    return (None, *shape[1:]) if batch is None and shape else shape


def _nothing(known: Known) -> Array:
    """A tensor's rows of no image."""
    return np.empty((0, *known.shape[1:]), dtype=np.float32 if known.dtype == FLOAT else known.dtype)


def _segments(draft: Draft) -> list[tuple[int, int]]:
    """Runs of steps that the same number of images goes through, as (first, last) of the work; short where memory is low."""
    segments: list[tuple[int, int]] = []
    limit, weight_bytes = PART_BYTES if draft.low_memory else sys.maxsize, 0
    for n, work in enumerate(draft.work):
        before = draft.work[n - 1] if n else None
        weight_bytes += work.weight_bytes if isinstance(work, Step) else 0
        joins = isinstance(work, Step) and isinstance(before, Step) and before.group == work.group
        if joins and weight_bytes <= limit:
            segments[-1] = (segments[-1][0], n + 1)
        else:
            segments.append((n, n + 1))
            weight_bytes = work.weight_bytes if isinstance(work, Step) else 0
    return segments


def _settle(draft: Draft, segments: list[tuple[int, int]]) -> None:
    """How many images each storage holds, and how long: to its segment's ends if it outlives a group."""
    segment_of = {n: segment for segment in segments for n in range(*segment)}
    for name, kept in draft.storages.items():
        for storage in kept:
            used = [n for n, work in enumerate(draft.work) if _uses(work, storage, name)]
            if not used:  # an input that only the caller reads
                storage.images = draft.capacity
                continue
            first, last = used[0], used[-1]
            if segment_of[first] != segment_of[last] or any(isinstance(draft.work[n], Generic) for n in used):
                storage.whole = True
            if storage.whole:
                storage.first = min(storage.first, segment_of[first][0])
                storage.last = max(storage.last, segment_of[last][1] - 1)
                storage.images = draft.capacity
            else:
                group = draft.work[first]
                storage.images = group.group if isinstance(group, Step) else draft.capacity


def _parts(draft: Draft, segments: list[tuple[int, int]]) -> tuple[Compiled | Generic, ...]:
    """Segments between two generic nodes are driven together; where memory is low, not more than a few megabytes."""
    limit = PART_BYTES if draft.low_memory else sys.maxsize
    parts: list[Compiled | Generic] = []
    rows: list[tuple[int, int, int]] = []
    read: list[Step] = []
    done = 0

    def finish() -> None:
        if rows:
            ends = [step.fields.get("weights_at", 0) + step.weight_bytes // 4 for step in read]
            starts = [step.fields["weights_at"] for step in read if step.weight_bytes]
            parts.append(Compiled(np.array(rows, dtype=np.int64), min(starts, default=0), max(ends, default=0)))
        rows.clear()
        read.clear()

    for first, last in segments:
        work = draft.work[first]
        if isinstance(work, Generic):
            finish()
            made = draft.storages.get(work.node.output, [])
            parts.append(Generic(work.node, work.reads, next(iter(made), None)))
            continue
        steps = [step for step in draft.work[first:last] if isinstance(step, Step)]
        if sum(step.weight_bytes for step in read + steps) > limit:
            finish()
        rows.append((done, done + last - first, work.group))
        read += steps
        done += last - first
    finish()
    return tuple(parts)


def _uses(work: Step | Generic, storage: Storage, name: str) -> bool:
    """Whether some work reads or writes a storage."""
    if isinstance(work, Step):
        return any(storage is used for used, _ in work.storages.values())
    return work.node.output == name or any(storage is used for used in work.reads.values())


def as_float32(value: Array) -> Array:
    """Floats in the engine's precision, integers as they are."""
    return value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value
