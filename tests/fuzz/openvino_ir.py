"""The same for OpenVINO IR: a graph is written by refnet, and read by OpenVINO and by refnet."""

from functools import cache
from pathlib import Path

import numpy as np
import openvino

from refnet import fast, reference
from refnet.formats.openvino_writer import write_openvino
from refnet.formats.reading import read_model
from tests.fuzz.bounds import bounds
from tests.fuzz.judging import Finding, Verdict, attempt, compare, general, note

# What refnet writes: the graphs for this comparison are grown of little else.
OPERATORS = (
    "Add", "BatchNormalization", "Conv", "Div", "Dropout", "Flatten", "Gemm", "Identity", "MatMul", "Mul", "PRelu", "Relu",
    "Reshape", "Sigmoid", "Sub",
)  # fmt: skip


def judged_ir(model, batches_and_feeds, folder):
    """Write a model as IR and run what was written.

    Parameters
    ----------
    model : onnx.ModelProto
    batches_and_feeds : iterable of (batch, {input: array})
    folder : Path

    Returns
    -------
    Verdict
        The reference of the ONNX file judges: refnet's reading of the IR by reference and fast engine, and OpenVINO in
        float32. What refnet wrote is not judged by OpenVINO where that has a known fault, or computes the ONNX file as
        wrongly.
    """
    verdict = Verdict()
    path, xml = Path(folder) / "graph.onnx", Path(folder) / "graph.xml"
    path.write_bytes(model.SerializeToString())
    graph = attempt(lambda: read_model(path))
    if isinstance(graph, Exception):
        note(verdict, "reader", graph, 0)
        return verdict
    written = attempt(lambda: write_openvino(graph, xml))
    if isinstance(written, Exception):
        note(verdict, "writer", written, 0)
        return verdict
    again = attempt(lambda: read_model(xml))
    if isinstance(again, Exception):
        note(verdict, "reader of its own IR", again, 0, alone=True)
    theirs = attempt(lambda: _core().read_model(str(xml)))
    if isinstance(theirs, Exception):
        said = [line for line in str(theirs).splitlines() if line.strip()][-1]
        verdict.findings.append(Finding("refused alone", "OpenVINO", general(said)))
    elif _strides_and_pads(theirs):
        theirs = RuntimeError("it moves the stride of a 1 x 1 convolution before the padding")
    compiled = (
        theirs if isinstance(theirs, Exception) else attempt(lambda: _core().compile_model(theirs, "CPU", _OPTIONS))
    )
    if isinstance(compiled, Exception):  # a limit of its plugin: the file is sound
        verdict.not_judged.append(f"OpenVINO: {general(' '.join(str(compiled).split()))}")
    engine = again if isinstance(again, Exception) else attempt(lambda: fast.compile(again, threads=1))
    for batch, feeds in batches_and_feeds:
        truth = attempt(lambda feeds=feeds: reference.run(graph, feeds))
        if isinstance(truth, Exception):
            note(verdict, "reference", truth, batch)
            continue
        limit = bounds(graph, feeds, "onnxruntime")
        if not isinstance(again, Exception):
            for who, run in {
                "IR reference": lambda f: reference.run(again, f),
                "IR fast": lambda f: engine.run(f),
            }.items():
                failed = isinstance(engine, Exception) and who == "IR fast"
                result = engine if failed else attempt(lambda run=run, feeds=feeds: run(feeds))
                if isinstance(result, Exception):
                    note(verdict, who, result, batch, alone=True)
                else:
                    widened = bounds(graph, feeds, "fast") if who == "IR fast" else limit
                    compare(verdict, who, truth, result, widened, batch)
        if isinstance(compiled, Exception):
            continue
        result = attempt(lambda feeds=feeds: _run(compiled, feeds, [tensor.name for tensor in graph.outputs]))
        if isinstance(result, Exception):
            verdict.not_judged.append(f"OpenVINO: {general(' '.join(str(result).split()))}")
            continue
        of_ir = Verdict()
        compare(of_ir, "OpenVINO", truth, result, limit, batch)
        if of_ir.findings and _wrong_without_refnet(path, feeds, truth, limit):
            verdict.not_judged.append("OpenVINO: it computes the ONNX file as wrongly")
            continue
        verdict.findings += of_ir.findings
        verdict.compared += of_ir.compared
        verdict.undecided += of_ir.undecided
    return verdict


def _strides_and_pads(model):
    """Whether a 1 x 1 convolution of an OpenVINO model has a stride and padding.

    The transformation StridesOptimization moves such a stride to the node before, where the padding does not yet count:
    OpenVINO 2026.4.1 computes another shape than it infers, does not compile, or crashes, also of the ONNX file.
    """
    for node in model.get_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution") and list(node.input_value(1).shape)[-2:] == [
            1,
            1,
        ]:
            said = node.get_attributes()
            if max(said["strides"]) > 1 and any((*said["pads_begin"], *said["pads_end"])):
                return True
    return False


def _wrong_without_refnet(path, feeds, truth, limit):
    """Whether OpenVINO's own reading of the ONNX file differs from the reference as well.

    Seen of OpenVINO 2026.4.1: integers rounded by way of float32, and a slope of one value a channel that is merged into
    a MatMul of four axes as one value a column, where there are as many.
    """
    verdict = Verdict()
    own = attempt(lambda: _run(_core().compile_model(str(path), "CPU", _OPTIONS), feeds, list(truth)))
    if not isinstance(own, Exception):
        compare(verdict, "OpenVINO", truth, own, limit, 0)
    return bool(verdict.findings)


_OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}


@cache
def _core():
    return openvino.Core()


def _run(compiled, feeds, names):
    """Its results in their order, which is that of the graph's outputs."""
    results = compiled([np.ascontiguousarray(array) for array in feeds.values()])
    return {name: np.array(results[i]) for i, name in enumerate(names)}
