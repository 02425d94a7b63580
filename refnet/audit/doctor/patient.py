"""A model file on the table: as bytes, as the onnx package parses it, as refnet reads it. Each is made when first asked.

A file that refnet refuses is still a patient: what can be said of it is said from its bytes.
"""

import mmap
import os
from functools import cached_property
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from refnet.audit.doctor.weight_figures import WeightFigures, weight_figures
from refnet.errors import ModelError
from refnet.files import sha256
from refnet.formats.disguises import refuse_other_files
from refnet.formats.onnx_reader import names
from refnet.formats.wire import Span, split
from refnet.graph import Graph
from refnet.network import Network, load
from refnet.opening import open_regular

INLINE_BYTES = 4096  # weights up to a page stay in the skeleton


class Patient:
    """One model file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ModelError
        If there is no file at all.
    """

    def __init__(self, path: Path):
        try:
            with open_regular(path) as file:
                self.size_bytes = os.fstat(file.fileno()).st_size
        except OSError:
            _refuse(path)
        self.path = path

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return sha256(self.path)

    @cached_property
    def disguise(self) -> str:
        """What the file is instead of a model, as its first bytes show; empty if they do not."""
        if self.path.suffix.lower() == ".xml":
            return ""
        try:
            refuse_other_files(self.path)
        except ModelError as error:
            return str(error)
        return ""

    @property
    def skeleton(self) -> onnx.ModelProto | None:
        """The file as the onnx package parses it, without its large weights; None if it is not ONNX."""
        return self._parsed[0]

    @property
    def spans(self) -> dict[int, Span]:
        """Where in the file the large weights lie, by the number of their initializer."""
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[onnx.ModelProto | None, dict[int, Span]]:
        if self.disguise or self.path.suffix.lower() == ".xml":
            return None, {}
        try:
            with open_regular(self.path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                skeleton, spans = split(data, INLINE_BYTES)
            model = onnx.ModelProto.FromString(skeleton)
        except (ModelError, DecodeError, OSError, ValueError, MemoryError):
            return None, {}
        sound = model.HasField("graph") and all(isinstance(name, str) for name in names(model))
        return (model, dict(spans)) if sound else (None, {})

    @property
    def network(self) -> Network | None:
        """The model as refnet loads it; None if refnet refuses it."""
        return self._loaded[0]

    @property
    def graph(self) -> Graph | None:
        """Its graph; None if refnet refuses the file."""
        return self.network.graph if self.network else None

    @property
    def refusal(self) -> str:
        """Why refnet refuses the file; empty if it does not."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[Network | None, str]:
        try:
            return load(self.path), ""
        except ModelError as error:
            return None, str(error).removeprefix(f"{self.path}: ")

    @cached_property
    def figures(self) -> tuple[WeightFigures, ...]:
        """Figures of every tensor of floating-point constants, one read at a time; none if refnet refuses the file."""
        return tuple(weight_figures(self.graph)) if self.graph else ()


def _refuse(path: Path) -> None:
    """There is no file: say so in the reader's words."""
    try:
        refuse_other_files(path)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
