"""The fast engine's speed beside other runtimes, on the same model, images, threads and minutes.

Each runtime is a process. They take turns, round by round, and those whose turn it is not are stopped: machines that
are shared change their speed from minute to minute, so times are only worth what they are beside others of the same
round. A ratio is the median, over the rounds, of the ratio between the two medians of a round. Threads are bound to as
many cores. What the runtimes computed is compared with what refnet computed before anything is measured.
"""

import importlib.util
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from refnet.bench.ncnn_form import write_ncnn
from refnet.bench.worker import RUNTIMES
from refnet.errors import ModelError, RefnetError
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array
from refnet.opening import reading

SUBJECT = "refnet"
TURN_SECONDS = 0.6
SETTLE_RUNS = 1

LeaveOut = Callable[[str, str], None]


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
            seconds: list[float] = self.answer()
            return seconds
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def answer(self) -> Any:
        """The next thing it says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RefnetError(f"{self.name} ended with status {self.process.wait()} while it was measured")
        return json.loads(line)

    def end(self) -> None:
        """Let it go."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()  # closes the pipes


def installed(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of the runtimes can be imported here, and which cannot."""
    there = [name for name in names if importlib.util.find_spec(RUNTIMES[name][1]) is not None]
    return there, [name for name in names if name not in there]


def form_of(name: str, model: Path, folder: Path) -> Path:
    """The model in the form that a runtime reads, written before anything is measured.

    Raises
    ------
    RefnetError
        If the runtime has no words for the model.
    """
    if name == "onnxruntime":
        return _with_a_free_batch(model, folder / "free.onnx")
    if name == "ncnn":
        write_ncnn(read_model(model), folder / "model.param", folder / "model.bin")
        return folder / "model.param"
    if name == "mnn":
        return _converted_by_mnn(model, folder)
    return model


def _with_a_free_batch(model: Path, target: Path) -> Path:
    """For ONNX Runtime; weights are no inputs either, since it folds no weight that a caller may set."""
    with reading(model, ModelError, "the onnx package cannot read it"):
        loaded = onnx.load(model)
    weights = {tensor.name for tensor in loaded.graph.initializer}
    inputs = [tensor for tensor in loaded.graph.input if tensor.name not in weights]
    del loaded.graph.input[:]
    loaded.graph.input.extend(inputs)
    for tensor in (*loaded.graph.input, *loaded.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(loaded, target)
    return target


def _converted_by_mnn(model: Path, folder: Path) -> Path:
    """By MNN's own converter, which wants an ONNX of today."""
    source, target = folder / "modern.onnx", folder / "model.mnn"
    write_model(read_model(model), source, like="modern")
    files = ("--modelFile", str(source), "--MNNModel", str(target))
    command = [
        sys.executable,
        "-m",
        "refnet.runtimes",
        "MNN.tools.mnnconvert",
        "-f",
        "ONNX",
        *files,
        "--bizCode",
        "bench",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not target.exists():
        raise RefnetError(f"MNN's converter made no model: {(done.stdout + done.stderr)[-300:]}")
    return target


def compare(
    model: Path,
    against: Sequence[str],
    batches: Sequence[int],
    threads: Sequence[int],
    rounds: int,
    leave_out: LeaveOut,
) -> Iterator[list[dict[str, Any]]]:
    """Measure every batch with every number of threads; the rows of each as they are done, refnet's first.

    Parameters
    ----------
    model : path of an ONNX file with one image input of fixed size
    against : names among `RUNTIMES`
    batches, threads : ints of at least 1
    rounds : int
        How often the runtimes take turns.
    leave_out : (name, reason) -> None
        Called for a runtime that cannot run the model, which is then not measured; it may raise.
    """
    shape = [int(extent or 0) for extent in read_model(model).inputs[0].shape[1:]]
    images = np.random.default_rng(0).integers(0, 256, (max(batches), *shape)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        forms = {SUBJECT: model}
        for name in against:
            try:
                forms[name] = form_of(name, model, Path(folder))
            except RefnetError as error:
                leave_out(name, str(error))
        for count in threads:
            for batch in batches:
                yield measure(forms, batch, count, rounds, images, leave_out)


def measure(
    forms: dict[str, Path], batch: int, threads: int, rounds: int, images: Array, leave_out: LeaveOut
) -> list[dict[str, Any]]:
    """Run all runtimes on one batch with one number of threads; a row for each. Forms that fail are taken out."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", images[:batch])
        runners: list[Runner] = []
        try:
            for name, form in list(forms.items()):
                try:
                    runners.append(_started(name, form, threads, batch, Path(folder)))
                except RefnetError as error:
                    if name == SUBJECT:
                        raise
                    leave_out(name, str(error))
                    del forms[name]
            for runner in runners:
                runner.runs = max(1, round(TURN_SECONDS / statistics.median(runner.order(SETTLE_RUNS))))
            for number in range(rounds):
                first = number % len(runners)
                for runner in runners[first:] + runners[:first]:
                    runner.rounds.append(runner.order(runner.runs))
        finally:
            for runner in runners:
                runner.end()
        outputs = {one.name: np.load(Path(folder) / f"{one.name}.npy").astype(np.float64) for one in runners}
    return [row(runner, runners[0], outputs, batch, threads) for runner in runners]


def _started(name: str, form: Path, threads: int, batch: int, folder: Path) -> Runner:
    """A runtime that has run once, and is stopped."""
    files = (str(folder / "images.npy"), str(folder / f"{name}.npy"))
    command = [sys.executable, "-m", "refnet.bench.worker", name, str(form), str(threads), str(batch), *files]
    runner = Runner(name, subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    try:
        runner.about = runner.answer()
        if "failed" in runner.about:
            raise RefnetError(runner.about["failed"])
    except BaseException:
        runner.end()
        raise
    runner.process.send_signal(signal.SIGSTOP)
    return runner


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
