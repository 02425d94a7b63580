"""Run random graphs through the reference, the fast engine and onnxruntime, and shrink what differs to small files.

    python tools/fuzz_graphs.py --graphs 20000 --seed 1 --out found --summary onnx.json
    python tools/fuzz_graphs.py --minutes 30
    python tools/fuzz_graphs.py --special             infinities and NaN among what is fed
    python tools/fuzz_graphs.py --ir                  written as OpenVINO IR, read by OpenVINO and by refnet
    python tools/fuzz_graphs.py --networks MODEL ...  networks in 50 orders of their nodes, inner tensors as outputs

Graphs are grown by tests/fuzz (`recipes.py` holds how each operator is drawn), judged by `judging.py` within the bound of
`bounds.py`. The same seed gives the same graphs on every machine. `tools/write_validation.py --fuzz onnx.json ...` puts
the summaries into docs/validation.md. Exit status 1 if anything differs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the graphs are grown by the tests' own machinery

import onnx

from refnet.errors import RefnetError
from refnet.formats.reading import read_model
from refnet.graph import Graph
from refnet.zoo.synthetic import synthetic_model
from tests.fuzz.graphs import batches_of, grown
from tests.fuzz.judging import Finding, Verdict, judged, operators, reordered, sentence
from tests.fuzz.networks import ORDERS, judged_orders
from tests.fuzz.shrinking import shrunk

EXAMPLES = 10  # graphs shrunk for each kind of finding, engine and message
EVERY = 100  # graphs between two lines of progress


def main() -> int:
    """Fuzz until told to stop."""
    arguments = _arguments()
    tally = Tally(arguments.out)
    if arguments.networks is not None:
        _networks(tally, arguments)
    else:
        _graphs(tally, arguments)
    print(tally.closing())
    if arguments.summary:
        modes = {
            "networks": arguments.networks is not None,
            "ir": arguments.ir,
            "special": arguments.special,
            "onnx": True,
        }
        what = next(mode for mode, chosen in modes.items() if chosen)
        arguments.summary.write_text(json.dumps(tally.summary(what, arguments.seed), indent=1) + "\n")
    return int(tally.differences > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, help="how many; 300 where no minutes are given")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the seed's graph to begin with")
    parser.add_argument("--out", type=Path, help="folder for what is found")
    parser.add_argument("--summary", type=Path, help="JSON file for the figures of docs/validation.md")
    parser.add_argument(
        "--special", action="store_true", help="feed infinities and NaN; reference and fast engine only"
    )
    parser.add_argument("--ir", action="store_true", help="as OpenVINO IR, beside OpenVINO")
    parser.add_argument("--networks", nargs="*", type=Path, help="these models, and a narrow synthetic ResNet100")
    parser.add_argument("--orders", type=int, default=ORDERS, help="of each network's nodes")
    return parser.parse_args()


def _graphs(tally: "Tally", arguments: argparse.Namespace) -> None:
    """Grow and judge graph after graph."""
    start, count = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        while not _done(arguments, count, time.monotonic() - start):
            seed = (arguments.seed, arguments.first + count)
            if arguments.ir:
                _one_ir(tally, seed, Path(folder))
            else:
                _one(tally, seed, Path(folder), special=arguments.special)
            count += 1
            if count % EVERY == 0:
                rate = count / (time.monotonic() - start)
                print(f"{count} graphs, {rate:.1f} a second, {tally.differences} differ", file=sys.stderr)


def _done(arguments: argparse.Namespace, count: int, seconds: float) -> bool:
    most = arguments.graphs or (300 if arguments.minutes is None else sys.maxsize)
    return count >= most or (arguments.minutes is not None and seconds > 60 * arguments.minutes)


def _one(tally: "Tally", seed: tuple[int, int], folder: Path, *, special: bool) -> None:
    """One graph: at its own batch and, where that is free, at two others; some in another order, some with two threads."""
    random = np.random.default_rng((*seed, 1))
    graph = grown(seed, special=special)
    orders = int(random.integers(4) == 0)
    threads = 1 + int(random.integers(4) == 0)

    def judge(model: Any, batches: list[Any], orders: int) -> Verdict:
        others = [reordered(model, np.random.default_rng((*seed, 3, i))) for i in range(orders)]
        return judged(model, batches, folder, threads=threads, orders=others, special=special)

    verdict = judge(graph.model, [(n, graph.feeds(n)) for n in batches_of(graph)], orders)
    tally.add(seed, graph, verdict, judge)


def _one_ir(tally: "Tally", seed: tuple[int, int], folder: Path) -> None:
    """One graph of what can be written as IR: at its own batch, and at another."""
    from tests.fuzz.openvino_ir import OPERATORS, judged_ir

    graph = grown(seed, only=OPERATORS)

    def judge(model: Any, batches: list[Any], _: int) -> Verdict:
        return judged_ir(model, batches, folder)

    tally.add(seed, graph, judge(graph.model, [(n, graph.feeds(n)) for n in batches_of(graph)[:2]], 0), judge)


def _networks(tally: "Tally", arguments: argparse.Namespace) -> None:
    """Networks in other orders."""
    for name, graph in _models(tally, arguments.networks):
        started = time.monotonic()
        try:
            findings, orders = judged_orders(graph, arguments.seed, arguments.orders)
        except RefnetError as error:
            tally.refused[f"{name}: {sentence(error)}"] += 1
            continue
        tally.graphs += orders
        tally.operators.update({node.op: orders for node in graph.nodes})
        tally.networks[name] = {"nodes": len(graph.nodes), "orders": orders, "findings": len(findings)}
        tally.differences += bool(findings)
        tally.kinds.update(Counter((finding.kind, finding.who, name) for finding in findings))
        for finding in findings[:EXAMPLES]:
            print(f"{name}: {finding.kind}, {finding.who}: {finding.what}", file=sys.stderr)
        print(f"{name}: {orders} orders, {len(findings)} findings, {time.monotonic() - started:.0f} s", file=sys.stderr)


def _models(tally: "Tally", paths: list[Path]) -> Iterator[tuple[str, Graph]]:
    """The synthetic network, and those of the files that refnet reads."""
    yield "LResNet100E-IR, synthetic, a sixteenth as wide", synthetic_model(0, width=Fraction(1, 16))
    for path in paths:
        try:
            yield path.name, read_model(path)
        except RefnetError as error:
            tally.refused[f"{path.name}: {sentence(error)}"] += 1


class Tally:
    """What was run, what was refused, what differed."""

    def __init__(self, out: Path | None):
        self.out = out
        self.graphs = self.differences = self.compared = self.undecided = 0
        self.operators: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.not_judged: Counter[str] = Counter()
        self.kinds: Counter[tuple[str, str, str]] = Counter()
        self.networks: dict[str, dict[str, int]] = {}
        self._written: set[str] = set()

    def add(self, seed: tuple[int, int], graph: Any, verdict: Verdict, judge: Callable[..., Verdict]) -> None:
        """Count one verdict; shrink what it found."""
        self.graphs += 1
        self.operators.update(set(operators(graph.model)))
        self.refused.update(set(verdict.refused))
        self.not_judged.update(set(verdict.not_judged))
        self.compared += verdict.compared
        self.undecided += verdict.undecided
        first = {finding.key: finding for finding in reversed(verdict.findings)}
        self.differences += bool(first)
        self.kinds.update(first.keys())
        for (kind, who, what), finding in first.items():
            if (kind, who.removeprefix("network "), what) in first and who.startswith("network"):
                continue  # the same without the face of Network
            print(f"graph {seed}: {kind}, {who}: {finding.what}", file=sys.stderr)
            if self.out is not None and self.kinds[finding.key] <= EXAMPLES:
                self._write(self.out, seed, graph, finding, judge)

    def _write(
        self, out: Path, seed: tuple[int, int], graph: Any, finding: Finding, judge: Callable[..., Verdict]
    ) -> None:
        """The shrunk graph, its feeds and a sentence, in a folder that is named after what differs."""
        orders = 4 if finding.kind == "bits" else 0

        def found(model: Any, feeds: dict[str, Any]) -> list[Finding]:
            first = next(iter(feeds.values()))
            verdict = judge(model, [(len(first) if first.ndim else 1, feeds)], orders)
            return [other for other in verdict.findings if other.key == finding.key]

        model, feeds = graph.model, graph.feeds(finding.batch or graph.batch)
        if found(model, feeds):
            model, feeds = shrunk(model, feeds, found)
            finding = found(model, feeds)[0]
        kind, ops = f"{finding.kind}-{finding.who}".replace(" ", "-"), operators(model)
        name = (
            f"{kind}-{'-'.join(ops) or 'no-node'}" if len(ops) <= 8 else f"{kind}-{len(ops)}-nodes-{seed[0]}-{seed[1]}"
        )
        if name in self._written:
            return
        self._written.add(name)
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "model.onnx").write_bytes(model.SerializeToString())
        np.savez(out / name / "feeds.npz", **feeds)
        (out / name / "README").write_text(
            f"{finding.kind}, {finding.who}: {finding.what}\n\nbatch {finding.batch}; grown from seed {seed}\n\n"
            f"{onnx.printer.to_text(model)}\n"
        )

    def closing(self) -> str:
        """The figures; the last line is the shortest account of them."""
        parts: dict[str, Counter[Any]] = {
            "": Counter(dict(sorted(self.operators.items()))),
            "refused:": self.refused,
            "not run by the other runtime:": self.not_judged,
            "differences:": Counter({" | ".join(key): count for key, count in self.kinds.items()}),
        }
        lines = []
        for title, counts in parts.items():
            rows = counts.most_common() if title else counts.items()
            lines += [title] * bool(title and counts) + [f"{count:7} {name}" for name, count in rows]
        share = self.undecided / max(self.compared + self.undecided, 1)
        lines.append(
            f"{self.graphs} graphs, {len(self.operators)} operators, {self.compared} numbers compared "
            f"({share:.2%} more had no finite bound), {self.differences} differ"
        )
        return "\n".join(lines)

    def summary(self, what: str, seed: int) -> dict[str, Any]:
        """The same for docs/validation.md."""
        return {
            "what": what,
            "seed": seed,
            "versions": {name: version(name) for name in ("refnet", "numpy", "onnx", "onnxruntime", "openvino")},
            "graphs": self.graphs,
            "operators": dict(sorted(self.operators.items())),
            "networks": self.networks,
            "refused": dict(self.refused.most_common()),
            "not_judged": dict(self.not_judged.most_common()),
            "compared": self.compared,
            "undecided": self.undecided,
            "differences": {" | ".join(key): count for key, count in self.kinds.most_common()},
        }


if __name__ == "__main__":
    sys.exit(main())
