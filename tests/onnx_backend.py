"""The backend tests that the onnx package carries, run by both engines through the reader that users have.

`python -m tests.onnx_backend` prints the tally as a section of docs/validation.md. Every case of which refnet implements
every operator is run as it stands, and, where it has several inputs, once more with all inputs but the first stored in the
file, as weights are.
"""

import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
from onnx import numpy_helper
from onnx.backend.test import loader

import refnet.fast
from refnet import RefnetError, reference
from refnet.formats.onnx_dialect import RULES
from refnet.formats.onnx_reader import OPSETS
from refnet.formats.reading import read_model
from refnet.graph import Array, Graph

ENGINES = ("reference", "fast")
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
ROUNDINGS = 64  # an output may be off by so many, each relative to the largest number of that output
PRINTED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}  # the package has four decimals of these
UNIT = 2.0**-24  # of float32: of the fast engine, and of the weights that the reader keeps


@dataclass(frozen=True)
class Case:
    """A model, what goes in and what must come out; `stored` are inputs that lie in the file."""

    name: str
    model: onnx.ModelProto
    feeds: Mapping[str, Array]
    expected: Mapping[str, Array]
    stored: bool = False

    def __str__(self) -> str:
        return f"{self.name}{' with its weights stored' if self.stored else ''}"

    @property
    def op(self) -> str:
        """The operator it is about."""
        return next((node.op_type for node in self.model.graph.node if node.op_type != "Constant"), "Constant")


@dataclass(frozen=True)
class Outcome:
    """What an engine made of a case: "pass", "refused" or "wrong", and the sentence that says why."""

    case: str
    op: str
    engine: str
    verdict: str
    reason: str = ""


@cache
def cases() -> tuple[tuple[Case, ...], int]:
    """The cases of which refnet implements every operator, and how many others there are."""
    found, others = [], 0
    for case in _cases():
        if {(node.domain, node.op_type) for node in case.model.graph.node} <= {("", op) for op in (*RULES, "Constant")}:
            found.append(case)
            if len(case.feeds) > 1 and all(array.dtype.kind in "fiub" for array in case.feeds.values()):
                found.append(_with_stored_inputs(case))
        else:
            others += 1
    return tuple(found), others


def _cases() -> Iterator[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, where the package computes what it expects
        tests = [test for kind in KINDS for test in loader.load_model_tests(kind=kind)]
    for test in sorted(tests, key=lambda test: test.name):
        if test.model_dir is None:
            for inputs, outputs in test.data_sets:
                yield _case(test.name, test.model, inputs, outputs)
        else:
            model = _of_readable_opset(onnx.load(Path(test.model_dir) / "model.onnx"))
            for folder in sorted(Path(test.model_dir).glob("test_data_set_*")):
                yield _case(test.name, model, *(_stored_arrays(folder, side) for side in ("input", "output")))


def _of_readable_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, brought to opset 8 if it is older, as the reader's error advises; as it is where that is impossible."""
    try:
        return onnx.version_converter.convert_version(model, 8) if model.opset_import[0].version < OPSETS[0] else model
    except RuntimeError:
        return model


def _case(name: str, model: onnx.ModelProto, inputs: list[object], outputs: list[object]) -> Case:
    initializers = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in initializers]
    expected = dict(zip((value.name for value in model.graph.output), map(_plain, outputs), strict=False))
    return Case(name, model, dict(zip(names, map(_plain, inputs), strict=False)), expected)


def _plain(value: object) -> Array:
    """An array, of whatever the package keeps it as; one of objects for a sequence, which no operator of refnet's takes."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value, dtype=None if isinstance(value, np.ndarray | np.generic) else object)


def _stored_arrays(folder: Path, side: str) -> list[object]:
    paths = sorted(folder.glob(f"{side}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [onnx.TensorProto.FromString(path.read_bytes()) for path in paths]


def _with_stored_inputs(case: Case) -> Case:
    """The case with all its inputs but the first as initializers."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    first, *rest = case.feeds
    kept = [value for value in model.graph.input if value.name not in rest]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(case.feeds[name], name) for name in rest)
    return Case(case.name, model, {first: case.feeds[first]}, case.expected, stored=True)


@cache
def outcomes() -> tuple[Outcome, ...]:
    """What both engines make of every case."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(outcome for case in cases()[0] for outcome in _outcomes(case, Path(folder) / "model.onnx"))


def _outcomes(case: Case, path: Path) -> Iterator[Outcome]:
    path.write_bytes(case.model.SerializeToString())
    try:
        graph = read_model(path)
    except RefnetError as error:
        for engine in ENGINES:
            yield Outcome(str(case), case.op, engine, "refused", _reason(error))
        return
    for engine in ENGINES:
        try:
            wrong = _difference(case, _run(graph, case.feeds, engine), engine)
            yield Outcome(str(case), case.op, engine, "wrong" if wrong else "pass", wrong)
        except RefnetError as error:
            yield Outcome(str(case), case.op, engine, "refused", _reason(error))
        except Exception as error:
            yield Outcome(str(case), case.op, engine, "wrong", f"{type(error).__name__}: {error}")


def _run(graph: Graph, feeds: Mapping[str, Array], engine: str) -> dict[str, Array]:
    if engine == "reference":
        return reference.run(graph, feeds)
    return refnet.fast.compile(graph, threads=1).run(feeds)


def _difference(case: Case, results: Mapping[str, Array], engine: str) -> str:
    """What is wrong with the results, empty if nothing is."""
    for name, expected in case.expected.items():
        if name not in results:
            return f"{name} is missing"
        actual = results[name]
        floats = expected.dtype.kind == "f"
        dtype = expected.dtype if not floats else np.dtype(np.float64 if engine == "reference" else np.float32)
        if (actual.dtype, actual.shape) != (dtype, expected.shape):
            return f"{name} is {actual.dtype} {actual.shape}; expected {dtype} {expected.shape}"
        if not _agree(actual, expected, PRINTED.get(case.name, 0)):
            return f"{name} is {actual.reshape(-1)[:6]}; expected {expected.reshape(-1)[:6]}"
    return ""


def _agree(actual: Array, expected: Array, printed: float) -> bool:
    """Integers equal; floats within `ROUNDINGS` of the expected dtype, or of float32 or what is printed if that is coarser."""
    if expected.dtype.kind != "f":
        return np.array_equal(actual, expected)
    wide, finite = expected.astype(np.float64), np.isfinite(expected)
    unit = max(float(np.finfo(expected.dtype).eps) / 2, UNIT)
    bound = max(ROUNDINGS * unit * abs(wide[finite]).max(initial=0), printed)
    return np.array_equal(actual[~finite], wide[~finite], equal_nan=True) and bool(
        (abs(actual[finite] - wide[finite]) <= bound).all()
    )


def _reason(error: RefnetError) -> str:
    """An error's sentence without what is particular to the case."""
    sentence = re.sub(r"^\S*model\.onnx: ", "", str(error))
    sentence = re.sub(r"^node '[^']*' \((\w+)\): ", r"\1: ", sentence)
    sentence = re.sub(r"'[^']*'|\([\d, -]*\)|(?<!\w)-?\d[\d.e+-]*(?!\w)|\[[\d, .e+-]*\]", "…", sentence)
    return sentence.split(";")[0]


def section() -> Iterator[str]:
    """The tally in Markdown."""
    found, others = cases()
    tally = Counter((outcome.engine, outcome.verdict) for outcome in outcomes())
    whole = sum(not case.stored for case in found)
    yield "## The ONNX backend tests"
    yield ""
    yield f"The onnx {onnx.__version__} package carries tests of kinds {', '.join(KINDS)}. refnet implements every operator of {whole} of them"
    yield f"({others} others have an operator that it does not), and reads these from files; {len(found) - whole} of several inputs once more, with all"
    yield "but the first stored as weights. Those of opset 6 are brought to 8 by onnx.version_converter. Dtypes, shapes and integers must be equal, and floats within"
    yield f"{ROUNDINGS} roundings of the dtype, relative to the largest number of the output (`tests/onnx_backend.py`)."
    yield ""
    yield "| engine | pass | refused | wrong |"
    yield "|---|---|---|---|"
    for engine in ENGINES:
        yield f"| {engine} | {tally[engine, 'pass']} | {tally[engine, 'refused']} | {tally[engine, 'wrong']} |"
    yield ""
    yield "Why cases are refused, in the words of the error:"
    yield ""
    yield "| reason | reference | fast |"
    yield "|---|---|---|"
    reasons = Counter((outcome.reason, outcome.engine) for outcome in outcomes() if outcome.verdict == "refused")
    for reason in sorted({reason for reason, _ in reasons}):
        yield f"| {reason} | {reasons[reason, 'reference']} | {reasons[reason, 'fast']} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(section()) + "\n")
