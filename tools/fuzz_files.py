"""Give every reader of refnet damaged files, and see that each ends in a result or in an error of refnet's own.

    python tools/fuzz_files.py --inputs 50000 --seed 0 --out FINDINGS --summary docs/figures/fuzz.json

Input number n of a seed is always the same file. Files are read in forked children, a batch each; a child may take 1 GiB
of memory more than it began with, and 20 seconds for one file. A finding is any other exception than a RefnetError (a
traceback), a file that takes longer (a hang), a child that dies (a crash), a file that asks for more memory (growth), and
a damaged file of the cache that gives another result than a sound one (wrong). Exit status 1 if there is one.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fuzz_mutations import mutated

GROWTH_BYTES = 1 << 30
SECONDS = 20
BATCH = 500
OUTCOMES = ("read", "refused")
Found = tuple[dict[str, Counter[str]], dict[str, float], list[dict[str, Any]]]  # counts, most seconds, findings
FINDINGS = ("traceback", "hang", "crash", "growth", "wrong")


def main() -> int:
    """Run, write what was found, and print a line for each kind and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="", help="only kinds whose title holds this")
    parser.add_argument("--out", type=Path, help="folder for the files that made a finding")
    parser.add_argument("--summary", type=Path, help="JSON file for the counts")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the inputs")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.jobs > 1:
            counts, taken, findings = _shared(Path(folder), arguments)
        else:
            os.environ["REFNET_CACHE_DIR"] = f"{folder}/cache"
            counts, taken, findings = _run(Path(folder), arguments)
    total = sum(counts.values(), Counter())
    for title, count in counts.items():
        print(f"{title:<28} {_told(count)}; at most {taken[title]:.2f} s")
    line = f"{sum(total.values()):,} inputs of {len(counts)} kinds, seed {arguments.seed}: {_told(total)}"
    print(line)
    if arguments.summary:
        seconds = round(time.perf_counter() - start)
        summary = {
            "seed": arguments.seed,
            "seconds": seconds,
            "line": line,
            "findings": findings,
            "slowest_seconds": taken,
        }
        arguments.summary.write_text(json.dumps({**summary, "kinds": counts}, indent=1) + "\n")
    return 1 if findings else 0


def _shared(folder: Path, arguments: argparse.Namespace) -> Found:
    """The same from several processes, each with a part of the inputs."""
    part = -(-arguments.inputs // arguments.jobs)
    last = arguments.first + arguments.inputs
    running = []
    for first in range(arguments.first, last, part):
        summary = folder / f"{first}.json"
        said = {"inputs": min(part, last - first), "first": first, "seed": arguments.seed, "kinds": arguments.kinds, "summary": summary, "out": arguments.out}  # fmt: skip
        options = [f"--{name}={value}" for name, value in said.items() if value is not None]
        running.append((summary, subprocess.Popen([sys.executable, __file__, *options], stdout=subprocess.DEVNULL)))
    counts: dict[str, Counter[str]] = {}
    taken: dict[str, float] = {}
    findings: list[dict[str, Any]] = []
    for summary, process in running:
        if process.wait() not in (0, 1) or not summary.exists():
            raise RuntimeError(f"a process ended with status {process.returncode}")
        found = json.loads(summary.read_text())
        findings += found["findings"]
        for title, count in found["kinds"].items():
            counts.setdefault(title, Counter()).update(count)
            taken[title] = max(taken.get(title, 0.0), found["slowest_seconds"][title])
    return counts, taken, findings


def _told(count: Counter[str]) -> str:
    return ", ".join([f"{count[name]:,} {name}" for name in OUTCOMES] + [f"{count[name]} {name}" for name in FINDINGS])


def _run(folder: Path, arguments: argparse.Namespace) -> Found:
    from fuzz_kinds import kinds  # reads $REFNET_CACHE_DIR, which has to be ours

    work = folder / "work"
    work.mkdir()
    some = [kind for kind in kinds(work) if arguments.kinds in kind.title]
    for kind in some:
        (work / kind.name).write_bytes(kind.seeds[0])
        outcome, reason = _outcome(kind, work / kind.name)
        if kind.sound and outcome != "read":
            raise RuntimeError(f"a sound file is not read, so nothing would be found: {kind.title}: {reason}")
    turns = [kind for kind in some for _ in range(kind.share)]
    random.Random(0).shuffle(turns)  # every kind comes early
    counts: dict[str, Counter[str]] = {kind.title: Counter() for kind in some}
    findings: list[dict[str, Any]] = []
    taken = dict.fromkeys(counts, 0.0)
    numbers = range(arguments.first, arguments.first + arguments.inputs)
    for start in range(0, len(numbers), BATCH):
        for number, outcome, reason, seconds in _batch(work, turns, arguments.seed, numbers[start : start + BATCH]):
            kind = turns[number % len(turns)]
            counts[kind.title][outcome] += 1
            taken[kind.title] = max(taken[kind.title], seconds)
            if outcome not in OUTCOMES:
                findings.append({"kind": kind.title, "input": number, "outcome": outcome, "reason": reason})
                print(f"input {number}, {kind.title}: {outcome}: {reason}", file=sys.stderr)
                if arguments.out:
                    arguments.out.mkdir(parents=True, exist_ok=True)
                    (arguments.out / f"{number}-{Path(kind.name).name}").write_bytes(
                        content(kind, arguments.seed, number)
                    )
    return counts, taken, findings


def content(kind: Any, seed: int, number: int) -> bytes:
    """The file that is input `number`."""
    return mutated(random.Random(f"{seed} {number}"), kind.seeds)


def _batch(
    work: Path, turns: Sequence[Any], seed: int, numbers: Sequence[int]
) -> Iterator[tuple[int, str, str, float]]:
    """Outcomes of some inputs, in forked children: one, and another after each that dies."""
    left = list(numbers)
    while left:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        child = os.fork()
        if child == 0:
            try:
                _child(work, turns, seed, left, sender)
                os._exit(0)
            finally:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        sender.close()
        done = 0
        try:
            while True:
                yield receiver.recv()
                done += 1
        except EOFError:
            pass
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError(
                f"the child failed by itself at input {left[done]}, {turns[left[done] % len(turns)].title}"
            )
        if os.WIFSIGNALED(status):
            number = left[done]
            name = signal.Signals(os.WTERMSIG(status)).name
            hang = name == "SIGALRM"
            yield number, "hang" if hang else "crash", f"longer than {SECONDS} s" if hang else name, float(SECONDS)
            done += 1
        left = left[done:]


def _child(work: Path, turns: Sequence[Any], seed: int, numbers: Sequence[int], sender: Any) -> None:
    """Read the inputs one by one, and tell of each."""
    said = os.dup(2)
    sys.stderr = os.fdopen(said, "w")  # ours; libraries complain to nobody
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        kind = turns[number % len(turns)]
        path = work / kind.name
        path.write_bytes(content(kind, seed, number))
        signal.alarm(SECONDS)
        start = time.perf_counter()
        outcome = _outcome(kind, path)
        signal.alarm(0)
        sender.send((number, *outcome, time.perf_counter() - start))


def _outcome(kind: Any, path: Path) -> tuple[str, str]:
    from fuzz_kinds import WrongError

    from refnet.errors import RefnetError

    try:
        kind.read(path)
    except RefnetError as error:
        return ("growth" if _of_memory(error) else "refused"), str(error)[:300]
    except WrongError as error:
        return "wrong", str(error)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
    return "read", ""


def _of_memory(error: BaseException | None) -> bool:
    """Whether an error began as one of memory."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main())
