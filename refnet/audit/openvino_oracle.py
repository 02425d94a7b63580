"""OpenVINO as an oracle: it reads an .xml by itself and gives out every tensor, for comparison with ours.

Asking for a tensor keeps OpenVINO from fusing it away, so tensors come from runs of their own; outputs come from a run
as users get it. Both are in float32 (`INFERENCE_PRECISION_HINT`), on the CPU.
"""

from collections.abc import Iterator, Set
from functools import cached_property
from typing import Any

import numpy as np

from refnet.errors import MissingExtraError, ModelError
from refnet.graph import Array, Graph
from refnet.runtimes import import_runtime

IMAGES = 2  # at once, where the file leaves it open: every tensor of all of them is held


class OpenVino:
    """The model of a graph that was read from an .xml, as OpenVINO reads and runs it.

    Attributes
    ----------
    name : "openvino" and its version.
    notes : nothing was changed, so there are none.
    at_once : how many images it is given at once, at most.
    winograd : True; which algorithm its library takes is not said.
    tensor_names : what every layer of the file makes, by the names of refnet's graph.

    Raises
    ------
    MissingExtraError
        If openvino is not installed.
    ModelError
        If the graph was not read from an .xml, or OpenVINO cannot read or run it.
    """

    def __init__(self, graph: Graph):
        if graph.source.format != "openvino":
            raise ModelError(
                f"{graph.source.path}: OpenVINO is compared with on its own models; make one with 'refnet convert'"
            )
        try:
            self._runtime: Any = import_runtime("openvino")  # an extra, and slow to import
        except ImportError:
            raise MissingExtraError(
                "comparing with OpenVINO needs openvino, which is not installed; pip install 'refnet[openvino]'"
            ) from None
        self._path = str(graph.source.path)
        self._made = [node.output for node in graph.nodes]
        self._outputs = [tensor.name for tensor in graph.outputs]
        self.name = f"openvino {self._runtime.__version__.split('-')[0]}"
        self.notes: tuple[str, ...] = ()
        self.winograd = True
        self.at_once = graph.inputs[0].shape[0] or IMAGES

    @cached_property
    def tensor_names(self) -> frozenset[str]:
        """The tensors of the graph that OpenVINO also finds in the file."""
        return frozenset(self._made) & self._places(self._read()).keys()

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names in the file's order; at most `at_once` images."""
        wanted = [name for name in self._made if name in names and name in self.tensor_names]
        model = self._read()
        places = self._places(model)
        only = self._runtime.Model([places[name] for name in wanted], model.get_parameters())
        # All in one run: a tensor is judged by the tensors it was made from, and another run may round these otherwise.
        yield from zip(wanted, self._infer(self._compiled(only), images), strict=True)

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """Compute outputs of the graph as users of OpenVINO get them; any number of images."""
        compiled = self._compiled(self._read())
        parts = [self._infer(compiled, images[i : i + self.at_once]) for i in range(0, len(images), self.at_once)]
        whole = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return {name: array for name, array in zip(self._outputs, whole, strict=True) if name in names}

    def _read(self) -> Any:
        """The file as OpenVINO reads it."""
        try:
            return self._runtime.Core().read_model(self._path)
        except Exception as error:
            raise self._refusal(error) from error

    def _places(self, model: Any) -> dict[str, Any]:
        """Where each tensor is made: by the names of its port, and else by its layer's name, as our reader has it."""
        places: dict[str, Any] = {}
        for layer in model.get_ordered_ops():
            for output in layer.outputs():
                for name in output.get_names() or {layer.get_friendly_name()}:
                    places[name] = output
        return places

    def _compiled(self, model: Any) -> Any:
        """The model made ready, in float32."""
        try:
            return self._runtime.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except Exception as error:
            raise self._refusal(error) from error

    def _infer(self, compiled: Any, images: Array) -> list[Array]:
        """Its results in their order."""
        try:
            results = compiled([np.ascontiguousarray(images)])
        except Exception as error:
            raise self._refusal(error) from error
        return [np.array(results[i]) for i in range(len(compiled.outputs))]

    def _refusal(self, error: Exception) -> ModelError:
        """What OpenVINO says, as refnet's error."""
        lines = str(error).strip().splitlines()
        return ModelError(
            f"{self.name} cannot run {self._path}: {lines[-1].strip() if lines else type(error).__name__}"
        )
