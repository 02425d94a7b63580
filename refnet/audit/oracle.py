"""ONNX Runtime as a witness: every tensor of a model file, and the outputs, as that runtime computes them.

The file is read by the onnx package and handed over as it is, past refnet's own reader, so that a mistake there cannot
be shared. What ONNX Runtime cannot run as shipped is repaired in a copy in memory, and said (`notes`).

The tensors and the outputs come from different sessions. A tensor that an optimiser fuses away cannot be looked at, so
for the tensors the optimisations are off, and the model is run in slices of a few nodes, each a small model fed by the
one before: the numbers are those of the whole (each node runs the same kernel on the same input), but beside the file
itself only a slice's outputs, and the runtime's own copy of a slice's weights, are in memory. The outputs come from one
session with the optimisations that its users have, made when the file is let go; their last bits differ from those of
the tensors.
"""

from collections.abc import Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from refnet.audit.repair import Repaired, repaired
from refnet.errors import MissingExtraError, ModelError
from refnet.graph import Array
from refnet.runtimes import import_runtime

SLICE = 16  # nodes a session: enough that creating sessions costs little beside running them
IMAGES = 4  # images at a time: bounds memory
QUIET = 4  # onnxruntime's log severity: fatal only; what it would say is raised as well


class OnnxRuntime:
    """A model file, as ONNX Runtime computes it on the CPU.

    Parameters
    ----------
    path : path of an ONNX file
    threads : int, optional
        Of each session; by default as many as onnxruntime chooses.

    Attributes
    ----------
    name : "onnxruntime" and its version.
    notes : one sentence for each thing that was changed in the copy that runs, or done otherwise than for others.
    at_once : how many images it is given at once, at most.
    winograd : False; its convolutions on the CPU are sums of products.
    tensor_names : what every node of the file makes.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    ModelError
        If the onnx package cannot read the file, or, later, onnxruntime cannot run it.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        try:
            onnxruntime = import_runtime("onnxruntime")  # an extra, and slow to import
        except ImportError:
            raise MissingExtraError(
                "comparing with onnxruntime needs onnxruntime, which is not installed; pip install 'refnet[oracle]'"
            ) from None
        self._runtime = onnxruntime
        self._path = Path(path)
        self._threads = threads
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self.notes = self._file.repairs
        self.at_once = IMAGES
        self.winograd = False
        if self._file.locked_by:
            self.at_once = 1
            self.notes += (f"node {self._file.locked_by!r} (Reshape) fixes the batch: images were given one at a time",)
        self.tensor_names = frozenset(name for node in self._file.model.graph.node for name in node.output if name)

    @cached_property
    def _file(self) -> Repaired:
        """The file's contents, repaired; read again if they were let go."""
        return repaired(self._path)

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names in the file's order.

        Parameters
        ----------
        images : (N, ...) float32
            At most `at_once`.
        names : tensor names

        Yields
        ------
        (name, array), one slice of the graph in memory at a time.
        """
        model = self._file.model
        nodes = _ordered(model.graph)
        weights = {tensor.name: tensor for tensor in model.graph.initializer}
        live = {_input_name(model.graph): images}
        for start in range(0, len(nodes), SLICE):
            part, rest = nodes[start : start + SLICE], nodes[start + SLICE :]
            made = [name for node in part for name in node.output if name]
            later = {name for node in rest for name in node.input}
            asked = [name for name in made if name in names or name in later]
            if asked:
                session = self._session(_slice(model, part, weights, live, asked), optimised=False)
                feeds = {entry.name: live[entry.name] for entry in session.get_inputs() if entry.name in live}
                live |= zip(asked, self._run(session, asked, feeds), strict=True)
                del session, feeds
            for name in asked:
                if name in names:
                    yield name, live[name]
            live = {name: array for name, array in live.items() if name in later}

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """Compute outputs of the graph as users of onnxruntime get them, optimised; any number of images."""
        source = _input_name(self._file.model.graph)
        asked = [output.name for output in self._file.model.graph.output if output.name in names]
        payload = self._file.model.SerializeToString() if self._file.repairs else str(self._path)
        del self._file  # the session makes its own copy of every weight: two are enough
        session = self._session(payload, optimised=True)
        del payload
        parts = [
            self._run(session, asked, {source: images[i : i + self.at_once]})
            for i in range(0, len(images), self.at_once)
        ]
        return {name: np.concatenate(arrays) for name, arrays in zip(asked, zip(*parts, strict=True), strict=True)}

    def _session(self, payload: bytes | str, *, optimised: bool) -> Any:
        """A session on the CPU."""
        options = self._runtime.SessionOptions()
        options.log_severity_level = QUIET
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        if not optimised:
            options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.enable_cpu_mem_arena = False
        try:
            return self._runtime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise self._refusal(error) from error

    def _run(self, session: Any, names: Sequence[str], feeds: dict[str, Array]) -> list[Array]:
        """Run a session without its own words on stderr."""
        options = self._runtime.RunOptions()
        options.log_severity_level = QUIET
        try:
            results: list[Array] = session.run(list(names), feeds, options)
        except Exception as error:
            raise self._refusal(error) from error
        return results

    def _refusal(self, error: Exception) -> ModelError:
        """What onnxruntime says, as refnet's error."""
        lines = str(error).strip().splitlines()
        return ModelError(f"{self.name} cannot run {self._path}: {lines[0] if lines else type(error).__name__}")


def _input_name(graph: Any) -> str:
    """The image input: the one input that is no weight."""
    weights = {tensor.name for tensor in graph.initializer}
    name: str = next(entry.name for entry in graph.input if entry.name not in weights)
    return name


def _ordered(graph: Any) -> list[Any]:
    """The nodes, each after those it reads, otherwise in the file's order."""
    made = {entry.name for entry in graph.input} | {tensor.name for tensor in graph.initializer} | {""}
    ordered: list[Any] = []
    waiting = list(graph.node)
    while waiting:
        ready = []
        for node in waiting:
            if made.issuperset(node.input):
                made.update(node.output)
                ready.append(node)
        if not ready:
            raise ModelError(f"node {waiting[0].name!r} reads a tensor that nothing makes before it")
        ordered += ready
        done = {id(node) for node in ready}
        waiting = [node for node in waiting if id(node) not in done]
    return ordered


def _slice(
    model: Any, nodes: Sequence[Any], weights: dict[str, Any], live: dict[str, Array], asked: Sequence[str]
) -> bytes:
    """A model of these nodes alone: their weights, and as inputs the live tensors they read."""
    import onnx

    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    part.graph.name = model.graph.name or "slice"
    part.graph.node.extend(nodes)
    for name in dict.fromkeys(name for node in nodes for name in node.input):
        if name in weights:
            part.graph.initializer.append(weights[name])
        elif name in live:
            kind = onnx.helper.np_dtype_to_tensor_dtype(live[name].dtype)
            part.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, live[name].shape))
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    payload: bytes = part.SerializeToString()
    return payload
