"""What the page asks, as functions: everything but HTTP."""

import io
from collections.abc import Callable, Hashable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from refnet.errors import InputError, ModelError, UsageError, nearest
from refnet.faces.pipeline import Pipeline
from refnet.faces.similarity import similarity
from refnet.graph import Array
from refnet.network import Memory, Network
from refnet.web.album import Album, HeldFace
from refnet.web.maps import PAGE, maps_of
from refnet.web.receptive import receptive_fields
from refnet.web.square import Square, covered
from refnet.web.structure import Layer, blocks_of
from refnet.web.traces import Traces
from refnet.web.written import Writer

SCHEMA_VERSION = 1


class Explorer:
    """A network, and the faces that it is looked at with. Any number of threads may ask.

    Parameters
    ----------
    network : Network
        Similarities are of its engine, feature maps and sums as `traces` says.
    pipeline : Pipeline, or the reason why photographs cannot be searched for faces
    threads, memory, cache : of the fast engine, as in `refnet.network.load`

    Raises
    ------
    ModelError
        If the model takes no images of three channels and one size, or has several outputs.
    """

    def __init__(
        self,
        network: Network,
        pipeline: Pipeline | str,
        *,
        threads: int | None = None,
        memory: Memory = "default",
        cache: bool = False,
    ) -> None:
        height, width = network.contract.crop_size
        crop = (3, height, width)
        if network.contract.shape[0] != 3 or len(network.graph.outputs) != 1:
            raise ModelError(
                f"the model takes images of {network.contract.shape[0]} channels and has {len(network.graph.outputs)} "
                "outputs; the explorer shows networks that take 3 channels and have one output, the embedding"
            )
        self.network = network
        self.blocks = blocks_of(network.graph, crop)
        self._layers = {layer.name: layer for block in self.blocks for layer in block.layers}
        self._fields = receptive_fields(network.graph, crop)
        self._traces = Traces(network, self.blocks, threads=threads, memory=memory, cache=cache)
        self._writer = Writer(network.graph, self._layers, crop)
        self._size = (height, width)
        self.album = Album(height, width, pipeline)

    def facts(self) -> dict[str, Any]:
        """What the page says of the network, and its blocks and layers in order."""
        graph, (height, width) = self.network.graph, self._size
        path = graph.source.path
        return {
            "schema_version": SCHEMA_VERSION,
            "model": path.name if path else graph.name,
            "synthetic": self.network.synthetic,
            "engine": self.network.engine,
            "height": height,
            "width": width,
            "output": self.network.output,
            "page": PAGE,
            "detector": None if isinstance(self.album.pipeline, str) else self.album.pipeline.description,
            "no_detector": self.album.pipeline if isinstance(self.album.pipeline, str) else None,
            "blocks": [
                {
                    "title": block.title,
                    "residual": block.residual,
                    "layers": [asdict(layer) for layer in block.layers],
                }
                for block in self.blocks
            ],
            "faces": [told(face) for face in self.album.fixed.values()],
        }

    def picture(self, face: str) -> bytes:
        """A face as PNG."""
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self.album[face].crop.transpose(1, 2, 0))).save(file, "PNG")
        return file.getvalue()

    def maps(
        self, face: str, tensor: str, first: int = 0, square: Square | None = None, holding: int | None = None
    ) -> dict[str, Any]:
        """A page of feature maps of a tensor, the most active first, or the page that holds a channel; see `maps.Maps`."""
        layer = self._layer(tensor)
        values = _finite(tensor, self._traces.tensor(*self._image(face, square), tensor))
        return {
            "tensor": tensor,
            "op": layer.op,
            "shape": layer.shape,
            **maps_of(values, first, holding=holding).to_json(),
        }

    def element(self, face: str, tensor: str, place: tuple[int, ...], square: Square | None = None) -> dict[str, Any]:
        """One number, written out as the sum that it is, and the pixels of the image that it depends on."""
        layer, image = self._layer(tensor), self._image(face, square)
        read = partial(self._traces.read_by, tensor, *image)
        written = self._writer(tensor, place, read)
        height, width = self._size
        down_across = self._fields.get(tensor)
        top, bottom, left, right = 0, height, 0, width
        if down_across is not None:
            (top, bottom), (left, right) = down_across[0].at(place[1], height), down_across[1].at(place[2], width)
        return {
            "tensor": tensor,
            "op": layer.op,
            "place": list(place),
            "value": float(_finite(tensor, self._traces.tensor(*image, tensor))[place]),
            "pixels": {"top": top, "left": left, "bottom": bottom, "right": right},
            **written.to_json(),
            "seen": [{**vars(window), **_one_map(read(window.tensor), window.channel)} for window in written.windows],
        }

    def similarity(self, face: str, other: str, square: Square | None = None) -> dict[str, Any]:
        """How alike two faces are, and how alike they are with a square over the first."""
        second = self._traces.embedding(*self._image(other, None))
        whole = similarity(self._traces.embedding(*self._image(face, None)), second)
        now = whole if square is None else similarity(self._traces.embedding(*self._image(face, square)), second)
        return {"similarity": now, "whole": whole}

    def _image(self, face: str, square: Square | None) -> tuple[Hashable, Callable[[], Array]]:
        """By what the traces know a face, and what makes it."""
        held = self.album[face]
        return (face, square), lambda: covered(held.crop, square)

    def _layer(self, name: str) -> Layer:
        """The layer of that name."""
        if name not in self._layers:
            raise UsageError(f"the network has no layer {name!r}{nearest(name, self._layers)}")
        return self._layers[name]


def _one_map(tensor: Array, channel: int) -> dict[str, Any]:
    """One channel of a tensor as it is drawn."""
    return maps_of(tensor[channel : channel + 1] if tensor.ndim == 3 else tensor).to_json()


def _finite(name: str, tensor: Array) -> Array:
    """The tensor, if it can be shown."""
    if not np.isfinite(tensor).all():
        raise InputError(f"{name} holds NaN or infinite values; there is nothing to show")
    return tensor


def told(face: HeldFace) -> dict[str, Any]:
    """A face as the page is told of it."""
    return {"id": face.id, "title": face.title, "notes": list(face.notes)}
