"""onnxruntime's `InferenceSession`, computed by refnet.

    import refnet.compat.onnxruntime as onnxruntime

The calls are those of onnxruntime/python/onnxruntime_inference_collection.py. On purpose different: any number of images
is taken, whatever batch the file declares; pixels outside 0..255 are refused where the graph scales them itself; an
embedding is the same bits in every batch and with every number of threads. Computes on the CPU only, floats only.
"""

import enum
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.graph import Array, Tensor
from refnet.network import Network, load

PROVIDERS = ["CPUExecutionProvider"]
TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "float16": "tensor(float16)",
    "int64": "tensor(int64)",
    "int32": "tensor(int32)",
    "uint8": "tensor(uint8)",
    "int8": "tensor(int8)",
    "bool": "tensor(bool)",
}
SERVED = (
    "run, get_inputs, get_outputs, get_providers, set_providers, get_session_options, disable_fallback, enable_fallback"
)


class InvalidArgument(InputError, ValueError):  # noqa: N818  (their name)
    """What was fed or asked for does not fit the model; onnxruntime raises an error of this name, or ValueError."""


class GraphOptimizationLevel(enum.IntEnum):
    """Taken and without effect: refnet simplifies a graph in one way."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """Taken and without effect: refnet computes one layer after another."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class SessionOptions:
    """Options of a session.

    `intra_op_num_threads` is the number of threads, 0 for one a usable core. Options that cannot change a number here
    (optimisation, memory patterns, logging, inter-op threads) are taken and have no effect; all others are refused.
    """

    _WITHOUT_EFFECT = frozenset(
        {
            "enable_cpu_mem_arena",
            "enable_mem_pattern",
            "enable_mem_reuse",
            "execution_mode",
            "execution_order",
            "graph_optimization_level",
            "inter_op_num_threads",
            "log_severity_level",
            "log_verbosity_level",
            "logid",
            "use_deterministic_compute",
        }
    )

    def __init__(self) -> None:
        self.intra_op_num_threads = 0

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "intra_op_num_threads" and name not in self._WITHOUT_EFFECT:
            raise UsageError(f"session option {name} is not one that refnet serves or can leave without effect")
        if name == "intra_op_num_threads" and (not isinstance(value, int) or value < 0):
            raise UsageError(f"intra_op_num_threads is {value!r}; expected a number of threads, 0 for all cores")
        super().__setattr__(name, value)


@dataclass(frozen=True)
class NodeArg:
    """An input or output: its name, its type in onnxruntime's words, its extents, None where the file leaves one free."""

    name: str
    type: str
    shape: list[int | None]


class InferenceSession:
    """A model, ready to run.

    Parameters
    ----------
    path_or_bytes : path of an ONNX file, or its bytes
    sess_options : SessionOptions, optional
    providers : names, or pairs of name and options, optional
        Others than the CPU's are warned about, as onnxruntime does where it lacks them, and not used.
    provider_options : optional
        Taken, without effect.

    Raises
    ------
    ModelError
        If the file is missing, damaged, not a model, or asks for something refnet does not implement.
    UsageError
        If an argument is none that refnet serves.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str] | bytes,
        sess_options: SessionOptions | None = None,
        providers: Sequence[str | tuple[str, Mapping[str, Any]]] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,  # noqa: ARG002  (theirs; none here to set)
        **arguments: Any,
    ) -> None:
        if arguments:
            raise UsageError(f"InferenceSession takes no argument {', '.join(arguments)} in refnet")
        if sess_options is not None and not isinstance(sess_options, SessionOptions):
            raise UsageError(
                f"sess_options are {type(sess_options).__module__}.{type(sess_options).__name__}; "
                "expected refnet.compat.onnxruntime.SessionOptions"
            )
        self.set_providers(providers)
        self._options = sess_options or SessionOptions()
        self._network = _load(path_or_bytes, self._options.intra_op_num_threads or None)
        self._inputs = [_node_arg(tensor) for tensor in self._network.graph.inputs]
        self._outputs = [_node_arg(tensor) for tensor in self._network.graph.outputs]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"refnet's InferenceSession has no {name!r}; it has {SERVED}")

    @property
    def network(self) -> Network:
        """What computes: refnet's own interface to the same model."""
        return self._network

    def get_inputs(self) -> list[NodeArg]:
        """The inputs as the file declares them."""
        return self._inputs

    def get_outputs(self) -> list[NodeArg]:
        """The outputs as the file declares them, in its order."""
        return self._outputs

    def get_session_options(self) -> SessionOptions:
        """The options the session was made with."""
        return self._options

    def get_providers(self) -> list[str]:
        """Always the CPU's."""
        return list(PROVIDERS)

    def set_providers(
        self,
        providers: Sequence[str | tuple[str, Mapping[str, Any]]] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,  # noqa: ARG002  (theirs; none here to set)
    ) -> None:
        """Warn about providers that are not here; the CPU's stays."""
        if isinstance(providers, str):
            raise UsageError(f"providers are {providers!r}; expected a list of names")
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers or ()]
        absent = [name for name in names if name not in PROVIDERS]
        if absent:
            warnings.warn(f"{', '.join(absent)} not available; refnet computes on the CPU", UserWarning, stacklevel=3)

    def disable_fallback(self) -> None:
        """Nothing to do: there is one provider."""

    def enable_fallback(self) -> None:
        """Nothing to do: there is one provider."""

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: None = None
    ) -> list[Array]:
        """Compute outputs.

        Parameters
        ----------
        output_names : names, in the order wanted, repeated if wanted; all, in the file's order, if None or empty
        input_feed : {input: (N, ...)}
            Of the dtype that the file declares: an array of another is refused, not converted, as in onnxruntime; a
            list is converted. N may be any number.
        run_options : None

        Returns
        -------
        One array an output, float32.

        Raises
        ------
        InvalidArgument
            If a name is unknown, an input is missing, or has another dtype, rank or extent.
        InputError
            If a value is not finite, or lies outside 0..255 where the graph scales pixels itself.
        """
        if run_options is not None:
            raise UsageError("refnet's run takes no run_options")
        names = self._wanted(output_names)
        outputs = self._network.run(self._fed(input_feed))
        return [outputs[name] for name in names]

    def _wanted(self, output_names: Sequence[str] | None) -> list[str]:
        """The outputs asked for."""
        known = [output.name for output in self._outputs]
        if isinstance(output_names, str):
            raise InvalidArgument(f"output names are {output_names!r}; expected a list of names, or None for all")
        for name in output_names or ():
            if name not in known:
                raise InvalidArgument(f"Invalid output name: {name}; the model has {', '.join(known)}")
        return list(output_names or known)

    def _fed(self, feed: Mapping[str, Any]) -> Array:
        """The one input, checked against what the file declares."""
        (declared,) = self._inputs
        if declared.name not in feed:
            raise InvalidArgument(f"Required inputs (['{declared.name}']) are missing from input feed ({list(feed)}).")
        if unknown := [name for name in feed if name != declared.name]:
            raise InvalidArgument(f"Invalid input name: {unknown[0]}; the model has {declared.name}")
        given = feed[declared.name]
        dtype = next(name for name, words in TYPES.items() if words == declared.type)
        x: Array = given if isinstance(given, np.ndarray) else np.asarray(given, dtype=dtype)
        actual = TYPES.get(x.dtype.name, x.dtype.name)
        if actual != declared.type:
            raise InvalidArgument(
                f"Unexpected input data type. Actual: ({actual}) , expected: ({declared.type}). "
                f"Give images.astype(numpy.{dtype})."
            )
        if x.ndim != len(declared.shape):
            raise InvalidArgument(
                f"Invalid rank for input: {declared.name} Got: {x.ndim} Expected: {len(declared.shape)}"
            )
        wrong = [
            f"index: {i} Got: {got} Expected: {extent}"
            for i, (got, extent) in enumerate(zip(x.shape, declared.shape, strict=True))
            if i > 0 and extent not in (None, got)
        ]
        if wrong:
            raise InvalidArgument(f"Got invalid dimensions for input: {declared.name} {', '.join(wrong)}")
        return x


def get_available_providers() -> list[str]:
    """Always the CPU's."""
    return list(PROVIDERS)


def get_device() -> str:
    """Always the CPU."""
    return "CPU"


def set_default_logger_severity(severity: int) -> None:
    """Nothing to do: refnet logs nothing."""


def _load(model: str | os.PathLike[str] | bytes, threads: int | None) -> Network:
    """Read a model from its file, or from its bytes by way of a file."""
    if not isinstance(model, bytes):
        return load(os.fspath(model), threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        graph = load(path).graph
        kept = replace(graph, constants=dict(graph.constants))  # the file is gone when weights are asked for
    return Network(kept, threads=threads, cache=True)


def _node_arg(tensor: Tensor) -> NodeArg:
    """A tensor in onnxruntime's words."""
    return NodeArg(tensor.name, TYPES.get(tensor.dtype, tensor.dtype), list(tensor.shape))
