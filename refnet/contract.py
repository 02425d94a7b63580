"""What a network wants as input: shape, range of values, and where the scaling of pixels is done.

MXNet exports of ArcFace scale inside the graph, ``(x - 127.5) * 0.0078125``, and take pixels 0..255; PyTorch exports
want the caller to do it. Mixing the two up is the commonest mistake made with these files. Here the answer is read off
the first operators and their constants, never off the names of nodes, which optimisers change. Only constants that can be a
scaling of pixels count: they bring 0..255 to a few units about 0, or subtract a grey level. A network for -1..1 that begins with
(x + 1) / 2 scales, but no pixels.

Most files do not say whether they want RGB or BGR; every ArcFace release was trained on RGB. Files that refnet has
converted say it (``refnet.channels``), and so do those of OpenVINO's Model Optimizer (``reverse_input_channels``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from refnet.errors import ModelError
from refnet.graph import Array, Graph, Node

PIXEL_MEAN = 127.5
CHANNELS = "refnet.channels"  # what a file calls its statement of the order
Order = Literal["RGB", "BGR"]
FEW_UNITS = (0.25, 8.0)  # what scaled pixels span: 1 for 0..1, 2 for -1..1, 4 to 5 for (x - mean) / deviation
GREYS = (96.0, 144.0)  # what is subtracted from pixels alone: 127.5, 128, or a mean such as 104, 117, 131
PIXEL_SCALE_OUTSIDE = 1 / 127.5  # what arcface_torch's exports expect of the caller


@dataclass(frozen=True)
class InputContract:
    """One image input.

    Attributes
    ----------
    name : str
    shape : (channels, height, width); None where the file leaves an extent free.
    inside : bool
        Whether the graph scales pixels itself.
    mean, scale : float
        The network's first convolution sees ``(pixel - mean) * scale``.
    evidence : str
        The sentence that says how this is known.
    channels : "RGB" or "BGR"
    channels_said : bool
        Whether the file says so; otherwise RGB is assumed.
    """

    name: str
    shape: tuple[int | None, int | None, int | None]
    inside: bool
    mean: float
    scale: float
    evidence: str
    channels: Order = "RGB"
    channels_said: bool = False

    @property
    def values(self) -> str:
        """The range of values the graph's input takes."""
        if self.inside:
            return "0..255"
        low, high = (-self.mean * self.scale, (255 - self.mean) * self.scale)
        return f"{low:g}..{high:g}"

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width of the crops it takes; a `ModelError` where the file leaves them open."""
        _, height, width = self.shape
        if height is None or width is None:
            raise ModelError(f"the model leaves the size of {self.name} open; expected a fixed height and width")
        return height, width

    def sentence(self) -> str:
        """The contract in words, and how each part of it is known."""
        assumed = "" if self.inside else " if it is an ArcFace export"
        order = (
            f"Channels are {self.channels}: the file says so"
            if self.channels_said
            else "Channel order is not in the file; ArcFace releases take RGB"
        )
        return f"values {self.values}{assumed}: {self.evidence}. {order}"

    def prepare(self, pixels: Array) -> Array:
        """Bring RGB pixels 0..255 to what the graph's input takes: (N, 3, H, W) float32, a copy only where needed."""
        x = self.in_order(np.asarray(pixels, dtype=np.float32))
        return x if self.inside else (x - np.float32(self.mean)) * np.float32(self.scale)

    def in_order(self, images: Array) -> Array:
        """RGB images (N, 3, H, W) in the order of the input's channels, or such images as RGB; a view."""
        return images[:, ::-1] if self.channels == "BGR" else images


def input_contract(graph: Graph) -> InputContract:
    """Read the contract of a graph with one image input; refuses any other."""
    contract, said = _range(graph), graph.source.metadata.get(CHANNELS)
    if said is None:
        return contract
    if said not in ("RGB", "BGR"):
        raise ModelError(f"the file says {CHANNELS} = {said!r}; expected RGB or BGR")
    if contract.shape[0] != 3:
        raise ModelError(
            f"the file says {CHANNELS} = {said}, of an input with {contract.shape[0]} channels; expected 3"
        )
    return replace(contract, channels="BGR" if said == "BGR" else "RGB", channels_said=True)


def _range(graph: Graph) -> InputContract:
    """The contract but for the order of channels."""
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        declared = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in graph.inputs)
        raise ModelError(f"the model takes {declared or 'no input'}; expected one input of images (N, 3, H, W)")
    declared_input = graph.inputs[0]
    _, channels, height, width = declared_input.shape
    shape = (channels, height, width)
    found = _scaling(graph, declared_input.name)
    expected = "ArcFace exports of this kind expect (pixel - 127.5) / 127.5 from the caller"
    said = f"the graph does not scale its input; {expected}"
    if found is not None:
        mean, scale, names, of_pixels = found
        how = f"(x - {mean:g}) * {scale:g}, in {' and '.join(names)}"
        if of_pixels:
            return InputContract(
                declared_input.name, shape, True, mean, scale, f"the graph scales pixels itself, {how}"
            )
        said = f"the graph scales its input, but not from pixels 0..255, {how}; {expected}"
    return InputContract(declared_input.name, shape, False, PIXEL_MEAN, PIXEL_SCALE_OUTSIDE, said)


def _is_of_pixels(mean: float, scale: float) -> bool:
    """Whether (x - mean) * scale can be meant for pixels 0..255: they become a few units about 0, or lose a grey level."""
    least, most = FEW_UNITS
    ends = (-mean * scale, (255 - mean) * scale)
    return (least <= abs(255 * scale) <= most and max(map(abs, ends)) <= most) or (
        scale == 1 and GREYS[0] <= mean <= GREYS[1]
    )


def _scaling(graph: Graph, name: str) -> tuple[float, float, list[str], bool] | None:
    """Follow scalar arithmetic from the input: x -> (x - mean) * scale, in which nodes, and whether of pixels.

    It is of pixels if what was done so far is after any of the nodes: a graph may scale them twice. None if there is none.
    """
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    gain, offset, names, of_pixels = 1.0, 0.0, [], False
    while len(readers.get(name, ())) == 1:
        node = readers[name][0]
        if node.op == "Identity":
            name = node.output
            continue
        scalar = _scalar(graph.constants, node)
        if scalar is None or node.inputs[0] != name or (scalar == 0 and node.op in ("Mul", "Div")):
            break
        if node.op in ("Sub", "Add"):
            offset += -scalar if node.op == "Sub" else scalar
        else:
            factor = 1 / scalar if node.op == "Div" else scalar
            gain, offset = gain * factor, offset * factor
        names.append(node.name)
        of_pixels = of_pixels or _is_of_pixels(-offset / gain, gain)
        name = node.output
    return (-offset / gain, gain, names, of_pixels) if names else None


def _scalar(constants: Mapping[str, Array], node: Node) -> float | None:
    """The constant second operand of elementwise arithmetic, if it is one number."""
    if node.op not in ("Sub", "Add", "Mul", "Div") or node.inputs[1] not in constants:
        return None
    value = constants[node.inputs[1]]
    return float(value.reshape(-1)[0]) if value.size == 1 else None
