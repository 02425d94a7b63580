"""A face in a photograph, as a detector or a file tells of it."""

from dataclasses import dataclass

from refnet.graph import Array


@dataclass(frozen=True)
class Face:
    """A face, in pixels of the upright photograph; the centre of its first pixel is (0, 0).

    Attributes
    ----------
    landmarks : (5, 2) float64
        x, y in the order of `align.LANDMARKS`.
    box : (left, top, right, bottom), None where only landmarks are known
        May reach beyond the photograph.
    score : float, None where nothing was detected
        The detector's, 0 to 1.
    """

    landmarks: Array
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
