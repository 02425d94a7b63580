"""A model file to another: format, order of channels, precision, opset; and where it came from, written into it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from refnet import watermark
from refnet.channels import reversed_input
from refnet.contract import CHANNELS, Order, input_contract
from refnet.conversion.modern import modernised
from refnet.conversion.original import as_original
from refnet.errors import UnsupportedModelError, UsageError
from refnet.files import sha256
from refnet.formats.onnx_writer import write_model
from refnet.formats.openvino_writer import Precision, write_openvino
from refnet.formats.reading import read_model
from refnet.formats.statements import CONVERTED_BY, CONVERTED_FROM, CONVERTED_FROM_SHA256
from refnet.graph import Graph
from refnet.version import __version__

SCHEMA_VERSION = 1
DEFAULT_OPSET = 17

Format = Literal["onnx", "openvino"]


@dataclass(frozen=True)
class Conversion:
    """What `convert` did."""

    source: str
    source_sha256: str
    files: tuple[str, ...]
    size_bytes: int
    sha256: str
    format: str
    channels: str
    channels_said: bool
    synthetic: str | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def convert(
    source: Path,
    output: Path,
    *,
    to: Format | None = None,
    channels: Order | None = None,
    precision: Precision | None = None,
    opset: int | None = None,
    like_original: bool = False,
    spatial: Literal[0, 1] | None = None,
) -> Conversion:
    """Write a model in another form.

    Parameters
    ----------
    source : Path
        An ONNX file, or the .xml of an OpenVINO model.
    output : Path
        .onnx or .xml; with an .xml goes a .bin. Replaced if it exists.
    to : "onnx" or "openvino", optional
        What the output's name says.
    channels : "RGB" or "BGR", optional
        The order the written model takes; as the source's. Reversing goes into the weights of the first convolution.
    precision : "fp32" or "fp16", optional
        Of an OpenVINO model's weights; fp32.
    opset : int, optional
        Of a modern ONNX file, 17 or newer.
    like_original : bool
        Write the form of `arcfaceresnet100-8.onnx`; the model must be an LResNet100E-IR.
    spatial : 0 or 1, optional
        What every BatchNormalization of that form says: 0 as in the file of 2020, 1 (the default) as in that of 2022.

    Raises
    ------
    UsageError
        If options do not go together, the output would replace its source, or it cannot be written.
    ModelError, UnsupportedModelError
        If the source cannot be read, or cannot be said in the form that is asked for.
    """
    form = _form(output, to)
    _refuse_unless_together(form, precision, opset, spatial, like_original=like_original)
    graph = read_model(source)
    files = (output,) if form == "onnx" else (output, output.with_suffix(".bin"))
    _refuse_replacing((source, *graph.source.beside), files)
    contract = input_contract(graph)
    order, said = channels or contract.channels, channels is not None or contract.channels_said
    digest, synthetic = sha256(source, *graph.source.beside), watermark.read(graph)
    assumed = channels is not None and not contract.channels_said
    notes = [f"the source does not say its order of channels; it is taken to be {contract.channels}"] if assumed else []
    try:
        if order != contract.channels:
            graph = reversed_input(graph)
        statements: dict[str, str] = {CHANNELS: order} if said else {}
        if synthetic:
            statements[watermark.STATEMENT] = synthetic
        statements[CONVERTED_FROM], statements[CONVERTED_FROM_SHA256] = _printable(source.name), digest
        statements[CONVERTED_BY] = f"refnet {__version__}"
        notes += _write(graph, output, form, statements, precision, opset, spatial, like_original=like_original)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{source}: {error}") from error
    return Conversion(
        source=str(source),
        source_sha256=digest,
        files=tuple(map(str, files)),
        size_bytes=sum(file.stat().st_size for file in files),
        sha256=sha256(*files),
        format="OpenVINO IR 11, " + (precision or "fp32")
        if form == "openvino"
        else "ONNX opset 8, the form of arcfaceresnet100-8.onnx"
        if like_original
        else f"ONNX opset {opset or DEFAULT_OPSET}",
        channels=order,
        channels_said=said,
        synthetic=synthetic,
        notes=tuple(notes),
    )


def _write(
    graph: Graph,
    output: Path,
    form: Format,
    statements: dict[str, str],
    precision: Precision | None,
    opset: int | None,
    spatial: Literal[0, 1] | None,
    *,
    like_original: bool,
) -> Iterator[str]:
    """Write the file or files; sentences about what was changed."""
    if form == "openvino":
        write_openvino(graph, output, precision=precision or "fp32", statements=statements)
    elif like_original:
        original, notes = as_original(graph)
        yield from notes
        # The original says nothing of itself. Only what would be wrong to leave out is added to its bytes.
        kept = {CHANNELS: "BGR"} if statements.get(CHANNELS) == "BGR" else {}
        write_model(original, output, like="mxnet", spatial=1 if spatial is None else spatial, statements=kept)
        yield "this form has no room to say where it came from" + (", only that it takes BGR" if kept else "")
    else:
        modern, notes = modernised(graph)
        yield from notes
        write_model(modern, output, like="modern", opset=opset or DEFAULT_OPSET, statements=statements)


def _form(output: Path, to: Format | None) -> Format:
    """The format to write, which the output's name must agree with."""
    endings: dict[str, Format] = {".onnx": "onnx", ".xml": "openvino"}
    said = endings.get(output.suffix.lower())
    if said is None or to not in (None, said):
        wanted = [ending for ending, form in endings.items() if to in (None, form)]
        raise UsageError(f"the output is {output}; expected a name that ends in {' or '.join(wanted)}")
    return said


def _refuse_unless_together(
    form: Format,
    precision: Precision | None,
    opset: int | None,
    spatial: Literal[0, 1] | None,
    *,
    like_original: bool,
) -> None:
    """Refuse options that mean nothing for what is to be written."""
    if form == "openvino" and (opset is not None or like_original):
        option = "--like-original" if like_original else "--opset"
        raise UsageError(f"{option} is about ONNX files; an OpenVINO model is to be written")
    if form == "onnx" and precision is not None:
        raise UsageError(
            "--precision is about OpenVINO models; an ONNX file is to be written, whose weights stay float32"
        )
    if like_original and opset is not None:
        raise UsageError("--opset and --like-original do not go together: the original has opset 8")
    if spatial is not None and not like_original:
        raise UsageError("--spatial is about the form of the original; it goes with --like-original")


def _refuse_replacing(sources: tuple[Path, ...], files: tuple[Path, ...]) -> None:
    """Refuse to write over what is read."""
    for file in files:
        for source in sources:
            if file.exists() and file.samefile(source):
                raise UsageError(f"{file} is read for this conversion and would be replaced by it; give another output")


def _printable(name: str) -> str:
    """A file's name as it can be shown."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
