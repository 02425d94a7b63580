"""Options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import say
from refnet.network import EngineName, Memory, Network, load

ModelOption = Annotated[
    str | None,
    Parameter(name=["--model", "-m"], help="Model file, or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8."),
]  # fmt: skip
EngineOption = Annotated[
    EngineName,
    Parameter(name="--engine", help="fast (float32, compiled) or reference (float64, the specification)."),
]
ThreadsOption = Annotated[
    int | None,
    Parameter(name="--threads", help="Threads of the fast engine; changes no bit. Default: one a usable core."),
]
MemoryOption = Annotated[
    Memory,
    Parameter(name="--memory", help="low: the fast engine takes less memory and more time; changes no bit."),
]
JsonFlag = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]
OutputOption = Annotated[Path, Parameter(name=["--output", "-o"], help="File to write.")]


def open_model(
    model: str | None, engine: EngineName = "fast", threads: int | None = None, memory: Memory = "default"
) -> Network:
    """Load the model that MODEL means; say so where its weights are synthetic."""
    network = load(zoo.resolve(model), engine=engine, threads=threads, memory=memory)
    if network.synthetic:
        say(network.synthetic)
    return network
