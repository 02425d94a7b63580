"""`refnet convert`: a model in another format, order of channels, precision or opset."""

from typing import Annotated, Literal

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import out, print_json, say
from refnet.cli.options import JsonFlag, OutputOption
from refnet.contract import Order
from refnet.conversion.convert import Format
from refnet.conversion.convert import convert as convert_model
from refnet.formats.openvino_writer import Precision

_ORDERS: dict[str, Order] = {"rgb": "RGB", "bgr": "BGR"}


def convert(
    model: str | None = None,
    /,
    *,
    output: OutputOption,
    to: Format | None = None,
    channels: Literal["rgb", "bgr"] | None = None,
    precision: Precision | None = None,
    opset: int | None = None,
    like_original: Annotated[bool, Parameter(negative="")] = False,
    spatial: Literal[0, 1] | None = None,
    json: JsonFlag = False,
) -> None:
    """Write a model in another form. What was changed, and what was lost, is said.

    Parameters
    ----------
    model
        Model file (.onnx, or .xml with its .bin) or a card's name. Default: $REFNET_MODEL, else the cached
        arcfaceresnet100-8.
    output
        FILE.onnx, or FILE.xml, beside which FILE.bin is written.
    to
        onnx or openvino. Default: what the output's name says.
    channels
        rgb or bgr: what the written model takes; reversing goes into the first convolution's weights. Default: as
        the model does.
    precision
        fp32 or fp16: of an OpenVINO model's weights. Default: fp32.
    opset
        Of an ONNX file, 17 or newer. Default: 17.
    like_original
        Write the form of arcfaceresnet100-8.onnx, to the byte; for an LResNet100E-IR.
    spatial
        What BatchNormalization says in that form: 0 as in the file of 2020, 1 as in that of 2022. Default: 1.
    """
    done = convert_model(
        zoo.resolve(model),
        output,
        to=to,
        channels=None if channels is None else _ORDERS[channels],
        precision=precision,
        opset=opset,
        like_original=like_original,
        spatial=spatial,
    )
    if done.synthetic:
        say(done.synthetic)
    order = f"takes {done.channels}" if done.channels_said else f"takes {done.channels} if it is an ArcFace release"
    say(f"{done.format}; {order}; {done.size_bytes:,} bytes, sha256 {done.sha256}")
    for note in done.notes:
        say(f"  {note}")
    if json:
        print_json(done.to_json())
    else:
        for file in done.files:
            out.print(file)
