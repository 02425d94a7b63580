"""The fast engine's speed beside other runtimes, on the same model, images, threads and minutes.

    python tools/bench.py MODEL [--batch 1 8 32] [--threads 1 2] [--against onnxruntime openvino ncnn] [--json FILE]

Each runtime is a process. They take turns, round by round, and those whose turn it is not are stopped: machines that
are shared change their speed from minute to minute, so times are only worth what they are beside others of the same
round. A ratio is the median, over the rounds, of the ratio between the two medians of a round. Threads are bound to as
many cores. What the runtimes computed is compared with what refnet computed before anything is measured.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bench_worker import RUNTIMES
from ncnn_form import write_ncnn

from refnet.formats.onnx_reader import read_model

WORKER = Path(__file__).with_name("bench_worker.py")
SUBJECT = "refnet"
TURN_SECONDS = 0.6
SETTLE_RUNS = 1


@dataclass
class Runner:
    """A runtime's process, stopped except when it runs."""

    name: str
    process: "subprocess.Popen[str]"
    about: dict[str, Any] = field(default_factory=dict)
    runs: int = 1
    rounds: list[list[float]] = field(default_factory=list)

    def order(self, runs: int) -> list[float]:
        """Let it run so often; seconds of each run."""
        assert self.process.stdin
        self.process.send_signal(signal.SIGCONT)
        try:
            print(runs, file=self.process.stdin, flush=True)
            return self.answer()
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def answer(self) -> Any:
        """The next thing it says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended: {self.process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """Let it go."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def forms_of(model: Path, names: list[str], folder: Path) -> dict[str, Path]:
    """The model in the form that each runtime reads, written before anything is measured.

    ONNX Runtime gets a free batch, and weights that are not inputs as well: it folds no weight that a caller may set.
    """
    forms = dict.fromkeys(names, model)
    if "onnxruntime" in names:
        loaded = onnx.load(model)
        weights = {tensor.name for tensor in loaded.graph.initializer}
        inputs = [tensor for tensor in loaded.graph.input if tensor.name not in weights]
        del loaded.graph.input[:]
        loaded.graph.input.extend(inputs)
        for tensor in (*loaded.graph.input, *loaded.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_param = "N"
        forms["onnxruntime"] = folder / "free.onnx"
        onnx.save(loaded, forms["onnxruntime"])
    if "ncnn" in names:
        forms["ncnn"] = folder / "model.param"
        write_ncnn(read_model(model), forms["ncnn"], folder / "model.bin")
    return forms


def measure(forms: dict[str, Path], batch: int, threads: int, rounds: int, images: Any) -> list[dict[str, Any]]:
    """Run all runtimes on one batch with one number of threads; a row for each."""
    names = list(forms)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", images[:batch])
        runners: list[Runner] = []
        try:
            for name in names:
                paths = (str(Path(folder) / "images.npy"), str(Path(folder) / f"{name}.npy"))
                command = [sys.executable, str(WORKER), name, str(forms[name]), str(threads), str(batch), *paths]
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                runner = Runner(name, subprocess.Popen(command, text=True, **pipes))  # type: ignore[call-overload]
                runners.append(runner)
                runner.about = runner.answer()
                runner.process.send_signal(signal.SIGSTOP)
            for runner in runners:
                runner.runs = max(1, round(TURN_SECONDS / statistics.median(runner.order(SETTLE_RUNS))))
            for number in range(rounds):
                first = number % len(runners)
                for runner in runners[first:] + runners[:first]:
                    runner.rounds.append(runner.order(runner.runs))
        finally:
            for runner in runners:
                runner.end()
        outputs = {name: np.load(Path(folder) / f"{name}.npy").astype(np.float64) for name in names}
    return [row(runner, runners[0], outputs, batch, threads) for runner in runners]


def row(runner: Runner, subject: Runner, outputs: dict[str, Any], batch: int, threads: int) -> dict[str, Any]:
    """What is known of a runtime after its rounds."""
    medians = [statistics.median(seconds) for seconds in runner.rounds]
    ratios = [mine / statistics.median(theirs) for mine, theirs in zip(medians, subject.rounds, strict=True)]
    y, reference = outputs[runner.name].reshape(batch, -1), outputs[subject.name].reshape(batch, -1)
    return {
        "runtime": runner.name,
        **runner.about,
        "batch": batch,
        "threads": threads,
        "milliseconds_per_image": 1000 * statistics.median(medians) / batch,
        "least_milliseconds_per_image": 1000 * min(min(seconds) for seconds in runner.rounds) / batch,
        "times_as_slow": statistics.median(ratios),
        "times_as_slow_range": [min(ratios), max(ratios)],
        "relative_difference": float((np.linalg.norm(y - reference, axis=1) / np.linalg.norm(reference, axis=1)).max()),
        "round_medians_seconds": medians,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """For people: one line a measurement."""
    head = (
        "batch",
        "threads",
        "runtime",
        "ms/image",
        "least",
        f"{SUBJECT} is faster by",
        "(range)",
        "differs by",
        "start s",
        "MiB",
    )
    lines = [
        (
            str(r["batch"]),
            str(r["threads"]),
            f"{r['runtime']} {r['version']}",
            f"{r['milliseconds_per_image']:.2f}",
            f"{r['least_milliseconds_per_image']:.2f}",
            f"{r['times_as_slow']:.2f}",
            "{:.2f}-{:.2f}".format(*r["times_as_slow_range"]),
            f"{r['relative_difference']:.1e}",
            f"{r['start_seconds']:.1f}",
            f"{r['peak_mib']:.0f}",
        )
        for r in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    cells = (
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, rule, *lines]
    )
    return "\n".join(f"| {line} |" for line in cells)


def machine() -> dict[str, Any]:
    """Where this was measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    said = dict(line.split("\t: ", 1) for line in lines if "\t: " in line)
    values = {key.strip(): value for key, value in said.items()}
    features = [name for name in ("avx2", "avx512f") if name in values.get("flags", "").split()]
    return {
        "processor": values.get("model name", platform.processor()),
        "family_model": [values.get("cpu family"), values.get("model")],
        "features": features,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--against", nargs="*", choices=[n for n in RUNTIMES if n != SUBJECT], default=["onnxruntime"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write everything that was measured here")
    asked = parser.parse_args()

    shape = [int(extent or 0) for extent in read_model(asked.model).inputs[0].shape[1:]]
    images = np.random.default_rng(0).integers(0, 256, (max(asked.batch), *shape)).astype(np.float32)
    where, rows = machine(), []
    print("; ".join(f"{key} {value}" for key, value in where.items()))
    with tempfile.TemporaryDirectory() as folder:
        forms = forms_of(asked.model, [SUBJECT, *asked.against], Path(folder))
        for threads in asked.threads:
            for batch in asked.batch:
                rows += measure(forms, batch, threads, asked.rounds, images)
                print(f"measured batch {batch}, threads {threads}", file=sys.stderr)
    print(table(rows))
    if asked.json:
        asked.json.write_text(json.dumps({"machine": where, "model": asked.model.name, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
