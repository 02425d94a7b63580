"""insightface's `ArcFaceONNX`, computed by refnet.

    from refnet.compat.insightface import ArcFaceONNX

The calls are those of python-package/insightface/model_zoo/arcface_onnx.py. On purpose different: whether the graph
scales pixels itself is read off its first operators and their constants, and not off the names of nodes, which
optimisers change; vectors that have no angle are refused where theirs give NaN.
"""

from importlib import import_module
from typing import Any

import numpy as np

from refnet.compat.blob import blob_from_images
from refnet.compat.onnxruntime import InferenceSession
from refnet.errors import ModelError, UsageError
from refnet.faces.similarity import similarity
from refnet.graph import Array


class ArcFaceONNX:
    """A face-recognition model.

    Parameters
    ----------
    model_file : path of an ONNX file
    session : refnet.compat.onnxruntime.InferenceSession, optional
        Of the same file; made if it is not given.

    Attributes
    ----------
    input_mean, input_std : float
        `get_feat` and `forward` feed ``(pixel - input_mean) / input_std``; 0 and 1 where the graph scales itself.
    input_size : (width, height)
    input_shape, output_shape : list
        As the file declares them.
    input_name, output_names, taskname : as insightface's
    """

    taskname = "recognition"

    def __init__(self, model_file: str, session: InferenceSession | None = None) -> None:
        if session is not None and not isinstance(session, InferenceSession):
            raise UsageError(
                f"session is {type(session).__module__}.{type(session).__name__}; expected "
                "refnet.compat.onnxruntime.InferenceSession, or none: refnet computes by itself"
            )
        self.model_file = model_file
        self.session = session or InferenceSession(model_file)
        contract = self.session.network.contract
        self.input_mean, self.input_std = (0.0, 1.0) if contract.inside else (contract.mean, 1 / contract.scale)
        declared, outputs = self.session.get_inputs()[0], self.session.get_outputs()
        if len(outputs) != 1 or contract.shape[0] != 3 or None in contract.shape:
            names = ", ".join(output.name for output in outputs)
            raise ModelError(
                f"{model_file} takes {declared.shape} and gives {names}; expected images of three channels and a fixed "
                "size, and one output: a face-recognition model"
            )
        self.input_name, self.input_shape = declared.name, declared.shape
        self.input_size = (int(contract.shape[2] or 0), int(contract.shape[1] or 0))
        self.output_names, self.output_shape = [outputs[0].name], outputs[0].shape

    def prepare(self, ctx_id: int, **_: Any) -> None:
        """Nothing to do: refnet computes on the CPU, whatever `ctx_id` says."""

    def get(self, img: Array, face: Any) -> Array:
        """Align a face of a photograph and compute its embedding, which is also put into `face.embedding`.

        Parameters
        ----------
        img : (H, W, 3) uint8, BGR
        face : anything with `kps`, five landmarks (5, 2) in pixels

        Returns
        -------
        (D,) float32
        """
        face.embedding = self.get_feat(_aligned(img, face.kps, self.input_size[0])).flatten()
        embedding: Array = face.embedding
        return embedding

    def compute_sim(self, feat1: Array, feat2: Array) -> float:
        """Cosine of the angle between two embeddings, raw or unit, in float64."""
        return similarity(np.ravel(feat1), np.ravel(feat2))

    def get_feat(self, imgs: Array | list[Array]) -> Array:
        """Compute the embeddings of face crops.

        Parameters
        ----------
        imgs : (H, W, 3) BGR, 0..255, or a list of such
            Stretched to the model's size where they are of another, as insightface does.

        Returns
        -------
        (N, D) float32, raw
        """
        images = imgs if isinstance(imgs, list) else [imgs]
        blob = blob_from_images(images, *self.input_size, self.input_mean, 1 / self.input_std)
        return self._run(blob)

    def forward(self, batch_data: Array) -> Array:
        """Compute the embeddings of a batch.

        Parameters
        ----------
        batch_data : (N, 3, H, W) RGB, 0..255

        Returns
        -------
        (N, D) float32, raw
        """
        return self._run(((np.asarray(batch_data) - self.input_mean) / self.input_std).astype(np.float32))

    def _run(self, blob: Array) -> Array:
        return self.session.run(self.output_names, {self.input_name: self.session.network.contract.in_order(blob)})[0]


def _aligned(img: Array, landmarks: Array, size: int) -> Array:
    """The aligned crop of a face, BGR."""
    try:
        alignment = import_module("refnet.faces.align")
    except ModuleNotFoundError:
        raise UsageError("this refnet aligns no photographs; give get_feat() aligned crops") from None
    rgb = np.ascontiguousarray(np.asarray(img)[..., ::-1])
    crop: Array = alignment.align(rgb, np.asarray(landmarks), size).crop
    return crop[..., ::-1]
