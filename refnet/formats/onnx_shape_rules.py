"""The rules of the dialect that depend on shapes: paddings by name, slopes of one axis, baked-in batches."""

from typing import Literal

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_reading import Canonical, Reading
from refnet.graph import Attribute

Quad = tuple[int, int, int, int]


def conv(node: FileNode, reading: Reading) -> Canonical:
    """Conv, opset 1 to 22."""
    weight = reading.known(node.inputs[1]) if len(node.inputs) > 1 else None
    kernel = node.integers("kernel_shape", weight.shape[2:] if weight else ())
    if weight is not None and kernel != weight.shape[2:]:
        raise ModelError(f"kernel_shape is {kernel}, but weight {node.inputs[1]!r} has shape {weight.shape}")
    stride = node.integers("strides", (1, 1))
    dilation = node.integers("dilations", (1, 1))
    padding = _padding(node, reading, kernel, stride, dilation)
    groups = node.integer("group", 1)
    return node.op, node.inputs, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def max_pool(node: FileNode, reading: Reading) -> Canonical:
    """MaxPool, opset 1 to 22; `storage_order` is about the indices, which refnet does not give."""
    node.integer("storage_order", 0)
    dilation = node.integers("dilations", (1, 1))
    return node.op, node.inputs, {**_pool(node, reading, dilation), "dilation": dilation}


def average_pool(node: FileNode, reading: Reading) -> Canonical:
    """AveragePool, opset 7 to 22."""
    dilation = node.integers("dilations", (1, 1))
    if set(dilation) != {1}:
        raise UnsupportedModelError(f"dilations = {dilation}; refnet implements 1 for AveragePool")
    count_include_pad = node.integer("count_include_pad", 0)
    return node.op, node.inputs, {**_pool(node, reading, dilation), "count_include_pad": count_include_pad}


def prelu(node: FileNode, reading: Reading) -> Canonical:
    """PRelu, opset 7 to 16: settle whether a slope of one axis means channels or columns.

    ONNX aligns axes at the end, so that a slope of shape (C,) belongs to columns; exporters mean channels. The shape
    tells which, but for images of as many columns as channels: that file is refused.
    """
    x, slope = (reading.known(name) for name in (*node.inputs, "", "")[:2])
    if slope is None or len(slope.shape) != 1 or slope.shape == (1,):
        return node.op, node.inputs, {}
    if x is None:
        raise UnsupportedModelError(
            f"slope {node.inputs[1]!r} has shape {slope.shape}, which may mean channels or columns, and the file leaves "
            "the size of images free; export the slope with shape (C, 1, 1)"
        )
    (extent,) = slope.shape
    if len(x.shape) < 3 or extent != x.shape[1]:
        return node.op, node.inputs, {}  # what ONNX says; whether it fits is checked like every shape
    if extent == x.shape[-1]:
        raise UnsupportedModelError(
            f"slope {node.inputs[1]!r} has shape {slope.shape}, and x {x.shape} has {extent} channels and {extent} "
            "columns: ONNX reads the slope by columns, exporters mean channels; refnet does not guess. "
            "Export the slope with shape (C, 1, 1)"
        )
    if node.inputs[1] not in reading.constants:
        raise UnsupportedModelError(
            f"slope {node.inputs[1]!r} has shape {slope.shape} and is made by a node; refnet reads channels from "
            "shape (C, 1, 1)"
        )
    value = reading.constants[node.inputs[1]].reshape(extent, *(1,) * (len(x.shape) - 2))
    reading.note("a slope of one axis, which ONNX reads by columns and fits only channels, is read by channels", node)
    return node.op, (node.inputs[0], reading.change_constant(node.inputs[1], value)), {}


def reshape(node: FileNode, reading: Reading) -> Canonical:
    """Reshape, opset 5 to 25: free the batch where the exporter baked it into the target.

    A target that begins with the file's own batch, given to a tensor that is known to carry the batch first, keeps
    each image's elements together; 0 there (keep the extent) says the same for any batch.
    """
    allow_zero = node.integer("allowzero", 0)
    target = reading.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    fixed = reading.inputs[0].shape[:1] == (reading.shapes.batch,) if reading.inputs else False
    baked_in = target is not None and target.ndim == 1 and target.size and target[0] == reading.shapes.batch
    if target is None or not (fixed and baked_in) or allow_zero or not reading.shapes.carries_batch(node.inputs[0]):
        return node.op, node.inputs, {"allow_zero": allow_zero}
    freed = target.copy()
    freed[0] = 0
    reading.note("the target begins with the batch of the file, and is read as 'keep the batch'", node)
    return node.op, (node.inputs[0], reading.change_constant(node.inputs[1], freed)), {"allow_zero": 0}


def softmax(node: FileNode, reading: Reading) -> Canonical:
    """Softmax, opset 1 to 13; before 13 over all axes from `axis` on, which is the same for the last."""
    if reading.opset >= 13:
        return node.op, node.inputs, {"axis": node.integer("axis", -1)}
    axis = node.integer("axis", 1)
    x = reading.known(node.inputs[0]) if node.inputs else None
    if axis != -1 and (x is None or axis != len(x.shape) - 1):
        shape = "an unknown shape" if x is None else f"shape {x.shape}"
        raise UnsupportedModelError(
            f"axis = {axis} in opset {reading.opset} runs over all axes from there on, and x has {shape}; "
            "refnet implements the last axis there. Export with opset 13 or later"
        )
    return node.op, node.inputs, {"axis": axis}


def transpose(node: FileNode, reading: Reading) -> Canonical:
    """Transpose, opset 1 to 25; without `perm` the axes are reversed."""
    if node.has("perm"):
        return node.op, node.inputs, {"perm": node.integers("perm")}
    rank = reading.rank(node.inputs[0]) if node.inputs else None
    if rank is None:
        raise UnsupportedModelError("perm is not given and the number of axes is not known; refnet needs one of them")
    return node.op, node.inputs, {"perm": tuple(reversed(range(rank)))}


def _pool(node: FileNode, reading: Reading, dilation: tuple[int, ...]) -> dict[str, Attribute]:
    """What both poolings have."""
    kernel = node.integers("kernel_shape")
    if len(kernel) != 2:
        raise UnsupportedModelError(f"kernel_shape = {kernel}; refnet implements two spatial axes")
    stride = node.integers("strides", (1, 1))
    ceil_mode = node.integer("ceil_mode", 0)
    if ceil_mode and node.text("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedModelError("ceil_mode = 1 together with auto_pad; refnet implements ceil_mode with pads only")
    padding = _padding(node, reading, kernel, stride, dilation)
    return {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}


def _padding(
    node: FileNode, reading: Reading, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """(top, left, bottom, right), from pads or auto_pad."""
    auto_pad = node.text("auto_pad", "NOTSET")
    pads = node.integers("pads", (0, 0, 0, 0))
    if auto_pad == "NOTSET":
        return pads
    if any(pads):
        raise ModelError(f"auto_pad is {auto_pad} and pads are {pads}; expected only one of them")
    if auto_pad == "VALID":
        return pads
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedModelError(f"auto_pad = {auto_pad!r}; refnet implements NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    if not len(kernel) == len(stride) == len(dilation) == 2:
        raise UnsupportedModelError(
            f"kernel_shape {kernel}, strides {stride}, dilations {dilation}; refnet implements two spatial axes"
        )
    if node.op != "Conv" and set(dilation) != {1}:
        raise UnsupportedModelError(
            f"auto_pad = {auto_pad} with dilations = {dilation} on a pool: runtimes disagree about it; export it with pads"
        )
    if min(stride) < 1:
        raise UnsupportedModelError(f"strides = {stride}; refnet implements strides of at least 1")
    x = reading.known(node.inputs[0]) if node.inputs else None
    if x is None and set(stride) != {1}:
        raise UnsupportedModelError(
            f"auto_pad = {auto_pad} with strides {stride} depends on an extent that the file leaves free; "
            "export it with a fixed size, or with pads"
        )
    if x is not None and len(x.shape) != 4:
        raise ModelError(f"x has shape {x.shape}; expected (N, C, H, W)")
    image = (1, 1) if x is None else x.shape[2:]  # with stride 1 the padding is the same for every size
    reading.note(f"auto_pad = {auto_pad} is written out as pads", node)
    return _same(image, kernel, stride, dilation, auto_pad)


def _same(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    auto_pad: Literal["SAME_UPPER", "SAME_LOWER"] | str,
) -> Quad:
    """Padding for OH = ceil(H / stride); an odd row or column goes below and right for SAME_UPPER, else above."""
    before, after = [], []
    for extent, k, s, d in zip(image, kernel, stride, dilation, strict=True):
        windows = -(-extent // s)
        total = (windows - 1) * s + d * (k - 1) + 1 - extent
        if total < -1:  # one too many is left out at the end by all
            raise UnsupportedModelError(
                f"auto_pad = {auto_pad} with a window of {k} and a stride of {s} on an extent of {extent} pads by {total}: some "
                "runtimes crop, others begin at 0; refnet does not guess. Export it with pads"
            )
        total = max(total, 0)
        less, more = total // 2, total - total // 2
        before.append(less if auto_pad == "SAME_UPPER" else more)
        after.append(more if auto_pad == "SAME_UPPER" else less)
    return before[0], before[1], after[0], after[1]
