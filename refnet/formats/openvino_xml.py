"""The .xml of an OpenVINO model as layers, ports and edges; what it says, not yet what it means.

Source: OpenVINO's documentation of its intermediate representation, versions 10 and 11. The text is untrusted: a
document type, and with it every entity, is refused, and so is what nests deeper than a model does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.statements import WEIGHTS_SHA256

VERSIONS = (10, 11)
LARGEST_BYTES = 1 << 26  # 64 MiB; ResNet100 has 0.4 MB
PRECISIONS = {  # of <data>, and of a port
    "f32": "FP32", "f16": "FP16", "f64": "FP64", "i64": "I64", "i32": "I32", "boolean": "BOOL",
}  # fmt: skip
_DEEPEST = 64

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Port:
    """One input or output of a layer; `names` are those of the tensor, most often one or none."""

    number: int
    precision: str
    shape: Shape
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """One <layer>; `said` are the attributes of its <data>."""

    number: int
    name: str
    type: str
    version: str
    said: Mapping[str, str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __str__(self) -> str:
        return f"layer {self.name!r} ({self.type})"


@dataclass(frozen=True)
class Net:
    """A whole file.

    `wires` are {(layer, input port): (layer, output port)}, `about` is its <rt_info> or <meta_data>; `weights_sha256` is the
    digest of the .bin, where refnet wrote the file.
    """

    name: str
    version: int
    layers: tuple[Layer, ...]
    wires: Mapping[tuple[int, int], tuple[int, int]]
    about: Element = field(default_factory=lambda: Element("rt_info"))
    weights_sha256: str = ""


def parse(text: bytes) -> Net:
    """Take a file's text apart.

    Raises
    ------
    ModelError
        If it is no well-formed XML, has a document type, or its layers, ports and edges are not such as the format has.
    UnsupportedModelError
        If it is of another version than 10 and 11.
    """
    root = _elements(text)
    if root.tag != "net":
        raise ModelError(f"the file is XML, but no OpenVINO model: it begins with <{root.tag}>, not <net>")
    version = _number(root.get("version"), "the version")
    if version not in VERSIONS:
        raise UnsupportedModelError(
            f"the file has IR version {version}; refnet reads 10 and 11. Convert the model again with a newer OpenVINO"
        )
    layers = tuple(_layer(element) for element in _members(root, "layers"))
    by_number = {layer.number: layer for layer in layers}
    if len(by_number) < len(layers):
        twice = next(layer for layer in layers if by_number[layer.number] is not layer)
        raise ModelError(f"{twice} and {by_number[twice.number]} both have id {twice.number}; expected one each")
    about = root.find("rt_info")
    if about is None:
        about = root.find("meta_data")
    return Net(
        _printable(root.get("name", ""), "the name of the net"),
        version,
        layers,
        _wires(_members(root, "edges"), by_number),
        Element("rt_info") if about is None else about,
        root.get(WEIGHTS_SHA256, ""),
    )


def whole_numbers(text: str, what: str) -> tuple[int, ...]:
    """Numbers separated by commas, such as "1, 3, 112, 112"; none for an empty text."""
    return tuple(_number(part.strip(), what) for part in text.split(",")) if text.strip() else ()


def extents(text: str, what: str) -> Shape:
    """A shape in which ?, -1 and ranges such as 1..8 stand for a free extent."""
    free = ("?", "-1")
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return tuple(None if part in free or ".." in part else _number(part, what) for part in parts)


def _elements(text: bytes) -> Element:
    """The document's root; refuses what could make the parser read files or fill the memory."""
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise ModelError(f"the file nests elements {depth} deep; no OpenVINO model does")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise ModelError("the file has a DOCTYPE, which no OpenVINO model has; refnet does not read it")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "unreadable")
        raise ModelError(f"the file is no well-formed XML: {reason}, line {error.lineno}; copy it again") from error
    except (LookupError, ValueError) as error:
        raise ModelError("the file is XML in an encoding that does not exist; expected UTF-8") from error
    return builder.close()


def _members(root: Element, name: str) -> Iterator[Element]:
    """The children of the one element of this name."""
    found = root.findall(name)
    if len(found) != 1:
        raise ModelError(f"the file has {len(found)} <{name}>; expected one")
    return iter(found[0])


def _layer(element: Element) -> Layer:
    """One <layer>; what it says of a constant or an input must be what its port says."""
    name = _printable(element.get("name", ""), "the name of a layer")
    kind = _printable(element.get("type", ""), f"the type of layer {name!r}")
    what = f"layer {name!r} ({kind})"
    if element.tag != "layer" or not name or not kind:
        raise ModelError(f"among the layers is a <{element.tag}> with name {name!r} and type {kind!r}; expected both")
    data = element.find("data")
    said = {} if data is None else {key: _printable(value, f"{what}: {key}") for key, value in data.attrib.items()}
    layer = Layer(
        _number(element.get("id"), f"{what}: id"),
        name,
        kind,
        _printable(element.get("version", ""), f"{what}: version"),
        said,
        *(tuple(_port(port, what) for port in _all(element.find(side))) for side in ("input", "output")),
    )
    if kind in ("Const", "Parameter"):
        shape, element_type = extents(said.get("shape", ""), f"{what}: shape"), said.get("element_type", "")
        for port in layer.outputs:
            _refuse_unless_same(layer, port, PRECISIONS.get(element_type, port.precision), shape, "<data> says")
    return layer


def _all(element: Element | None) -> list[Element]:
    """The ports of one side."""
    return [] if element is None else element.findall("port")


def _port(element: Element, what: str) -> Port:
    """One <port>."""
    number = _number(element.get("id"), f"{what}: the id of a port")
    dims = [(dim.text or "").strip() for dim in element.findall("dim")]
    names = _printable(element.get("names", ""), f"{what}: the names of port {number}")
    return Port(
        number,
        _printable(element.get("precision", ""), f"{what}: the precision of port {number}"),
        extents(",".join(dims), f"{what}: an extent of port {number}"),
        tuple(re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:\\.|[^,\\])+", names)),
    )


def _refuse_unless_same(layer: Layer, port: Port, precision: str, shape: Shape, who: str) -> None:
    """Refuse a port of another precision or shape than someone else says; old files leave precisions out."""
    fits = len(shape) == len(port.shape) and all(
        one == other or None in (one, other) for one, other in zip(shape, port.shape, strict=True)
    )
    if not fits or (port.precision and precision and port.precision != precision):
        raise ModelError(f"{layer}: its port {port.number} is {port.precision} {port.shape}; {who} {precision} {shape}")


def _wires(edges: Iterator[Element], layers: Mapping[int, Layer]) -> dict[tuple[int, int], tuple[int, int]]:
    """Which output every input is fed from; both must exist, and every input must be fed once."""
    wires: dict[tuple[int, int], tuple[int, int]] = {}
    for edge in edges:
        ends = [
            _number(edge.get(key), f"an edge's {key}") for key in ("from-layer", "from-port", "to-layer", "to-port")
        ]
        for layer, port, side in ((ends[0], ends[1], "outputs"), (ends[2], ends[3], "inputs")):
            if layer not in layers:
                raise ModelError(f"an edge leads to or from layer {layer}, which does not exist")
            if port not in {there.number for there in getattr(layers[layer], side)}:
                raise ModelError(f"{layers[layer]}: an edge uses port {port}, which is none of its {side}")
        if wires.setdefault((ends[2], ends[3]), (ends[0], ends[1])) != (ends[0], ends[1]):
            raise ModelError(f"{layers[ends[2]]}: two edges lead to its port {ends[3]}; expected one")
    for reader in layers.values():
        numbers = [there.number for there in (*reader.inputs, *reader.outputs)]
        if len(set(numbers)) < len(numbers):
            raise ModelError(f"{reader}: its ports are numbered {numbers}; expected a number of its own for each")
        for number in numbers[: len(reader.inputs)]:
            if (reader.number, number) not in wires:
                raise ModelError(f"{reader}: no edge leads to its port {number}")
    feeding = {(layer.number, port.number): (layer, port) for layer in layers.values() for port in layer.outputs}
    for reader in layers.values():
        for fed in reader.inputs:
            source, feed = feeding[wires[reader.number, fed.number]]
            _refuse_unless_same(reader, fed, feed.precision, feed.shape, f"{source} feeds it")
    return wires


def _number(text: str | None, what: str) -> int:
    """A whole number."""
    if text is None or not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ModelError(f"{what} is {text!r}; expected a whole number")
    return int(text)


def _printable(text: str, what: str) -> str:
    """Text that can be shown."""
    if not text.isprintable():
        raise ModelError(f"{what} is {text!r}; expected printable text")
    return text
