"""Commands that are begun at the same instant, or run out of disk: one always wins, and nothing is half written.

    python tools/race_runs.py [ROUNDS] [PROCESSES]

So many processes are begun at once, round by round, on one output, one data set, one gallery and one cold cache (of packed
weights; compiling kernels anew each round would take hours). Then the file size that a process may write is limited,
step by step, as a disk that is full would. Models and images are made here.
"""

import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kill_runs import commands, contents, ended, files, kill, make_inputs, started, undisturbed

from refnet.bench.machine import machine, sentence
from refnet.cache_folder import cache_folder
from refnet.faces.gallery import read_gallery

SLOWEST_SECONDS = 600


def at_once(arguments: list[tuple[str, ...]], folder: Path) -> list[int]:
    """Begin commands together; their exit statuses, in order of size."""
    children = [started(some, folder) for some in arguments]
    statuses = []
    for child in children:
        status = ended(child, SLOWEST_SECONDS)
        if status is None:
            kill(child)
            raise SystemExit("a process hangs")
        statuses.append(status)
    return sorted(statuses)


def outputs(inputs: Path, rounds: int, processes: int, what: str) -> tuple[Counter[int], int]:
    """Processes that write one output: exit statuses, and rounds in which it was not written whole by one of them."""
    command = commands(inputs)[what]
    seen: Counter[int] = Counter()
    faults = 0
    expected = None
    for n in range(rounds + 1):
        with tempfile.TemporaryDirectory(dir=inputs) as name:
            folder = Path(name)
            if n == 0:
                undisturbed(command.arguments, folder)
                expected = contents(folder, command)
                continue
            statuses = at_once([command.arguments] * processes, folder)
            seen.update(statuses)
            faults += contents(folder, command) != expected or not set(statuses) <= {command.status, 2}
            faults += command.status not in statuses
    return seen, faults


def gallery(inputs: Path, rounds: int, processes: int) -> tuple[Counter[int], int]:
    """Processes that add to one gallery: exit statuses, and rounds in which a face was lost."""
    model, crops = str(inputs / "m.onnx"), sorted(inputs.glob("crops/0??.png"))
    seen: Counter[int] = Counter()
    faults = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=inputs) as name:
            folder = Path(name)
            undisturbed(("gallery", "build", str(crops[0]), "-m", model, "-o", "g.npz"), folder)
            add = [("gallery", "add", "g.npz", str(crop), "-m", model) for crop in crops[1 : processes + 1]]
            statuses = at_once(add, folder)
            seen.update(statuses)
            whole = len(read_gallery(folder / "g.npz")) == processes + 1
            faults += not whole or any(statuses) or [path.name for path in files(folder)] != ["g.npz"]
    return seen, faults


def cache(inputs: Path, rounds: int, processes: int) -> tuple[Counter[int], int]:
    """Processes that fill one cold cache: exit statuses, and rounds in which a result differs or something is left."""
    model, crop, kernels = str(inputs / "m.onnx"), str(inputs / "crops" / "000.png"), cache_folder("kernels")
    seen: Counter[int] = Counter()
    faults = 0
    before = os.environ.get("REFNET_CACHE_DIR")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=inputs) as name:
            folder = Path(name)
            os.environ["REFNET_CACHE_DIR"] = str(folder / "cache")
            (folder / "cache").mkdir(mode=0o700)
            if kernels.is_dir():
                shutil.copytree(kernels, folder / "cache" / "kernels")
            runs = [("embed", crop, "-m", model, "-o", f"{n}.npz") for n in range(processes)]
            statuses = at_once(runs, folder)
            seen.update(statuses)
            written = {(folder / f"{n}.npz").read_bytes() for n in range(processes) if (folder / f"{n}.npz").exists()}
            left = [path for path in files(folder / "cache") if path.suffix == ".part"]
            faults += len(written) != 1 or any(statuses) or bool(left)
    if before is None:
        del os.environ["REFNET_CACHE_DIR"]
    else:
        os.environ["REFNET_CACHE_DIR"] = before
    return seen, faults


def full(inputs: Path, steps: int) -> tuple[Counter[int], int]:
    """Commands that may write files of so many bytes only: exit statuses, and results that are half or differ after."""
    seen: Counter[int] = Counter()
    faults = 0
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    for what in ("embed npz", "embed csv", "embed data set", "gallery build", "convert", "models make"):
        command = commands(inputs)[what]
        with tempfile.TemporaryDirectory(dir=inputs) as name:
            folder = Path(name)
            undisturbed(command.arguments, folder)
            expected = contents(folder, command)
        largest = max(map(len, expected.values()))
        for step in range(steps):
            with tempfile.TemporaryDirectory(dir=inputs) as name:
                folder = Path(name)
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest * step // steps, unlimited[1]))
                status = undisturbed(command.arguments, folder)
                resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
                seen[status] += 1
                whole = all(
                    expected[name] == content for name, content in contents(folder, command).items() if name in expected
                )
                again = undisturbed(command.arguments, folder)
                faults += status not in (2, command.status) or not whole
                faults += again not in (2, command.status) or contents(folder, command) != expected
    return seen, faults


def main(arguments: list[str]) -> int:
    """Race, look, and say what was seen."""
    rounds, processes = (int(text) for text in (*arguments[:2], *("30", "4")[len(arguments) :]))
    begun, faults = time.monotonic(), 0

    def tell(what: str, found: tuple[Counter[int], int]) -> None:
        nonlocal faults
        faults += found[1]
        statuses = ", ".join(f"{count} ended with {status}" for status, count in sorted(found[0].items()))
        print(f"{what:34} {statuses}; {found[1]} faults", flush=True)

    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        make_inputs(inputs)
        many = f"{rounds} x {processes}"
        tell(f"{many} on one output", outputs(inputs, rounds, processes, "embed npz"))
        tell(f"{many} on one data set", outputs(inputs, rounds, processes, "embed data set"))
        tell(f"{many} on one gallery", gallery(inputs, rounds, processes))
        tell(f"{many} on one cold cache", cache(inputs, rounds, processes))
        tell("6 commands x 5 sizes of a full disk", full(inputs, 5))
    print(f"\n{sentence(machine())}")
    print(f"{time.monotonic() - begun:.0f} seconds: {faults} outputs half written, lost, different or left behind")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
