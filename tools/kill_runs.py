"""Commands killed with SIGKILL at random moments: nothing is half written, nothing is lost, nothing is left behind.

    python tools/kill_runs.py [KILLS] [SEED] [COMMAND...]

Each command runs once undisturbed. Then it is begun again and again in fresh folders, its whole process group is killed
once to three times at moments drawn from the seed, and it is given once more and left alone. After every kill, a file
that bears an output's name has to be whole; after the last run, the folder has to hold what the undisturbed run left, to
the byte, and no other file. Models and images are made here. The processes are forks, so that most of their time is work.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from refnet.bench.machine import machine, sentence
from refnet.cli import main as refnet
from refnet.zoo.make import make_model

IMAGES = 24
SLOWEST_SECONDS = 600
BEFOREHAND = ("numba", "onnx", "onnxruntime", "pyarrow.parquet", "refnet.fast", "refnet.audit.report", "refnet.cli.audit",
              "refnet.cli.convert", "refnet.cli.embed", "refnet.cli.gallery", "refnet.cli.models.make")  # fmt: skip
Files = dict[str, bytes]


@dataclass(frozen=True)
class Command:
    """A command, given in a folder of its own.

    Attributes
    ----------
    arguments : of refnet; outputs are in the folder
    first : arguments of a command that is run before, undisturbed
    status : exit status of an undisturbed run
    settled : makes of a file what has to be the same every time
    """

    arguments: tuple[str, ...]
    first: tuple[str, ...] = ()
    status: int = 0
    settled: Callable[[bytes], bytes] = bytes


def without_circumstances(content: bytes) -> bytes:
    """A report without the time it was made at, and how long it took."""
    report = json.loads(content)
    del report["made"]
    return json.dumps(report).encode()


def commands(inputs: Path) -> dict[str, Command]:
    """What is killed."""
    model, crops = inputs / "m.onnx", str(inputs / "crops")
    embed = ("embed", crops, "-m", str(model), "--batch", "2")
    small = ("--width", "1/16", "--units", "1,1,1,1")
    return {
        "embed npz": Command((*embed, "-o", "e.npz", "--failures", "f.csv"), status=1),
        "embed csv": Command((*embed, "-o", "e.csv"), status=1),
        "embed parquet": Command((*embed, "-o", "e.parquet"), status=1),
        "embed data set": Command((*embed, "-o", "set", "--partition-size", "4"), status=1),
        "gallery build": Command(("gallery", "build", crops, "-m", str(model), "-o", "g.npz"), status=1),
        "gallery add": Command(
            ("gallery", "add", "g.npz", crops, "-m", str(model)),
            ("gallery", "build", str(inputs / "crops" / "000.png"), "-m", str(model), "-o", "g.npz"),
            status=1,
        ),
        "convert": Command(
            ("convert", str(model), "-o", "m.xml", "--precision", "fp16"), ("convert", str(model), "-o", "m.xml")
        ),
        "audit": Command(
            ("audit", str(model), "-o", "a.json", "--float64-images", "1", "--explain", "0"),
            settled=without_circumstances,
        ),
        "models make": Command(("models", "make", "arcfaceresnet100-8", *small, "-o", "made.onnx")),
    }


def make_inputs(folder: Path) -> None:
    """A model, crops of noise, and a file that is none."""
    make_model(folder / "m.onnx", width=Fraction(1, 16), units=(1, 1, 1, 1))
    (folder / "crops").mkdir()
    rng = np.random.default_rng(0)
    for n in range(IMAGES):
        pixels = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "crops" / f"{n:03}.png", compress_level=1)
    (folder / "crops" / "012x.png").write_bytes(b"no image")


def started(arguments: tuple[str, ...], folder: Path) -> int:
    """Begin a command in a process group of its own; its process id."""
    child = os.fork()
    if child:
        os.setpgid(child, child)  # as the child does: whoever is first
        return child
    status = 70
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        status = refnet(arguments)
    finally:
        os._exit(status)


def ended(child: int, seconds: float) -> int | None:
    """The exit status, or None if it takes longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def kill(child: int) -> None:
    """End a process group, and wait for its first process."""
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


def undisturbed(arguments: tuple[str, ...], folder: Path) -> int:
    """Run a command to its end; its exit status."""
    child = started(arguments, folder)
    status = ended(child, SLOWEST_SECONDS)
    if status is None:
        kill(child)
        raise SystemExit(f"refnet {' '.join(arguments)} hangs")
    return status


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder, hidden ones too."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def contents(folder: Path, command: Command) -> Files:
    """The files below a folder, as they have to be the same every time."""
    return {str(path.relative_to(folder)): command.settled(path.read_bytes()) for path in files(folder)}


def half(folder: Path, command: Command, before: Files, after: Files) -> list[str]:
    """The outputs that are neither as they were nor as they shall be, each and all together."""
    seen: Files = {}
    for path in files(folder):
        name = str(path.relative_to(folder))
        if name in before | after:
            try:
                seen[name] = command.settled(path.read_bytes())
            except ValueError:
                return [name]
    wrong = [name for name, content in seen.items() if content not in (before.get(name), after.get(name))]
    whole = before.keys() <= seen.keys() and len(before) > 1
    mixed = whole and {name: seen[name] for name in before} not in (before, {name: after[name] for name in before})
    return wrong + ["a mixture of old and new files"] * mixed


def killed(command: Command, kills: int, chance: random.Random, inputs: Path) -> tuple[int, list[str]]:
    """Kill a command so often; how many rounds that took, and what was found wrong."""
    with tempfile.TemporaryDirectory(dir=inputs) as name:
        folder = Path(name)
        if command.first and undisturbed(command.first, folder):
            raise SystemExit(f"refnet {' '.join(command.first)} fails")
        before = contents(folder, command)
        begun = time.monotonic()
        status = undisturbed(command.arguments, folder)
        seconds, after = time.monotonic() - begun, contents(folder, command)
        if status != command.status:
            raise SystemExit(f"refnet {' '.join(command.arguments)} ends with {status}; expected {command.status}")
    wrong: list[str] = []
    done = rounds = 0
    while done < kills:
        rounds += 1
        with tempfile.TemporaryDirectory(dir=inputs) as name:
            folder = Path(name)
            restore(folder, before)
            for _ in range(min(chance.randint(1, 3), kills - done)):
                child = started(command.arguments, folder)
                if ended(child, chance.uniform(0, seconds)) is not None:
                    break
                kill(child)
                done += 1
                wrong += [f"{path} is half written" for path in half(folder, command, before, after)]
            status = undisturbed(command.arguments, folder)
            found = contents(folder, command)
            if status != command.status and not (command.arguments[:2] == ("gallery", "build") and status == 2):
                wrong.append(f"the last run ended with {status}")
            wrong += [f"{path} is left behind" for path in found.keys() - after.keys()]
            wrong += [f"{path} is lost or differs" for path in after if found.get(path) != after[path]]
    return rounds, wrong


def restore(folder: Path, before: Files) -> None:
    """Put files where they were."""
    for name, content in before.items():
        (folder / name).write_bytes(content)


def main(arguments: list[str]) -> int:
    """Kill, look, and say what was seen."""
    kills, seed = (int(text) for text in (*arguments[:2], *("200", "0")[len(arguments) :]))
    begun, wrong, rounds = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        make_inputs(inputs)
        for module in BEFOREHAND:  # not in each of hundreds of processes
            import_module(module)
        known = commands(inputs)
        chosen = arguments[2:] or [*known]
        for n, what in enumerate(chosen):
            share = kills // len(chosen) + (n < kills % len(chosen))
            taken, found = killed(known[what], share, random.Random(f"{seed} {what}"), inputs)
            rounds += taken
            wrong += [f"{what}: {fault}" for fault in found]
            print(f"{what:16} {share:4} kills in {taken:4} rounds, {len(found)} faults", flush=True)
    for fault in wrong:
        print(fault)
    print(f"\n{sentence(machine())}; seed {seed}")
    print(
        f"{kills} kills in {rounds} rounds, {time.monotonic() - begun:.0f} seconds: {len(wrong)} files half written, lost, "
        "different or left behind"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
