"""Options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import say
from refnet.network import Network, load

ModelOption = Annotated[
    str | None,
    Parameter(name=["--model", "-m"], help="Model file, or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8."),
]  # fmt: skip
JsonFlag = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]
OutputOption = Annotated[Path, Parameter(name=["--output", "-o"], help="File to write.")]


def open_model(model: str | None) -> Network:
    """Load the model that MODEL means; say so where its weights are synthetic."""
    network = load(zoo.resolve(model))
    if network.synthetic:
        say(network.synthetic)
    return network
