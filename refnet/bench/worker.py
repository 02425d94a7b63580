"""One runtime in a process of its own: told how often to run, it tells how long each run took.

Started by `side_by_side`. Reads lines from stdin, writes one line of JSON for each: first about itself, then a list of
seconds for every number of runs it is given.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from refnet.graph import Array
from refnet.runtimes import import_runtime

Run = Callable[[Array], Array]


def refnet_fast(model: Path, threads: int, _batch: int, **options: Any) -> Run:
    """The fast engine."""
    from refnet import fast
    from refnet.formats.onnx_reader import read_model

    graph = read_model(model)
    engine = fast.compile(graph, threads=threads, **options)
    return lambda images: engine.run({graph.inputs[0].name: images})[graph.outputs[0].name]


def refnet_fast_low(model: Path, threads: int, batch: int) -> Run:
    """The fast engine in its smaller form."""
    return refnet_fast(model, threads, batch, memory="low")


def onnxruntime(model: Path, threads: int, _batch: int) -> Run:
    """ONNX Runtime's CPU provider with all its optimisations."""
    ort = import_runtime("onnxruntime")

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def openvino(model: Path, threads: int, batch: int) -> Run:
    """OpenVINO's CPU plugin, fp32, for low latency."""
    ov = import_runtime("openvino")

    core = ov.Core()
    loaded = core.read_model(model)
    loaded.reshape([batch, *list(loaded.input(0).get_partial_shape())[1:]])
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(loaded, "CPU", settings).create_infer_request()
    return lambda images: np.array(request.infer([images], share_inputs=True)[0])


def ncnn(model: Path, threads: int, _batch: int) -> Run:
    """The library ncnn, fp32, with Winograd, image by image: it knows no batch."""
    library = import_runtime("ncnn")

    net = library.Net()
    net.opt.num_threads = threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    net.load_param(str(model))
    net.load_model(str(model.with_suffix(".bin")))
    name, output = net.input_names()[0], net.output_names()[0]

    def run(images: Array) -> Array:
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input(name, library.Mat(image).clone())
            results.append(np.array(extractor.extract(output)[1]).ravel())
        return np.stack(results)

    return run


def torch(model: Path, threads: int, batch: int) -> Run:
    """PyTorch on the CPU: the nodes as its own functions, traced, frozen, with convolutions and normalisations fused."""
    from refnet.bench.torch_form import torch_module
    from refnet.formats.onnx_reader import read_model

    library = import_runtime("torch")
    library.set_num_threads(threads)
    graph = read_model(model)
    module = torch_module(graph)
    shape = [batch, *(int(extent or 0) for extent in graph.inputs[0].shape[1:])]
    with library.inference_mode():
        traced = library.jit.trace(module, library.zeros(shape), check_trace=False)
        ready = library.jit.optimize_for_inference(library.jit.freeze(traced))

    def run(images: Array) -> Array:
        with library.inference_mode():
            result: Array = ready(library.from_numpy(images)).numpy()
            return result

    return run


def mnn(model: Path, threads: int, batch: int) -> Run:
    """Alibaba's MNN, fp32 (precision high), which has Winograd too."""
    library = import_runtime("MNN")

    interpreter = library.Interpreter(str(model))
    session = interpreter.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
    image = interpreter.getSessionInput(session)
    shape = (batch, *image.getShape()[1:])
    interpreter.resizeTensor(image, shape)
    interpreter.resizeSession(session)

    def run(images: Array) -> Array:
        given = library.Tensor(shape, library.Halide_Type_Float, images, library.Tensor_DimensionType_Caffe)
        image.copyFrom(given)
        interpreter.runSession(session)
        y = interpreter.getSessionOutput(session)
        out = np.zeros(y.getShape(), np.float32)
        taken = library.Tensor(y.getShape(), library.Halide_Type_Float, out, library.Tensor_DimensionType_Caffe)
        y.copyToHostTensor(taken)
        return np.array(taken.getNumpyData()).reshape(y.getShape())

    return run


RUNTIMES: dict[str, tuple[Callable[[Path, int, int], Run], str]] = {
    "refnet": (refnet_fast, "refnet"),
    "refnet-low": (refnet_fast_low, "refnet"),
    "onnxruntime": (onnxruntime, "onnxruntime"),
    "openvino": (openvino, "openvino"),
    "ncnn": (ncnn, "ncnn"),
    "torch": (torch, "torch"),
    "mnn": (mnn, "MNN"),
}


def main(name: str, model: str, threads: str, batch: str, images_path: str, output_path: str) -> None:
    """Make a runtime ready, run it once, save what it computed, and then follow orders."""
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is not ours to say
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-int(threads) :])
    make, package = RUNTIMES[name]
    images = np.load(images_path)
    begun = time.perf_counter()
    try:
        run = make(Path(model), int(threads), int(batch))
        np.save(output_path, run(images))
    except Exception as error:  # a peer that cannot run this model is left out: any reason will do
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), file=reply, flush=True)
        return
    about = {
        "version": _version(package),
        "start_seconds": time.perf_counter() - begun,
        "peak_mib": _peak_mib(),
    }
    print(json.dumps(about), file=reply, flush=True)
    for line in sys.stdin:
        run(images)
        seconds = []
        for _ in range(int(line)):
            begun = time.perf_counter()
            run(images)
            seconds.append(time.perf_counter() - begun)
        print(json.dumps(seconds), file=reply, flush=True)


def _peak_mib() -> float:
    """The most memory that was resident in this process; getrusage would count what it was forked from."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _version(package: str) -> str:
    """As installed, or as it is in the checkout."""
    if package == "refnet":
        import refnet

        return refnet.__version__
    return version(package)


if __name__ == "__main__":
    main(*sys.argv[1:])
