"""Options that several commands share, said once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet import zoo
from refnet.bulk.photographs import Photographs
from refnet.cli.console import say
from refnet.faces.detect import DEFAULT_DETECTOR, LIMIT
from refnet.faces.pipeline import MIN_EYES_PX, Policy
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


@Parameter(name="*")
@dataclass(frozen=True)
class PhotographOptions:
    """How photographs are taken; without one of these, images are aligned crops of exactly the network's size."""

    faces: Annotated[
        Policy | None,
        Parameter(name="--faces", help="Images are photographs, and these of their faces count: largest, all, or single (several are refused)."),
    ] = None  # fmt: skip
    landmarks: Annotated[
        Path | None,
        Parameter(name="--landmarks", help="Images are photographs, and FILE.json or FILE.csv has the landmarks of their faces."),
    ] = None  # fmt: skip
    detector: Annotated[
        str, Parameter(name="--detector", help="What finds faces: file of YuNet or SCRFD, or a card's name.")
    ] = DEFAULT_DETECTOR
    min_eyes: Annotated[
        float, Parameter(name="--min-eyes", help="Pixels between the eyes below which a face is too small.")
    ] = MIN_EYES_PX
    limit: Annotated[
        int,
        Parameter(name="--limit", help="Pixels of the longer side to which a photograph is scaled for the detector."),
    ] = LIMIT

    @property
    def how(self) -> Photographs | None:
        """Photographs, or None for aligned crops."""
        if self.faces is None and self.landmarks is None:
            return None
        return Photographs(self.faces or "largest", self.detector, self.landmarks, self.min_eyes, self.limit)


ALIGNED = PhotographOptions()


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
