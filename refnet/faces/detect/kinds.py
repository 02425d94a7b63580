"""Which detector a graph is, told by its outputs, never by the name of a file."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from refnet.errors import UnsupportedModelError
from refnet.faces.detect import scrfd, yunet
from refnet.faces.detect.candidates import Candidates
from refnet.graph import Array, Graph, Tensor
from refnet.ops.inference import infer

STRIDE = 32  # the coarsest of every kind: what is shown is a multiple of it in both directions


@dataclass(frozen=True)
class Kind:
    """How a kind of detector is fed and read.

    Attributes
    ----------
    name : str
    threshold : score below which a candidate is none, unless the caller says otherwise
    overlap : intersection over union above which two candidates are one face
    prepare : pixels (H, W, 3) uint8 RGB to the graph's input
    decode : (outputs by name in the graph's order, height, width, threshold) to candidates
    """

    name: str
    threshold: float
    overlap: float
    prepare: Callable[[Array], Array]
    decode: Callable[[Mapping[str, Array], int, int, float], Candidates]


# Thresholds: for SCRFD those of insightface; for YuNet the overlap of OpenCV, whose score of 0.9 misses blurred faces.
YUNET = Kind("YuNet", 0.6, 0.3, yunet.prepare, yunet.decode)
SCRFD = Kind("SCRFD", 0.5, 0.4, scrfd.prepare, lambda outputs, *rest: scrfd.decode([*outputs.values()], *rest))


def kind_of(graph: Graph) -> Kind:
    """Recognise a detector.

    Raises
    ------
    UnsupportedModelError
        If the graph's input and outputs are those of no detector that refnet reads; the message lists them.
    """
    inputs = graph.inputs
    if len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].shape[1] in (3, None):
        names = [tensor.name for tensor in graph.outputs]
        if set(names) == yunet.OUTPUTS:
            return _checked(graph, YUNET, {name: _rows(int(name.rpartition("_")[2]), 1) for name in names})
        if len(names) == len(scrfd.WIDTHS) and _lasts(graph) == scrfd.WIDTHS:
            rows = [_rows(stride, scrfd.ANCHORS) for stride in scrfd.STRIDES] * 3
            return _checked(graph, SCRFD, dict(zip(names, rows, strict=True)))
    raise UnsupportedModelError(
        f"{graph.source.path or graph.name} is no face detector that refnet reads: it takes {_told(inputs)} and gives "
        f"{_told(graph.outputs)}; expected YuNet (cls_8 ... kps_32) or SCRFD with landmarks (nine outputs)"
    )


def at_size(graph: Graph, height: int, width: int) -> Graph:
    """The same detector, for images of one size."""
    image = dataclasses.replace(graph.inputs[0], shape=(1, 3, height, width))
    free = tuple(dataclasses.replace(tensor, shape=(None,) * len(tensor.shape)) for tensor in graph.outputs)
    return dataclasses.replace(graph, inputs=(image,), outputs=free)


_PROBE = 2 * STRIDE  # pixels; small, and no file's own size


def _rows(stride: int, anchors: int) -> int:
    """Candidates of a map, of the probe."""
    return (_PROBE // stride) ** 2 * anchors


def _shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The shapes of the outputs for an image of the probe's size."""
    known = infer(at_size(graph, _PROBE, _PROBE), {graph.inputs[0].name: (1, 3, _PROBE, _PROBE)})
    return {tensor.name: tuple(known[tensor.name].shape) for tensor in graph.outputs}


def _lasts(graph: Graph) -> tuple[int, ...]:
    """The last extent of every output."""
    return tuple(shape[-1] if shape else 0 for shape in _shapes(graph).values())


def _checked(graph: Graph, kind: Kind, rows: dict[str, int]) -> Kind:
    """The kind, if every output has a row for every candidate of an image of another size than the file's."""
    for name, shape in _shapes(graph).items():
        if len(shape) < 2 or shape[-2] != rows[name] or any(extent != 1 for extent in shape[:-2]):
            raise UnsupportedModelError(
                f"{graph.source.path or graph.name}: output {name} of this {kind.name} has shape {shape} for an image of "
                f"{_PROBE} x {_PROBE} pixels; expected {rows[name]} rows. A detector must take images of any size"
            )
    return kind


def _told(tensors: tuple[Tensor, ...]) -> str:
    """Names and shapes, for a message."""
    return ", ".join(
        f"{tensor.name} ({', '.join('any' if extent is None else str(extent) for extent in tensor.shape)})"
        for tensor in tensors
    )
