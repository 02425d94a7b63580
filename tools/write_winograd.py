"""Write the measured parts of docs/numerics.md: the bound of Winograd's convolution, and how near networks come to it.

    python tools/write_winograd.py --faces SET.bin --photograph PHOTO.jpg [--model MODEL] [--detector MODEL] [BLOCK ...]

SET.bin is a verification set of InsightFace's form, of which two faces are taken; the photograph is for the detectors.
MODEL is the full-size network; without one, the synthetic model is made in a temporary folder. Of each convolution 16
filters are looked at: what matters are the numbers they read. BLOCK is bound or networks; without any, both. Two minutes.
"""

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pages import replace_block

from refnet import fast
from refnet.audit.winograd_error import DEVIATIONS, U, expected_units, gamma, uses_winograd, winograd_bound
from refnet.evaluation.pairs import crops, read_pairs
from refnet.faces.detect.detector import LIMIT
from refnet.faces.detect.kinds import at_size
from refnet.faces.detect.shown import shown
from refnet.faces.image import open_picture
from refnet.graph import Array, Graph, Node, Tensor
from refnet.network import Network, load
from refnet.ops.conv import conv
from refnet.zoo.make import make_model

PAGE = Path(__file__).parents[1] / "docs" / "numerics.md"
FACES, FILTERS = 2, 16


def main() -> None:
    """Replace both blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--photograph", type=Path, required=True)
    parser.add_argument("--detector", type=Path, action="append", default=[])
    parser.add_argument("blocks", nargs="*", metavar="BLOCK")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or Path(folder) / "arcfaceresnet100-8.onnx"
        for name, lines in {"bound": _bound(), "networks": _networks(model, given)}.items():
            if name in (given.blocks or ("bound", "networks")):
                content = "\n".join(lines)
                PAGE.write_text(replace_block(PAGE.read_text(), name, content, PAGE.name))


def _bound() -> Iterator[str]:
    """Every third pixel larger, filters of one tap: the errors of the kernel beside what bounds them."""
    yield "| channels | every third pixel is larger | largest error, in units | least bound, in errors | largest error, in standard deviations |"
    yield "|---|---|---|---|---|"
    for channels in (16, 256):
        rng = np.random.default_rng(0)
        weight = np.zeros((channels, channels, 3, 3), np.float32)
        weight[:, :, 1, 1] = rng.standard_normal((channels, channels)) / channels**0.5
        for factor in (1, 1e2, 1e4, 1e6):
            x = rng.standard_normal((1, channels, 14, 14)).astype(np.float32)
            x[:, :, ::3, ::3] *= factor
            seen = _seen("layer", x, weight)
            cells = (
                f"{channels} | {factor:,.0f} times | {seen.error:,.0f} | {seen.over_error:.0f} | {seen.deviations:.1f}"
            )
            yield f"| {cells} |"


def _networks(model: Path, given: argparse.Namespace) -> Iterator[str]:
    """A row for each shape of convolution of each network."""
    yield "| network | layers | expected error, in units: median, 99 %, largest | in | bound, in bounds of a plain sum: median, largest | error measured, in units, largest |"
    yield "|---|---|---|---|---|---|"
    if given.model is None:
        make_model(model)
    network = load(model)
    height, width = network.contract.crop_size
    faces = next(iter(crops(read_pairs(given.faces), height, width, FACES)))
    said = f"LResNet100E-IR, {'synthetic weights' if network.synthetic else model.name}, {FACES} faces of LFW"
    yield from _rows(said, network, network.contract.prepare(faces))
    pixels, _ = shown(open_picture(str(given.photograph)).pixels, LIMIT)
    image = np.zeros((1, 3, LIMIT, LIMIT), np.uint8)
    image[0, :, : pixels.shape[0], : pixels.shape[1]] = pixels.transpose(2, 0, 1)
    for path in given.detector:
        detector = Network(at_size(load(path).graph, LIMIT, LIMIT))
        yield from _rows(f"{path.stem}, trained, a photograph", detector, detector.contract.prepare(image))


def _rows(title: str, network: Network, images: Array) -> Iterator[str]:
    """What is seen in the layers of one network, together where they have the same shape."""
    found: dict[str, list[_Seen]] = defaultdict(list)
    for node, x in _read(network, images):
        weight = np.asarray(network.graph.constants[node.inputs[1]])
        oc, ic = weight.shape[:2]
        weight = weight[:: -(-oc // FILTERS)]
        found[f"{ic} to {oc}, {x.shape[2]} x {x.shape[3]}"].append(_seen(node.name, x.astype(np.float32), weight))
    for shape, layers in found.items():
        worst = max(layers, key=lambda seen: seen.expected[2])
        median, most = np.median([seen.expected[0] for seen in layers]), max(seen.expected[1] for seen in layers)
        ratio, largest = np.median([seen.ratio[0] for seen in layers]), max(seen.ratio[1] for seen in layers)
        measured = max(seen.error for seen in layers)
        yield (
            f"| {title} | {len(layers)} of {shape} | {median:.0f}, {most:.0f}, {worst.expected[2]:.0f} | `{worst.name}` | "
            f"{ratio:.0f}, {largest:,.0f} | {measured:.1f} |"
        )
        title = ""


def _read(network: Network, images: Array) -> Iterator[tuple[Node, Array]]:
    """The convolutions that are Winograd's, with what they read."""
    graph = network.graph
    nodes = [node for node in graph.nodes if node.op == "Conv" and node.inputs[1] in graph.constants]
    nodes = [node for node in nodes if uses_winograd(node, graph.constants[node.inputs[1]])]
    readers = Counter(node.inputs[0] for node in nodes)
    for name, tensor in network.stream(images, tuple(readers)):
        for node in nodes:
            if node.inputs[0] == name:
                yield node, tensor


@dataclass(frozen=True)
class _Seen:
    """One convolution of some images.

    Attributes
    ----------
    expected : (median, 99 %, largest) of `expected_units`.
    ratio : (median, largest) of the bound in bounds of a plain sum, where that is not zero.
    error : the largest of the kernel's, in u (|w| * |x|), where that is above its median.
    over_error : the bound at the output that comes nearest to it, in errors.
    deviations : the largest error in standard deviations.
    """

    name: str
    expected: tuple[float, float, float]
    ratio: tuple[float, float]
    error: float
    over_error: float
    deviations: float


def _seen(name: str, x: Array, weight: Array) -> _Seen:
    """Compute one convolution by the kernel and in float64."""
    around = (1, 1, 1, 1)
    exact = conv(x.astype(float), weight.astype(float), padding=around)
    size = conv(abs(x).astype(float), abs(weight).astype(float), padding=around)
    node = Node("conv", "Conv", ("x", "w"), "y", {"stride": (1, 1), "padding": around, "dilation": (1, 1), "groups": 1})
    tensors = [(Tensor(it, "float32", (None, *array.shape[1:])),) for it, array in (("x", x), ("y", exact))]
    kernel = fast.compile(Graph(name, *tensors, (node,), {"w": weight}), memory="low")
    error = abs(kernel.run({"x": x})["y"] - exact)
    expected, bound = expected_units(x, weight), winograd_bound(x, weight)
    unit = np.maximum(size, np.median(size))
    deviation = expected / DEVIATIONS * unit
    there = size > 0
    ratios = bound[there] / (gamma(9 * weight.shape[1]) * size[there])
    return _Seen(
        name,
        tuple(float(q) for q in np.quantile(expected, (0.5, 0.99, 1))),  # type: ignore[arg-type]
        (float(np.median(ratios)), float(ratios.max())),
        float((error / (U * unit)).max()),
        float((bound[error > 0] / error[error > 0]).min()),
        float((error[deviation > 0] / (U * deviation[deviation > 0])).max()),
    )


if __name__ == "__main__":
    main()
