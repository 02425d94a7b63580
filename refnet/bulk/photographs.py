"""Photographs as a preparation: decoded, searched for faces, aligned to the crops the network takes."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from refnet.bulk.prepared import Found, FoundFace, Preparation, crop_size
from refnet.errors import InputError, ModelError
from refnet.faces.detect import DEFAULT_DETECTOR, LIMIT, Detector, load_detector
from refnet.faces.image import open_picture
from refnet.faces.landmarks import Sidecar, read_landmarks
from refnet.faces.pipeline import MIN_EYES_PX, AlignedFace, Pipeline, Policy, crops_of
from refnet.network import Network


@dataclass(frozen=True)
class Photographs:
    """How photographs become crops, as values that can be sent to another machine; called with a network, it does it.

    Attributes
    ----------
    faces : "largest", "all" or "single"
    detector : file or name of a card; not used if there are landmarks
    landmarks : file of landmarks, or None
    min_eyes_px, limit : of `Pipeline`
    """

    faces: Policy = "largest"
    detector: str = DEFAULT_DETECTOR
    landmarks: Path | None = None
    min_eyes_px: float = MIN_EYES_PX
    limit: int = LIMIT

    def pipeline(self, network: Network) -> Pipeline:
        """The pipeline for a network's crops; its detector is loaded once a process."""
        height, width = crop_size(network)
        if height != width:
            raise ModelError(
                f"the model takes crops of {width} x {height} pixels; faces are aligned to square ones only"
            )
        source: Detector | Sidecar = (
            _detector(self.detector) if self.landmarks is None else read_landmarks(self.landmarks)
        )
        return Pipeline(source, height, self.faces, self.min_eyes_px, limit=self.limit)

    def __call__(self, network: Network) -> Preparation:
        """From a file to the faces of its photograph; one without a face is an InputError with the reason."""
        pipeline = self.pipeline(network)

        def prepare(name: str) -> Found:
            seen = open_picture(name)
            outcome = crops_of(seen.pixels, pipeline, name)
            if not outcome.faces:
                raise InputError(f"{name}: {outcome.reason}")
            left_out = tuple(f"{name}: a face is left out: {one.reason}" for one in outcome.left_out)
            return Found(tuple(_found(face) for face in outcome.faces), (*seen.notes, *left_out))

        return prepare


@cache
def _detector(name: str) -> Detector:
    return load_detector(name, threads=1)


def _found(aligned: AlignedFace) -> FoundFace:
    face = aligned.face
    return FoundFace(aligned.alignment.crop.transpose(2, 0, 1), face.box, face.landmarks, face.score)
