"""One graph, run by everything that can run it, and what it finds."""

import os
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
import onnxruntime

import refnet
from refnet import fast, reference
from refnet.errors import RefnetError
from refnet.formats.reading import read_model
from tests.fuzz.bounds import bounds
from tests.fuzz.growth import topological

QUIET = 4
MOST_ALONE = 5  # images of a batch that are also run one by one


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes
    ----------
    kind : "wrong", "shape", "dtype", "traceback", "refused alone", "bits" or "runtime" (the reference beside onnxruntime).
    who : whose result it is.
    what : the difference in words.
    """

    kind: str
    who: str
    what: str
    batch: int = 0

    @property
    def key(self):
        """What two findings of the same kind share."""
        return self.kind, self.who, self.what if self.kind in ("traceback", "refused alone") else ""


@dataclass
class Verdict:
    """What came of one graph.

    Attributes
    ----------
    findings : tuple of Finding, empty where all is well.
    refused : sentences, without names and numbers, with which refnet refused it.
    not_judged : why onnxruntime could not be asked, if so.
    compared, undecided : output elements that were, and that had no finite bound.
    """

    findings: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    not_judged: list[str] = field(default_factory=list)
    compared: int = 0
    undecided: int = 0


# What one engine may refuse although the reference computes it: each is a limit that its documentation states.
STATED = {
    "network": (
        r"expected one input of images",
        r"images have shape",
        r"images have dtype",
        r"; the model computes \S+ at a time",
        r"expected 0 to 255: the graph scales pixels itself",
    ),
    "fast": (
        r"expected all extents but the first fixed",
        r"inputs have .* images; expected the same number in all",
        r"the fast engine computes in float32",
    ),
}


def judged(model, batches_and_feeds, folder, *, threads=1, orders=(), special=False):
    """Run a model.

    Parameters
    ----------
    model : onnx.ModelProto
    batches_and_feeds : iterable of (batch, {input: array}), the declared batch first
    folder : Path, for the file
    threads : int, of the fast engine
    orders : iterable of onnx.ModelProto
        The same graph in other orders; the fast engine must give the same bits.
    special : bool
        What is fed holds NaN and infinities. Then only the reference and the fast engine are compared, for runtimes differ
        about NaN and `Network` refuses it; where the reference has NaN or an infinity, the fast engine has the same.

    Returns
    -------
    Verdict
    """
    verdict = Verdict()
    path = Path(folder) / "graph.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        session = None if special else _session(model)
    except Exception as error:
        session = None
        verdict.not_judged.append(sentence(error))
    graph = attempt(lambda: read_model(path))
    if isinstance(graph, Exception):
        theirs = attempt(lambda: _run_session(session, batches_and_feeds[0][1])) if session else None
        note(verdict, _beside("reader", theirs), graph, 0)
        return verdict
    engine = attempt(lambda: fast.compile(graph, threads=threads))
    networks = {}
    for name in () if special else ("reference", "fast"):
        networks[name] = attempt(lambda name=name: refnet.load(path, engine=name, threads=threads, cache=False))
    for batch, feeds in batches_and_feeds:
        _judge_batch(verdict, graph, session, engine, networks, batch, feeds, special)
    if not isinstance(engine, Exception):
        for other in orders:
            _judge_order(verdict, other, engine, batches_and_feeds[0], path.with_name("other.onnx"))
    return verdict


def _judge_batch(verdict, graph, session, engine, networks, batch, feeds, special):
    truth = attempt(lambda: reference.run(graph, feeds))
    theirs = None
    if session is not None:
        theirs = attempt(lambda: _run_session(session, feeds))
        if isinstance(theirs, Exception):
            verdict.not_judged.append(sentence(theirs))
            theirs = None
    whole = attempt(lambda: engine.run(feeds)) if not isinstance(engine, Exception) else engine
    others = {"fast": whole}
    if len(feeds) == 1 and networks:
        x = next(iter(feeds.values()))
        for name, network in networks.items():
            others[f"network {name}"] = (
                attempt(lambda n=network: n.run(x)) if not isinstance(network, Exception) else network
            )
    if isinstance(truth, Exception):
        note(verdict, _beside("reference", theirs), truth, batch)
        if not isinstance(truth, RefnetError):
            return
        for who, result in others.items():
            if isinstance(result, Mapping):
                verdict.findings.append(
                    Finding("refused alone", "reference", f"{sentence(truth)}; {who} computes it", batch)
                )
            elif not isinstance(result, RefnetError):
                note(verdict, who, result, batch)
        return
    _judge_stream(verdict, graph, feeds, truth, batch)
    limits = {name: bounds(graph, feeds, name, special) for name in ("fast", "onnxruntime")}
    if theirs is not None:
        compare(verdict, "onnxruntime", truth, theirs, limits["onnxruntime"], batch, kind="runtime")
    for who, result in others.items():
        if isinstance(result, Mapping):
            compare(verdict, who, truth, result, limits["fast"] if "fast" in who else None, batch)
        else:
            note(verdict, who, result, batch, alone=True)
    if isinstance(whole, Mapping):
        _judge_rows(verdict, graph, engine, batch, feeds, truth, whole)
    faces = [others[who] for who in others if who.startswith("network")]
    refusing = [result for result in faces if isinstance(result, RefnetError)]
    if 0 < len(refusing) < len(faces) and not any(re.search(said, str(refusing[0])) for said in STATED["fast"]):
        verdict.findings.append(Finding("refused alone", "one network", sentence(refusing[0]), batch))


def _judge_rows(verdict, graph, engine, batch, feeds, truth, whole):
    """Where the reference gives every image the same bits alone and in the batch, so does the fast engine."""
    if not 1 < batch <= MOST_ALONE or any(array.shape[:1] != (batch,) for array in (*feeds.values(), *truth.values())):
        return
    for i in range(batch):
        alone = {name: array[i : i + 1] for name, array in feeds.items()}
        exact = attempt(lambda alone=alone: reference.run(graph, alone))
        if isinstance(exact, Exception) or not all(_same(exact[name], truth[name][i : i + 1]) for name in truth):
            return  # images meet in this graph
        result = attempt(lambda alone=alone: engine.run(alone))
        if isinstance(result, Exception):
            return  # a graph whose images meet by its nodes, if not in these numbers
        for name in truth:
            if not _same(result[name], whole[name][i : i + 1]):
                verdict.findings.append(Finding("bits", "fast", f"{name}: image {i} has other bits alone", batch))
                return


def _same(a, b):
    """The same shape and bits, all NaN being one."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _beside(who, theirs):
    """Who refuses, and whether onnxruntime does not."""
    return f"{who} (onnxruntime computes it)" if isinstance(theirs, Mapping) else who


def _judge_stream(verdict, graph, feeds, truth, batch):
    """Tensor by tensor, the reference gives what it gives at the end."""
    shown = attempt(lambda: {name: y.copy() for name, y in reference.stream(graph, feeds)} if graph.nodes else {})
    if isinstance(shown, Exception):
        note(verdict, "reference stream", shown, batch)
        return
    compare(
        verdict,
        "reference stream",
        {name: y for name, y in truth.items() if name in shown},
        {name: y for name, y in shown.items() if name in truth},
        None,
        batch,
    )


def compare(verdict, who, truth, result, limit, batch, kind="wrong"):
    """Every output of one beside the reference; `limit` is None where the numbers must be equal."""
    if set(result) != set(truth):
        verdict.findings.append(Finding("shape", who, f"outputs {sorted(result)}, expected {sorted(truth)}", batch))
        return
    for name, expected in truth.items():
        actual = np.asarray(result[name])
        if actual.shape != expected.shape:
            what = f"{name}: shape {actual.shape}, the reference's {expected.shape}"
            verdict.findings.append(Finding("shape" if kind == "wrong" else "runtime shape", who, what, batch))
            continue
        if actual.dtype.kind != expected.dtype.kind:
            what = f"{name}: dtype {actual.dtype}, the reference's {expected.dtype}"
            verdict.findings.append(Finding("dtype" if kind == "wrong" else "runtime dtype", who, what, batch))
            continue
        error = np.zeros(expected.shape) if limit is None else limit[name].error
        decided = np.isfinite(error)
        verdict.compared += int(decided.sum())
        verdict.undecided += int((~decided).sum())
        with np.errstate(invalid="ignore", over="ignore"):
            gap = abs(actual.astype(np.float64) - expected.astype(np.float64))
        same = (
            (actual == expected) | (np.isnan(actual) & np.isnan(expected))
            if actual.dtype.kind == "f"
            else actual == expected
        )
        slack = 0 if limit is None or expected.dtype.kind != "f" else 2.0**-100
        bad = decided & ~same & ~(gap <= error + slack)
        if bad.any():
            worst = (
                np.unravel_index(np.argmax(np.where(bad, np.nan_to_num(gap, nan=np.inf), -1)), bad.shape)
                if bad.ndim
                else ()
            )
            what = (
                f"{name}{list(map(int, worst))}: {actual[worst]!r}, the reference's {expected[worst]!r}, bound {error[worst]:.3g}; "
                f"{int(bad.sum())} of {bad.size} elements"
            )
            verdict.findings.append(Finding(kind, who, what, batch))


def _judge_order(verdict, model, engine, first, path):
    """The same bits from the same graph in another order, in a file of its own: weights are read from files late."""
    batch, feeds = first
    path.write_bytes(model.SerializeToString())
    expected = attempt(lambda: engine.run(feeds))
    actual = attempt(lambda: fast.compile(read_model(path), threads=1).run(feeds))
    if isinstance(expected, Exception) != isinstance(actual, Exception):
        said = sentence(expected if isinstance(expected, Exception) else actual)
        verdict.findings.append(Finding("bits", "fast", f"computed in one order, in another not: {said}", batch))
    elif not isinstance(expected, Exception):
        for name in expected:
            if not _same(expected[name], actual[name]):
                apart = np.abs(np.float64(expected[name]) - np.float64(actual[name])).max()
                what = f"{name}: other bits in another order of nodes, at most {apart:.2g} apart"
                verdict.findings.append(Finding("bits", "fast", what, batch))
                return


def note(verdict, who, error, batch, *, alone=False):
    """A refusal in a sentence is counted; another exception, or one that only one engine has, is a finding."""
    if not isinstance(error, RefnetError):
        frame = [line for line in traceback.extract_tb(error.__traceback__) if "/refnet/" in line.filename]
        where = f"{Path(frame[-1].filename).name}:{frame[-1].name}" if frame else "?"
        verdict.findings.append(
            Finding("traceback", who, f"{type(error).__name__} in {where}: {general(str(error))}", batch)
        )
        return
    said = f"{who}: {sentence(error)}"
    if alone:
        stated = STATED["network" if who.startswith("network") else "fast"] + (STATED["fast"] if "fast" in who else ())
        if not any(re.search(pattern, str(error)) for pattern in stated):
            verdict.findings.append(Finding("refused alone", who, sentence(error), batch))
            return
    if said not in verdict.refused:
        verdict.refused.append(said)


def attempt(function):
    """What a function gives, or the exception it raises."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except Exception as error:
        return error


def sentence(error):
    """The first line of an error, without what differs from graph to graph."""
    lines = str(error).strip().splitlines()
    return general(lines[0]) if lines else type(error).__name__


def general(text):
    """A message without paths, names and numbers."""
    text = re.sub(r"\S*(graph|other)\.(onnx|xml): ", "", text)
    text = re.sub(r"'[^']*'", "'_'", text)
    text = re.sub(r"\[(?:[^][]|\[[^]]*\])*\]", "[_]", text)
    text = re.sub(r"\((?=[-\d])[^()]*\)", "(_)", text)
    text = re.sub(r"\b[xct]\d+\b", "_", text)
    return re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)[:200]


def _session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run_session(session, feeds):
    options = onnxruntime.RunOptions()
    options.log_severity_level = QUIET
    names = [output.name for output in session.get_outputs()]
    wanted = {entry.name for entry in session.get_inputs()}
    return dict(zip(names, session.run(names, {k: v for k, v in feeds.items() if k in wanted}, options), strict=True))


def operators(model):
    """The operators of a model, Constants aside."""
    return [node.op_type for node in model.graph.node if node.op_type != "Constant"]


def reordered(model, random):
    """The model with its nodes in another topological order."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    nodes = topological(list(model.graph.node), random)
    del other.graph.node[:]
    other.graph.node.extend(nodes)
    return other
