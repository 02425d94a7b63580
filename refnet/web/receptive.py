"""Which pixels of the image a number depends on: the receptive field, a rectangle.

Source: Araujo, Norris & Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, equations 2 and
3, followed from the image on instead of back to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from refnet.graph import Graph, Node
from refnet.ops.inference import infer
from refnet.ops.operator import Known
from refnet.ops.window import Pair, Quad

POINTWISE = frozenset(
    ("Add", "BatchNormalization", "Cast", "Clip", "Div", "Dropout", "Identity", "Mul", "Pow", "PRelu", "Relu", "Sigmoid", "Sqrt", "Sub")
)  # fmt: skip
WINDOWED = frozenset(("Conv", "MaxPool", "AveragePool"))


@dataclass(frozen=True)
class Axis:
    """Along one axis the number at place i depends on the pixels from start + i * step, `size` of them."""

    start: int = 0
    step: int = 1
    size: int = 1

    def through(self, kernel: int, stride: int, dilation: int, before: int) -> "Axis":
        """The same behind a window that slides over it."""
        return Axis(
            self.start - before * self.step, self.step * stride, self.size + (kernel - 1) * dilation * self.step
        )

    def with_other(self, other: "Axis") -> "Axis":
        """What either depends on; both have the same step."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return replace(self, start=start, size=end - start)

    def at(self, i: int, extent: int) -> tuple[int, int]:
        """The first pixel and the one behind the last, within an image of that extent."""
        first = self.start + i * self.step
        return max(first, 0), min(first + self.size, extent)


Field = tuple[Axis, Axis]  # down and across


def receptive_fields(graph: Graph, crop: tuple[int, int, int]) -> dict[str, Field]:
    """The receptive field of every tensor that still is a picture.

    A tensor that is absent may depend on the whole image: nothing is claimed of it.

    Parameters
    ----------
    graph : Graph with one input of images
    crop : (channels, height, width) of that input
    """
    name = graph.inputs[0].name
    known = infer(graph, {name: (1, *crop)})
    fields: dict[str, Field | None] = {name: (Axis(), Axis())}  # None: may depend on the whole image
    for node in graph.nodes:
        moving = [source for source in node.inputs if source in fields]
        if moving:
            fields[node.output] = _field(node, [fields[source] for source in moving], known)
    return {tensor: field for tensor, field in fields.items() if field is not None}


def _field(node: Node, fields: Sequence[Field | None], known: Mapping[str, Known]) -> Field | None:
    """The field of what a node makes, from those of the tensors it reads."""
    pictures = [field for field in fields if field is not None]
    if len(pictures) < len(fields) or len(known[node.output].shape) != 4:
        return None
    down, across = pictures[0]
    if node.op in WINDOWED:
        kernel = known[node.inputs[1]].shape[2:] if node.op == "Conv" else cast(Pair, node.attributes["kernel"])
        stride, padding = cast(Pair, node.attributes["stride"]), cast(Quad, node.attributes["padding"])
        dilation = cast(Pair, node.attributes.get("dilation", (1, 1)))
        return (
            down.through(kernel[0], stride[0], dilation[0], padding[0]),
            across.through(kernel[1], stride[1], dilation[1], padding[1]),
        )
    if node.op not in POINTWISE:
        return None
    for other_down, other_across in pictures[1:]:
        if (other_down.step, other_across.step) != (down.step, across.step):
            return None
        down, across = down.with_other(other_down), across.with_other(other_across)
    return down, across
