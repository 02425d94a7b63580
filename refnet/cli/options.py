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
CacheFlag = Annotated[
    bool,
    Parameter(name="--cache", negative="--no-cache", help="Keep packed weights on disk for the next start."),
]
JsonFlag = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]
OutputOption = Annotated[Path, Parameter(name=["--output", "-o"], help="File to write.")]


def open_model(
    model: str | None,
    engine: EngineName | None = None,
    threads: int | None = None,
    memory: Memory = "default",
    cache: bool = True,
) -> Network:
    """Load the model that MODEL means; say so where its weights are synthetic.

    `engine` is None for a command that runs none.
    """
    network = load(zoo.resolve(model), engine=engine or "fast", threads=threads, memory=memory, cache=cache)
    if engine == "fast":
        announce_compiling()
    if network.synthetic:
        say(network.synthetic)
    return network


def announce_compiling() -> None:
    """Say what the first run on a machine spends its time on."""
    from refnet import fast  # numba takes a third of a second to import

    if fast.nothing_kept():
        say("compiling the fast engine's kernels for this processor; this happens once and takes about 20 seconds")
