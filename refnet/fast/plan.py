"""From layers to a table of steps: everything that depends on the network or on shapes is decided here, once.

A layer's algorithm, and with it every bit of its result, follows from the layer's shape alone. What follows from
the machine, the batch or the number of threads - how many images go through some layers together, how much is
transformed at a time, who does what - changes no bit.

Reads no images and computes nothing but packed weights.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnet.errors import ModelError
from refnet.fast import pack
from refnet.fast.kernels.driver import Kernel
from refnet.fast.kernels.multiply import PANEL
from refnet.fast.kernels.step import STEP
from refnet.fast.kernels.tiles import FREQUENCIES
from refnet.fast.lanes import WIDTH
from refnet.fast.layers import ConvLayer, DenseLayer, InputLayer, Layer, layers_of
from refnet.fast.simplify import constant_names, evaluate, simplify
from refnet.fast.storage import NO_BORDER, PIXEL, Border, Layout, Storage, allocate
from refnet.fast.weights_cache import packed_weights, weights_key
from refnet.graph import Array, Graph, Node, Shape
from refnet.ops.inference import infer
from refnet.ops.operator import Known

CAPACITY = 8  # images that a workspace holds; a larger batch goes through in turns
_GROUP_BYTES = 2 << 20  # of one activation, up to which images go through a layer together
_BAND_BYTES = 1 << 20  # of transformed inputs at a time; about a core's second-level cache
_MANY_CHANNELS = 256
_ROWS_A_RANK = 7  # of tiles; ranks divide output channels where there are fewer
_BAND_ROWS = 128  # but at least so many tiles where images are small: filters are expanded once a band


@dataclass
class Step:
    """One call of a kernel."""

    name: str
    kernel: Kernel
    storages: dict[str, tuple[Storage, Border]]  # by role: x, y, residual, second
    fields: dict[str, int]
    flops: int = 0
    weight_bytes: int = 0
    private: dict[str, int] = field(default_factory=dict)  # scratch of each rank, by name: how many values
    shared: int = 0  # scratch of all ranks, in values
    group: int = CAPACITY

    @property
    def activation_bytes(self) -> int:
        """What it reads and writes for one image."""
        return 4 * sum(storage.layout.image for storage, _ in self.storages.values())


@dataclass(frozen=True)
class Compiled:
    """Consecutive steps that run without Python in between; `segments` as `drive` takes them."""

    segments: Array


@dataclass(frozen=True)
class Generic:
    """A node that no kernel knows. Tensors that kernels made or will read lie in the arena, in plain order."""

    node: Node
    reads: Mapping[str, Storage]
    writes: Storage | None = None


@dataclass(frozen=True)
class Plan:
    """A network made ready for one input size, one number of threads and this machine.

    Attributes
    ----------
    parts : what to run, in order
    steps : STEP array
    weights : float32 array
    arena_size : int
        Values that a workspace needs.
    inputs, outputs : {tensor: Storage}
        In plain order, for up to `CAPACITY` images.
    whole_outputs : names
        Outputs that are no row an image, given as they are.
    constants : {tensor: array}
        What generic nodes read, and outputs among them.
    capacity : int
    lines : for people, one a step
    """

    parts: tuple[Compiled | Generic, ...]
    steps: Array
    weights: Array
    arena_size: int
    inputs: Mapping[str, Storage]
    outputs: Mapping[str, Storage]
    whole_outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    capacity: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def make_plan(
    graph: Graph, shapes: Mapping[str, Shape], *, threads: int, low_memory: bool = False, cache: bool = False
) -> Plan:
    """Decide how to run a graph.

    Parameters
    ----------
    graph : Graph
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
    simple = simplify(graph, {name: (1, *shape) for name, shape in shapes.items()})
    known = infer(simple, {name: (1, *shape) for name, shape in shapes.items()})
    builder = _Builder(simple, known, _capacity(simple, known, shapes), threads, low_memory)
    layers = layers_of(simple, known)
    builder.expect(layers)
    for layer in layers:
        builder.add(layer)
    places = [(at, size) for at, size, _ in builder.packing]
    key = weights_key(graph, sorted(shapes.items()), low_memory, places) if cache else None
    return builder.finished(shapes, key)


def choose_kernel(layer: ConvLayer) -> Kernel:
    """The algorithm of a convolution: by its shape alone, for its bits depend on it."""
    _, ic, kh, kw = layer.weight_shape
    if layer.depthwise:
        return Kernel.DEPTHWISE
    if (kh, kw) == (3, 3) and layer.stride == (1, 1):
        if ic <= PIXEL:
            return Kernel.DIRECT_PIXELS
        if layer.padding == (1, 1, 1, 1):
            return Kernel.WINOGRAD_3X3
    return Kernel.DIRECT


def _capacity(graph: Graph, known: Mapping[str, Known], shapes: Mapping[str, Shape]) -> int:
    """How many images can go through together: one, where a graph is made for one."""
    try:
        two = infer(graph, {name: (2, *shape) for name, shape in shapes.items()})
    except ModelError:
        return 1
    made = [tensor.name for tensor in graph.outputs if tensor.name not in constant_names(graph)]
    grown = all(two[name].shape == (2, *known[name].shape[1:]) for name in made)
    return CAPACITY if grown else 1


class _Builder:
    """The work so far, and where each tensor is."""

    def __init__(self, graph: Graph, known: Mapping[str, Known], capacity: int, threads: int, low_memory: bool) -> None:
        self.graph, self.known, self.constant = graph, known, constant_names(graph)
        self.capacity, self.threads, self.low_memory = capacity, threads, low_memory
        self.work: list[Step | Generic] = []
        self.storages: dict[str, list[Storage]] = {}
        self.borders: dict[str, Border] = {}
        self.inputs: dict[str, InputLayer] = {}
        self.generic_values: set[str] = set()
        self.packing: list[tuple[int, int, Callable[[Array], None]]] = []
        self.weights_size = 0
        for tensor in graph.inputs:
            self._store(tensor.name, Layout(self._shape(tensor.name)))

    def expect(self, layers: Sequence[Layer]) -> None:
        """See which borders the readers of each tensor need, so that its maker can leave them."""
        for layer in layers:
            if isinstance(layer, ConvLayer):
                have = self.borders.get(layer.x, NO_BORDER)
                top, left, bottom, right = (max(pair) for pair in zip(have, layer.padding, strict=True))
                self.borders[layer.x] = (top, left, bottom, right)

    def add(self, layer: Layer) -> None:
        """Append the steps of one layer."""
        if isinstance(layer, InputLayer):
            self.inputs[layer.y] = layer
        elif isinstance(layer, ConvLayer):
            self._add_conv(layer)
        elif isinstance(layer, DenseLayer):
            self._add_dense(layer)
        else:
            self._add_node(layer)

    def _add_conv(self, layer: ConvLayer) -> None:
        oc, group_ic, kh, kw = layer.weight_shape
        _, height, width = self._shape(layer.y)
        kernel = choose_kernel(layer)
        side_by_side = PIXEL if kernel is Kernel.DIRECT_PIXELS else WIDTH
        storages = {"x": (self._need(layer.x, side_by_side, layer.padding), layer.padding)}
        if layer.residual:
            storages["residual"] = (self._need(layer.residual, WIDTH), NO_BORDER)
        storages["y"] = (self._make(layer.y), NO_BORDER)
        if layer.second:
            storages["second"] = (self._make(layer.second), NO_BORDER)
        fields = {
            "channels": pack.round_up(self._shape(layer.x)[0], side_by_side),
            "out_channels": pack.round_up(oc, WIDTH),
            "height": height,
            "width": width,
            "taps_down": kh,
            "taps_across": kw,
            "stride_down": layer.stride[0],
            "stride_across": layer.stride[1],
            "plain_filters": int(self.low_memory),
        }
        step = Step(layer.name, kernel, storages, fields, flops=2 * group_ic * kh * kw * oc * height * width)
        step.group = self._group(step)
        self._pack_filters(layer, step)
        constants = layer.bias, layer.slope, layer.scale, layer.shift
        fields["constants_at"] = self._pack(pack.constants_size(oc), lambda to: pack.pack_constants(to, *constants))
        if kernel is Kernel.WINOGRAD_3X3:
            _divide_winograd(step, self.threads)
        else:
            step.private["sums"] = PANEL * WIDTH
            fields["by_channel"] = int(step.weight_bytes > step.activation_bytes)
        self._append(step)

    def _pack_filters(self, layer: ConvLayer, step: Step) -> None:
        """Reserve room for filters."""
        plain, channels = self.low_memory, step.fields["channels"]
        if step.kernel is Kernel.WINOGRAD_3X3:
            size = pack.winograd_size(layer.weight_shape, plain=plain)
            at = self._pack(size, lambda to: pack.pack_winograd(to, layer, plain=plain))
        elif step.kernel is Kernel.DEPTHWISE:
            size = channels * math.prod(layer.weight_shape[2:])
            at = self._pack(size, lambda to: pack.pack_depthwise(to, layer))
        else:
            size = pack.round_up(layer.weight_shape[0], PANEL) * channels * math.prod(layer.weight_shape[2:])
            fill_up_to = PIXEL if step.kernel is Kernel.DIRECT_PIXELS else WIDTH
            at = self._pack(size, lambda to: pack.pack_direct(to, layer, fill_up_to))
        step.fields["weights_at"], step.weight_bytes = at, 4 * size

    def _add_dense(self, layer: DenseLayer) -> None:
        x_shape, (oc, terms) = self._shape(layer.x), layer.weight_shape
        x = self._need(layer.x, WIDTH, exact=True)
        storages = {"x": (x, NO_BORDER), "y": (self._make(layer.y), NO_BORDER)}
        size = x.layout.image * pack.round_up(oc, PANEL)
        constants = layer.bias, np.ones(oc), np.ones(oc), np.zeros(oc)
        fields = {
            "channels": x.layout.image,
            "out_channels": pack.round_up(oc, WIDTH),
            "weights_at": self._pack(size, lambda to: pack.pack_dense(to, layer, x_shape)),
            "constants_at": self._pack(pack.constants_size(oc), lambda to: pack.pack_constants(to, *constants)),
        }
        step = Step(layer.name, Kernel.DENSE, storages, fields, flops=2 * oc * terms, weight_bytes=4 * size)
        step.private["sums"] = PANEL * self.capacity
        step.shared = x.layout.image * self.capacity
        step.group = self.capacity
        self._append(step)

    def _add_node(self, node: Node) -> None:
        held = [name for name in node.inputs if name in self.storages or name in self.inputs]
        reads = {name: self._need(name, 1) for name in held}
        self.generic_values.add(node.output)
        self.work.append(Generic(node, reads))

    # Tensors

    def _shape(self, name: str) -> Shape:
        """Of one image."""
        return self.known[name].shape[1:]

    def _store(self, name: str, layout: Layout) -> Storage:
        """A new storage for a tensor, made by the work that comes next."""
        storage = Storage(layout, first=len(self.work), last=len(self.work))
        self.storages.setdefault(name, []).append(storage)
        return storage

    def _make(self, name: str) -> Storage:
        """Where a kernel writes a tensor: with the border that its readers need."""
        return self._store(name, Layout(self._shape(name), WIDTH, self.borders.get(name, NO_BORDER)))

    def _need(self, name: str, side_by_side: int, border: Border = NO_BORDER, *, exact: bool = False) -> Storage:
        """A tensor in a layout that serves; it is converted if there is none yet."""
        for storage in self.storages.get(name, []):
            layout = storage.layout
            if layout.side_by_side == side_by_side and (layout.border == border if exact else layout.serves(border)):
                return storage
        shape = self._shape(name)
        if len(shape) != 3 and side_by_side != 1:
            layout = Layout((*shape, 1, 1), side_by_side, border)
        else:
            layout = Layout(shape, side_by_side, border)
        if side_by_side == 1:
            source = next(iter(self.storages.get(name, [])), None) or self._need(name, WIDTH)
            return self._convert(name, Kernel.WRITE_IMAGES, source, layout)
        if not exact:
            layout = Layout(layout.shape, side_by_side, self.borders.get(name, border))
        scaling = self.inputs.get(name)
        source_name = scaling.x if scaling else name
        if source_name in self.generic_values and source_name not in self.storages:
            self._store(source_name, Layout(self._shape(source_name)))
            self.storages[source_name][0].first = self._made_at(source_name)
        return self._convert(name, Kernel.READ_IMAGES, self._need(source_name, 1), layout, scaling)

    def _made_at(self, name: str) -> int:
        """Which work makes a generic value."""
        return next(n for n, work in enumerate(self.work) if isinstance(work, Generic) and work.node.output == name)

    def _convert(
        self, name: str, kernel: Kernel, source: Storage, layout: Layout, scaling: InputLayer | None = None
    ) -> Storage:
        """Append the step that lays a tensor out anew."""
        shape = layout.shape if len(layout.shape) == 3 else (*layout.shape, 1, 1)
        channels = shape[0]
        scale = scaling.scale if scaling else np.ones(channels)
        shift = scaling.shift if scaling else np.zeros(channels)
        target = self._store(name, layout)
        fields = {"channels": channels, "height": shape[1], "width": shape[2], "stride_across": layout.side_by_side}
        step = Step(f"{name}:layout", kernel, {"x": (source, NO_BORDER), "y": (target, NO_BORDER)}, fields)
        if kernel is Kernel.READ_IMAGES:
            both = np.concatenate([scale, shift])
            fields["constants_at"] = self._pack(len(both), lambda to: np.copyto(to, both))
        step.group = self.capacity
        self._append(step)
        return target

    # Finish

    def _is_whole(self, name: str) -> bool:
        """Whether an output is no row an image: it follows from weights alone, or mixes the batch with other axes."""
        return name in self.constant or self.known[name].shape[:1] != (1,)

    def _pack(self, size: int, fill: Callable[[Array], None]) -> int:
        """Reserve room among the weights; it is filled at the end, one layer at a time."""
        at = self.weights_size
        self.packing.append((at, size, fill))
        self.weights_size += pack.round_up(size, WIDTH)
        return at

    def _group(self, step: Step) -> int:
        """How many images go through a layer together: as many as stay in the cache."""
        images = max(1, _GROUP_BYTES // max(4 * step.storages[role][0].layout.image for role in ("x", "y")))
        return min(self.capacity, 1 << images.bit_length() - 1)

    def _append(self, step: Step) -> None:
        for storage, _ in step.storages.values():
            storage.last = len(self.work)
        self.work.append(step)

    def finished(self, shapes: Mapping[str, Shape], key: str | None) -> Plan:
        """Lay out tensors and scratch, pack the weights, write the table."""
        outputs = {}
        whole = {tensor.name for tensor in self.graph.outputs if self._is_whole(tensor.name)}
        for tensor in self.graph.outputs:
            name = tensor.name
            if name in whole:
                continue
            if name in self.generic_values and name not in self.storages:
                self._store(name, Layout(self._shape(name))).first = self._made_at(name)
            outputs[name] = self._need(name, 1)
        inputs = {name: self.storages[name][0] for name in shapes}
        for storage in (*inputs.values(), *outputs.values()):
            storage.whole = True
        for storage in inputs.values():
            storage.first = -1
        for storage in outputs.values():
            storage.last = len(self.work)
        segments = self._segments()
        self._settle(segments)
        storages = [storage for kept in self.storages.values() for storage in kept]
        size = allocate(storages)
        steps = [work for work in self.work if isinstance(work, Step)]
        shared = max((step.shared for step in steps), default=0)
        private = max((pack.round_up(sum(step.private.values()), WIDTH) + WIDTH for step in steps), default=0)
        shared_at, private_at = size, pack.round_up(size + shared, WIDTH)
        table = np.zeros(len(steps), dtype=STEP)
        for row, step in zip(table, steps, strict=True):
            _write_row(row, step, shared_at, private_at, private)
        generic = [work for work in self.work if isinstance(work, Generic)]
        read = {name for work in generic for name in work.node.inputs if name in self.constant}
        read |= whole & self.constant
        return Plan(
            parts=self._parts(segments),
            steps=table,
            weights=packed_weights(key, self._packed),
            arena_size=private_at + self.threads * private + WIDTH,
            inputs=inputs,
            outputs=outputs,
            whole_outputs=tuple(sorted(whole)),
            constants={name: _as_float32(evaluate(self.graph, name)) for name in read},
            capacity=self.capacity,
            lines=_lines(steps),
        )

    def _packed(self) -> Array:
        """All weights, each layer's in its place."""
        weights = pack.zeros(self.weights_size + WIDTH)
        for at, count, fill in sorted(self.packing, key=lambda item: -item[1]):
            fill(weights[at : at + count])
        return weights

    def _segments(self) -> list[tuple[int, int]]:
        """Runs of steps that the same number of images goes through, as (first, last) of the work."""
        segments: list[tuple[int, int]] = []
        for n, work in enumerate(self.work):
            before = self.work[n - 1] if n else None
            if isinstance(work, Step) and isinstance(before, Step) and before.group == work.group:
                segments[-1] = (segments[-1][0], n + 1)
            else:
                segments.append((n, n + 1))
        return segments

    def _settle(self, segments: list[tuple[int, int]]) -> None:
        """How many images each storage holds, and how long: to its segment's ends if it outlives a group."""
        segment_of = {n: segment for segment in segments for n in range(*segment)}
        for name, kept in self.storages.items():
            for storage in kept:
                used = [n for n, work in enumerate(self.work) if _uses(work, storage, name)]
                first, last = used[0], used[-1]
                if segment_of[first] != segment_of[last] or any(isinstance(self.work[n], Generic) for n in used):
                    storage.whole = True
                if storage.whole:
                    storage.first = min(storage.first, segment_of[first][0])
                    storage.last = max(storage.last, segment_of[last][1] - 1)
                    storage.images = self.capacity
                else:
                    group = self.work[first]
                    storage.images = group.group if isinstance(group, Step) else self.capacity

    def _parts(self, segments: list[tuple[int, int]]) -> tuple[Compiled | Generic, ...]:
        """Segments between two generic nodes are driven together."""
        parts: list[Compiled | Generic] = []
        rows: list[tuple[int, int, int]] = []
        done = 0
        for first, last in segments:
            work = self.work[first]
            if isinstance(work, Step):
                rows.append((done, done + last - first, work.group))
                done += last - first
                continue
            if rows:
                parts.append(Compiled(np.array(rows, dtype=np.int64)))
            rows = []
            parts.append(Generic(work.node, work.reads, next(iter(self.storages.get(work.node.output, [])), None)))
        if rows:
            parts.append(Compiled(np.array(rows, dtype=np.int64)))
        return tuple(parts)


def _divide_winograd(step: Step, threads: int) -> None:
    """How many tiles at a time, and scratch for them."""
    channels, height, width = (step.fields[name] for name in ("channels", "height", "width"))
    down, across = -(-height // 4), -(-width // 4)
    fitting = max(_BAND_BYTES // (4 * FREQUENCIES**2 * channels), 1)
    by_channel = down < _ROWS_A_RANK * threads
    if down * across <= max(fitting, _BAND_ROWS if channels >= _MANY_CHANNELS else 0):
        rows, images = down, min(step.group, max(1, max(fitting, _BAND_ROWS) // (down * across)))
    else:
        rows, images = -(-down // -(-down // max(1, fitting // across))), 1
    if not by_channel:
        even = (n for n in range(rows, 0, -1) if -(-down // n) % threads == 0)
        rows, images = next(even, rows), 1
    tiles = rows * images * across
    step.fields |= {"band_rows": rows, "band_images": images, "by_channel": int(by_channel)}
    step.private = {
        "u": 4 * channels * PANEL,
        "m": FREQUENCIES**2 * (tiles * PANEL + WIDTH),
        "h": 3 * channels * PANEL if step.fields["plain_filters"] else 0,
        "v": FREQUENCIES**2 * (tiles * channels + WIDTH),
    }


def _uses(work: Step | Generic, storage: Storage, name: str) -> bool:
    """Whether some work reads or writes a storage."""
    if isinstance(work, Step):
        return any(storage is used for used, _ in work.storages.values())
    return work.node.output == name or any(storage is used for used in work.reads.values())


def _write_row(row: Any, step: Step, shared_at: int, private_at: int, private_size: int) -> None:
    """One step as kernels read it."""
    values = {"residual_at": -1, "second_at": -1, **step.fields}
    values |= {"kernel": step.kernel, "shared_at": shared_at, "private_at": private_at, "private_size": private_size}
    for role, (storage, border) in step.storages.items():
        values |= storage.fields(role, border)
    at = 0
    for name, size in step.private.items():
        if name in ("m", "h", "v"):
            values[f"private_{name}"] = at
        at += size
    for name, value in values.items():
        row[name] = value


def _as_float32(value: Array) -> Array:
    """Floats in the engine's precision, integers as they are."""
    return value.astype(np.float32) if value.dtype.kind == "f" else value


def _lines(steps: Sequence[Step]) -> tuple[str, ...]:
    """A table for people."""
    lines = [f"{'layer':40} {'kernel':14} {'output':>16} {'MFLOP':>9} {'weights':>10} {'together':>8}"]
    for step in steps:
        shape = "x".join(str(extent) for extent in step.storages["y"][0].layout.shape)
        lines.append(
            f"{step.name:40} {step.kernel.name.lower():14} {shape:>16} {step.flops / 1e6:9.1f} "
            f"{step.weight_bytes / 1e6:7.2f} MB {step.group:8}"
        )
    return tuple(lines)
