"""From layers to work: which steps there are, in which layout each reads and writes its tensors, what is packed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refnet.fast import pack
from refnet.fast.kernels.driver import Kernel
from refnet.fast.kernels.register_block import PANEL
from refnet.fast.lanes import WIDTH
from refnet.fast.layers import ConvLayer, DenseLayer, InputLayer, Layer, PixelLayer
from refnet.fast.simplify import constant_names
from refnet.fast.steps import GROUP_BYTES, Step, choose_kernel, divide_winograd
from refnet.fast.storage import NO_BORDER, PIXEL, Border, Layout, Storage
from refnet.graph import Array, Graph, Node, Shape
from refnet.ops.dtypes import FLOAT
from refnet.ops.operator import Known

FLOAT_BYTES = 4
_PIXEL_KERNELS = {"MaxPool": Kernel.MAX_POOL, "Resize": Kernel.ENLARGE, "Add": Kernel.ADD}


@dataclass(frozen=True)
class Generic:
    """A node that no kernel knows. Tensors that kernels made or will read lie in the arena, in plain order."""

    node: Node
    reads: Mapping[str, Storage]
    writes: Storage | None = None


class Draft:
    """The work so far, and where each tensor is.

    Attributes
    ----------
    by_image : names
        Of the tensors that have a row an image.
    rows : names
        Of those among them that kernels can compute, because they hold floats and are not empty. Only these lie in the
        arena; all other tensors are values that nodes hand to nodes.
    """

    def __init__(
        self,
        graph: Graph,
        known: Mapping[str, Known],
        by_image: frozenset[str],
        *,
        capacity: int,
        threads: int,
        low_memory: bool,
    ) -> None:
        self.graph, self.known, self.by_image, self.constant = graph, known, by_image, constant_names(graph)
        self.rows = frozenset(name for name in by_image if known[name].dtype == FLOAT and 0 not in known[name].shape)
        self.capacity, self.threads, self.low_memory = capacity, threads, low_memory
        self.work: list[Step | Generic] = []
        self.storages: dict[str, list[Storage]] = {}
        self.borders: dict[str, Border] = {}
        self.inputs: dict[str, InputLayer] = {}
        self.generic_values: set[str] = set()
        self.packing: list[tuple[int, int, Callable[[Array], None]]] = []
        self.weights_size = 0
        for tensor in graph.inputs:
            if tensor.name in self.rows:
                self._store(tensor.name, Layout(self._shape(tensor.name))).first = -1

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
        elif isinstance(layer, PixelLayer):
            self._add_pixels(layer)
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
            divide_winograd(step, self.threads)
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
        one, zero = np.ones(oc), np.zeros(oc)
        fields = {
            "channels": x.layout.image,
            "out_channels": pack.round_up(oc, WIDTH),
            "weights_at": self._pack(size, lambda to: pack.pack_dense(to, layer, x_shape)),
            "constants_at": self._pack(
                pack.constants_size(oc), lambda to: pack.pack_constants(to, layer.bias(), one, one, zero)
            ),
        }
        step = Step(layer.name, Kernel.DENSE, storages, fields, flops=2 * oc * terms, weight_bytes=4 * size)
        step.private["sums"] = PANEL * self.capacity
        step.shared = x.layout.image * self.capacity
        step.group = self.capacity
        self._append(step)

    def _add_pixels(self, layer: PixelLayer) -> None:
        channels, height, width = self._shape(layer.y)
        storages = {"x": (self._need(layer.x, WIDTH), NO_BORDER)}
        if layer.residual:
            storages["residual"] = (self._need(layer.residual, WIDTH), NO_BORDER)
        storages["y"] = (self._make(layer.y), NO_BORDER)
        fields = {
            "channels": pack.round_up(channels, WIDTH),
            "out_channels": pack.round_up(channels, WIDTH),
            "height": height,
            "width": width,
            "taps_down": layer.window[0],
            "taps_across": layer.window[1],
            "stride_down": layer.stride[0],
            "stride_across": layer.stride[1],
        }
        taps = 0 if layer.op == "Resize" else math.prod(layer.window)
        flops = taps * channels * height * width
        step = Step(layer.name, _PIXEL_KERNELS[layer.op], storages, fields, flops=flops)
        step.group = self._group(step)
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
        if side_by_side == 1:  # kernels write, and the scaling of an input leaves, sixteen channels side by side
            return self._convert(name, Kernel.WRITE_IMAGES, self._need(name, WIDTH), layout)
        if not exact:
            layout = Layout(layout.shape, side_by_side, self.borders.get(name, border))
        scaling = self.inputs.get(name)
        source_name = scaling.x if scaling else name
        self._hold(source_name)
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
        shift = scaling.shift if scaling else np.full(channels, -0.0)  # x + -0 is x, minus zero included
        target = self._store(name, layout)
        fields = {"channels": channels, "height": shape[1], "width": shape[2], "stride_across": layout.side_by_side}
        step = Step(f"{name}:layout", kernel, {"x": (source, NO_BORDER), "y": (target, NO_BORDER)}, fields)
        if kernel is Kernel.READ_IMAGES:
            both = np.concatenate([scale, shift])
            fields["constants_at"] = self._pack(len(both), lambda to: np.copyto(to, both))
        step.group = self.capacity
        self._append(step)
        return target

    def output(self, name: str) -> Storage:
        """Where the graph's output lies in plain order."""
        self._hold(name)
        return self._need(name, 1)

    def _hold(self, name: str) -> None:
        """Give the value of a generic node a place in the arena."""
        if name in self.generic_values and name not in self.storages:
            self._store(name, Layout(self._shape(name))).first = self._made_at(name)

    # Weights

    def _pack(self, size: int, fill: Callable[[Array], None]) -> int:
        """Reserve room among the weights; it is filled at the end, one layer at a time."""
        at = self.weights_size
        self.packing.append((at, size, fill))
        self.weights_size += pack.round_up(size, WIDTH)
        return at

    def _group(self, step: Step) -> int:
        """How many images go through a layer together: as many as stay in the cache."""
        images = max(1, GROUP_BYTES // max(4 * step.storages[role][0].layout.image for role in ("x", "y")))
        return min(self.capacity, 1 << images.bit_length() - 1)

    def _append(self, step: Step) -> None:
        for storage, _ in step.storages.values():
            storage.last = len(self.work)
        self.work.append(step)

    def packed(self) -> Array:
        """All weights, each layer's in its place."""
        weights = pack.zeros(self.weights_size + WIDTH)
        for at, count, fill in sorted(self.packing, key=lambda item: -item[1]):
            fill(weights[at : at + count])
        return weights


def keep_what_is_shown(draft: Draft) -> dict[int, int]:
    """Let a place in the arena live as long as a value is read that may be a view of it.

    A node that runs by its definition may return a view of what it is given (Transpose, Reshape, Slice, Identity ...),
    so every such value is taken for one: what lies under it, and under what it was made from, stays until the value's
    last reader. That costs memory where a place could have been reused, and never a copy.

    Returns
    -------
    {number of a piece of work: bytes for one image that stay longer because of the value it makes}
    """
    end = len(draft.work)
    last_read = {tensor.name: end for tensor in draft.graph.outputs if tensor.name not in draft.rows}
    for n, work in enumerate(draft.work):
        if isinstance(work, Generic):
            last_read |= {name: max(n, last_read.get(name, n)) for name in work.node.inputs if name not in work.reads}
    under: dict[str, list[Storage]] = {}
    kept: dict[int, int] = {}
    for n, work in enumerate(draft.work):
        if isinstance(work, Generic):
            values = [name for name in work.node.inputs if name not in work.reads]
            shown = [*work.reads.values(), *(storage for name in values for storage in under.get(name, []))]
            under[work.node.output] = shown
            until = last_read.get(work.node.output, n)
            longer = [storage for storage in shown if storage.last < until]
            kept[n] = sum(FLOAT_BYTES * storage.layout.image for storage in longer)
            for storage in longer:
                storage.last = until
    return kept
