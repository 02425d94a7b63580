"""Run random graphs through the reference, the fast engine and onnxruntime, and shrink what differs to small files.

    python tools/fuzz_graphs.py --graphs 20000 --seed 1 --out found --summary fuzz.json
    python tools/fuzz_graphs.py --minutes 30

Graphs are grown by tests/fuzz (recipes.py holds how each operator is drawn), judged by tests/fuzz/judging.py within the
bound of tests/fuzz/bounds.py. The same seed gives the same graphs on every machine. Exit status 1 if anything differs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the graphs are grown by the tests' own machinery

import onnx

from tests.fuzz.graphs import grown
from tests.fuzz.judging import judged, operators, reordered
from tests.fuzz.shrinking import shrunk

EXAMPLES = 3  # shrunk for each kind of finding and engine; of the rest only the seed is said


def main() -> int:
    """Fuzz until told to stop."""
    arguments = _arguments()
    tally = Tally(arguments.out)
    start, index = time.monotonic(), arguments.first
    with tempfile.TemporaryDirectory() as folder:
        while not _done(arguments, index - arguments.first, time.monotonic() - start):
            _one(tally, (arguments.seed, index), Path(folder))
            index += 1
            if (index - arguments.first) % 100 == 0:
                rate = (index - arguments.first) / (time.monotonic() - start)
                print(
                    f"{index - arguments.first} graphs, {rate:.1f} a second, {tally.differences} differ",
                    file=sys.stderr,
                )
    print(tally.closing())
    if arguments.summary:
        arguments.summary.write_text(json.dumps(tally.summary(arguments.seed), indent=1) + "\n")
    return int(tally.differences > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, help="how many; 300 where no minutes are given")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first graph of the seed")
    parser.add_argument("--out", type=Path, help="folder for what is found")
    parser.add_argument("--summary", type=Path, help="JSON file for the figures of docs/validation.md")
    return parser.parse_args()


def _done(arguments: argparse.Namespace, count: int, seconds: float) -> bool:
    if arguments.minutes is not None:
        return seconds > 60 * arguments.minutes or (arguments.graphs is not None and count >= arguments.graphs)
    return count >= (arguments.graphs if arguments.graphs is not None else 300)


def _one(tally: "Tally", seed: tuple[int, int], folder: Path) -> None:
    """One graph: at its own batch and, where that is free, at two others; sometimes in another order, with two threads."""
    graph = grown(seed)
    batches = batches_of(graph, seed)
    random = np.random.default_rng((*seed, 1))
    orders = [reordered(graph.model, random)] if random.integers(4) == 0 else []
    threads = 1 + int(random.integers(4) == 0)
    verdict = judged(graph.model, [(n, graph.feeds(n)) for n in batches], folder, threads=threads, orders=orders)
    tally.add(seed, graph, verdict, folder)


def batches_of(graph, seed):
    """The batch that a graph was grown for, and two others where the file leaves it open."""
    if not graph.free:
        return [graph.batch]
    random = np.random.default_rng((*seed, 2))
    others = [n for n in (1, 2, 3, 5, 8, 9, 17) if n != graph.batch]
    return [graph.batch, *(others[i] for i in random.permutation(len(others))[:2])]


class Tally:
    """What was run, what was refused, what differed."""

    def __init__(self, out: Path | None):
        self.out = out
        self.graphs = self.differences = self.compared = self.undecided = 0
        self.operators: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.not_judged: Counter[str] = Counter()
        self.kinds: Counter[tuple[str, str, str]] = Counter()
        self.shrunk: Counter[str] = Counter()

    def add(self, seed, graph, verdict, folder: Path) -> None:
        """Count one verdict; shrink what it found."""
        self.graphs += 1
        self.operators.update(set(operators(graph.model)))
        self.refused.update(set(verdict.refused))
        self.not_judged.update(set(verdict.not_judged))
        self.compared += verdict.compared
        self.undecided += verdict.undecided
        keys = {finding.key: finding for finding in reversed(verdict.findings)}
        self.differences += bool(keys)
        for key, finding in keys.items():
            self.kinds[key] += 1
            if (
                finding.who.startswith("network")
                and (finding.kind, finding.who.removeprefix("network "), key[2]) in keys
            ):
                continue  # the same without the face of Network
            if self.out is None:
                continue
            print(f"graph {seed}: {finding.kind}, {finding.who}: {finding.what}", file=sys.stderr)
            if self.kinds[key] <= 40:
                self._write(seed, graph, finding, folder)

    def _write(self, seed, graph, finding, folder: Path) -> None:
        """The shrunk graph, its feeds, and a sentence, in a folder that is named after what differs."""

        def found(model, feeds):
            batch = len(next(iter(feeds.values()))) if next(iter(feeds.values())).ndim else 1
            again = judged(
                model,
                [(batch, feeds)],
                folder,
                orders=[reordered(model, np.random.default_rng(i)) for i in range(4)] if finding.kind == "bits" else (),
            )
            return [other for other in again.findings if other.key == finding.key]

        model, feeds = graph.model, graph.feeds(finding.batch)
        if found(model, feeds):
            model, feeds = shrunk(model, feeds, found)
            finding = found(model, feeds)[0]
        ops = "-".join(operators(model)) or "no-node"
        name = f"{finding.kind}-{finding.who}".replace(" ", "-")
        self.shrunk[f"{name}-{ops}"] += 1
        if self.shrunk[f"{name}-{ops}"] > 1:
            return
        target = self.out / f"{name}-{ops}"[:120]
        target.mkdir(parents=True, exist_ok=True)
        (target / "model.onnx").write_bytes(model.SerializeToString())
        np.savez(target / "feeds.npz", **feeds)
        (target / "README").write_text(
            f"{finding.kind}, {finding.who}: {finding.what}\n\nbatch {finding.batch}; grown from seed {seed}\n\n{onnx.printer.to_text(model)}\n"
        )

    def closing(self) -> str:
        """The figures, the last line the shortest account of them."""
        lines = [f"{count:6} {name}" for name, count in sorted(self.operators.items())]
        lines += ["refused:"] + [f"{count:6} {said}" for said, count in self.refused.most_common()]
        lines += ["not run by onnxruntime:"] + [f"{count:6} {said}" for said, count in self.not_judged.most_common()]
        lines += ["differences:"] + [f"{count:6} {' | '.join(key)}" for key, count in self.kinds.most_common()]
        share = self.undecided / max(self.compared + self.undecided, 1)
        lines.append(
            f"{self.graphs} graphs, {len(self.operators)} operators, {self.compared} numbers compared "
            f"({share:.2%} more had no finite bound), {self.differences} graphs differ"
        )
        return "\n".join(lines)

    def summary(self, seed: int) -> dict[str, object]:
        """The same for docs/validation.md."""
        return {
            "seed": seed,
            "graphs": self.graphs,
            "operators": dict(sorted(self.operators.items())),
            "refused": dict(self.refused.most_common()),
            "not_judged": dict(self.not_judged.most_common()),
            "compared": self.compared,
            "undecided": self.undecided,
            "differences": {" | ".join(key): count for key, count in self.kinds.most_common()},
        }


if __name__ == "__main__":
    sys.exit(main())
