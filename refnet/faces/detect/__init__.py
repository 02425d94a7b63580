"""Finding faces and their five landmarks: YuNet and SCRFD, run by refnet's own engines."""

from pathlib import Path

from refnet import zoo
from refnet.faces.detect.detector import LIMIT, Detector
from refnet.network import EngineName

DEFAULT_DETECTOR = "face_detection_yunet_2023mar"

__all__ = ["DEFAULT_DETECTOR", "LIMIT", "Detector", "load_detector"]


def load_detector(
    detector: str | Path = DEFAULT_DETECTOR, *, engine: EngineName = "fast", threads: int | None = None
) -> Detector:
    """Read a detector from a file, or from the cache by its card's name.

    Raises
    ------
    ModelError, UnsupportedModelError
        If there is no such file, or it is no detector that refnet reads.
    """
    from refnet.formats.onnx_reader import read_model  # onnx takes a third of a second to import

    return Detector(read_model(zoo.resolve(str(detector))), engine=engine, threads=threads)
