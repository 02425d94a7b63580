"""From five landmarks of a face to the crop that the network was trained on.

The landmarks are brought to ArcFace's template by the similarity transform (turn, scale, shift) that leaves the least
sum of squared distances: S. Umeyama, Least-squares estimation of transformation parameters between two point
patterns, IEEE PAMI 13(4), 1991, eq. 40 to 42. The crop is cut out with bilinear interpolation; outside the photograph
all is black. What insightface does with scikit-image and OpenCV (python-package/insightface/utils/face_align.py) is
done here by formulas short enough to be the definition, and of which every bit is the same on every machine: in the
plane, Umeyama's singular value decomposition has a closed form.

Does not find landmarks (`detect`), and does not smooth a large face before it is made small: neither did those who
cut the training images.
"""

import math
from dataclasses import dataclass

import numpy as np

from refnet.errors import InputError, ShapeError, UsageError
from refnet.graph import Array

LANDMARKS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE_EYES_PX = math.dist(*_TEMPLATE[:2])  # distance of the eyes in a crop of 112 pixels
_FARTHEST_PX, _NEAREST_PX = 1e9, 1e-3  # beyond and below, numbers are no landmarks of a face
_THINNEST = 0.01  # breadth of five landmarks in units of their length, below which they are a line


def template(size: int = 112) -> Array:
    """Where the landmarks of an aligned face lie.

    Parameters
    ----------
    size : a multiple of 112, or of 128
        Pixels, of the square crop. Multiples of 112 are the template scaled. In multiples of 128 the same face has 8/128
        of margin on the left and on the right, and 16/128 below: x has 8 pixels of 128 added.

    Returns
    -------
    (5, 2) float64
        x, y in pixels, in the order of `LANDMARKS`; left is the image's left. The centre of the first pixel is (0, 0).
    """
    points: Array
    if size > 0 and size % 112 == 0:
        points = _TEMPLATE * (size / 112)
    elif size > 0 and size % 128 == 0:
        points = (_TEMPLATE + np.array([8.0, 0.0])) * (size / 128)
    else:
        raise UsageError(f"crops of {size} pixels have no template; expected a multiple of 112 or of 128")
    return points


@dataclass(frozen=True)
class Alignment:
    """A face cut out of a photograph.

    Attributes
    ----------
    crop : (size, size, 3) uint8, RGB
    matrix : (2, 3) float64
        Photograph to crop: x' = matrix[:, :2] @ x + matrix[:, 2].
    landmarks : (5, 2) float64
        In pixels of the photograph.
    residuals : (5,) float64
        How far each landmark comes to lie from the template, in pixels of the crop.
    rms : float
        Root of the mean of their squares.
    scale : float
        Pixels of the crop to one of the photograph; above 1 the face is enlarged.
    outside : float
        Share of the crop's pixels that lie outside the photograph, and are black or fade to black.
    """

    crop: Array
    matrix: Array
    landmarks: Array
    residuals: Array
    rms: float
    scale: float
    outside: float

    @property
    def angle_degrees(self) -> float:
        """By how much the face was turned, clockwise as it is seen."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))


def align(image: Array, landmarks: Array, size: int = 112) -> Alignment:
    """Cut out a face.

    Parameters
    ----------
    image : (H, W, 3) uint8, RGB
        The photograph, upright.
    landmarks : (5, 2)
        x, y in pixels of it, in the order of `LANDMARKS`; they may lie outside.
    size : as in `template`

    Raises
    ------
    ShapeError, InputError
        As `similarity_transform` and `warp`.
    """
    target = template(size)
    points = np.asarray(landmarks, dtype=np.float64)
    matrix = similarity_transform(points, target)
    off = apply(matrix, points) - target
    residuals = np.sqrt(off[:, 0] * off[:, 0] + off[:, 1] * off[:, 1])
    rms = math.sqrt(math.fsum(off.ravel() ** 2) / len(off))
    crop = warp(image, matrix, size)
    x, y = _places(matrix, size)
    height, width = image.shape[:2]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Alignment(crop, matrix, points, residuals, rms, scale_of(matrix), 1 - float(inside.mean()))


def scale_of(matrix: Array) -> float:
    """By how much a similarity transform enlarges."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def similarity_transform(source: Array, target: Array) -> Array:
    """Find the turn, scale and shift that bring `source` closest to `target`.

    Umeyama (1991) minimises the mean of |target - (c R source + t)|^2 over rotations R, that is with det R = 1
    (eq. 43 guards against reflections). In the plane c R is [[a, -b], [b, a]], and eq. 40 to 42 come to

        a = sum(x u + y v) / sum(x^2 + y^2),   b = sum(x v - y u) / sum(x^2 + y^2),   t = mean(target) - c R mean(source)

    with (x, y) and (u, v) the points of source and target about their means. Every sum is rounded once (`math.fsum`).

    Parameters
    ----------
    source, target : (K, 2), K at least 2

    Returns
    -------
    (2, 3) float64

    Raises
    ------
    ShapeError
        If the shapes differ or are of another kind.
    InputError
        If points are not finite, coincide, lie on a line, or tell no direction.

    Examples
    --------
    >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    >>> similarity_transform(square, square / 2 + [5, 7])
    array([[ 0.5, -0. ,  5. ],
           [ 0. ,  0.5,  7. ]])
    """
    p, q = (np.asarray(points, dtype=np.float64) for points in (source, target))
    if p.ndim != 2 or p.shape[1] != 2 or p.shape != q.shape or len(p) < 2:
        raise ShapeError(f"points have shapes {p.shape} and {q.shape}; expected the same (K, 2), K at least 2")
    for points in (p, q):
        if not (np.abs(points) <= _FARTHEST_PX).all():  # false for NaN
            raise InputError(f"landmarks hold NaN, or values beyond {_FARTHEST_PX:g}; expected pixels")
    px, py, qx, qy = (math.fsum(column) / len(column) for column in (*p.T, *q.T))
    x, y, u, v = p[:, 0] - px, p[:, 1] - py, q[:, 0] - qx, q[:, 1] - qy
    extent = math.fsum([*(x * x), *(y * y)])
    if extent < _NEAREST_PX**2:
        raise InputError("all landmarks lie at the same place; expected those of a face")
    if _breadth(x, y) < _THINNEST:
        raise InputError("the landmarks lie on a line; expected those of a face")
    a = math.fsum([*(x * u), *(y * v)]) / extent
    b = math.fsum([*(x * v), *(-y * u)]) / extent
    if a == 0 and b == 0:
        raise InputError("the landmarks fit the template at no angle better than at another; expected those of a face")
    return np.array([[a, -b, qx - (a * px - b * py)], [b, a, qy - (b * px + a * py)]])


def _breadth(x: Array, y: Array) -> float:
    """Breadth of a cloud of points in units of its length: the ratio of its two standard deviations."""
    xx, yy, xy = (math.fsum(product) for product in (x * x, y * y, x * y))
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return math.sqrt(max(0.0, middle - spread) / (middle + spread))


def apply(matrix: Array, points: Array) -> Array:
    """Where a (2, 3) matrix takes points (K, 2)."""
    x, y = points[:, 0], points[:, 1]
    return np.stack([row[0] * x + row[1] * y + row[2] for row in matrix], axis=1)


def warp(image: Array, matrix: Array, size: int) -> Array:
    """Cut a square out of an image, bilinearly, black outside.

    The pixel (x, y) of the crop lies at (s, t) = matrix^-1 (x, y) in the image; with i = floor(s), f = s - i, and
    j = floor(t), g = t - j, its value is

        (1 - g) ((1 - f) image[j, i] + f image[j, i+1]) + g ((1 - f) image[j+1, i] + f image[j+1, i+1])

    in float64, where the image is 0 outside itself; then rounded to the nearest, halves to even. The formula is
    OpenCV's ``warpAffine``; OpenCV rounds (s, t) to 1/32 of a pixel first.

    Parameters
    ----------
    image : (H, W, 3) uint8
    matrix : (2, 3)
        Image to crop.

    Returns
    -------
    (size, size, 3) uint8
    """
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ShapeError(f"the image has shape {pixels.shape} and dtype {pixels.dtype}; expected (H, W, 3) uint8")
    s, t = _places(matrix, size)
    height, width = pixels.shape[:2]
    s, t = np.clip(s, -2, width + 1), np.clip(t, -2, height + 1)  # outside is outside, however far
    i, j = np.floor(s).astype(np.intp), np.floor(t).astype(np.intp)
    f, g = (s - i)[..., np.newaxis], (t - j)[..., np.newaxis]
    top = (1 - f) * _at(pixels, j, i) + f * _at(pixels, j, i + 1)
    bottom = (1 - f) * _at(pixels, j + 1, i) + f * _at(pixels, j + 1, i + 1)
    crop: Array = np.rint((1 - g) * top + g * bottom).astype(np.uint8)
    return crop


def _places(matrix: Array, size: int) -> tuple[Array, Array]:
    """Where the pixels of a crop lie in the image: x and y, (size, size) each."""
    (a, b, tx), (c, d, ty) = (map(float, row) for row in matrix)
    determinant = a * d - b * c
    if determinant == 0 or not np.isfinite(matrix).all():
        raise InputError("the matrix cannot be inverted; expected a similarity transform")
    x, y = np.arange(size, dtype=np.float64) - tx, (np.arange(size, dtype=np.float64) - ty)[:, np.newaxis]
    s: Array = (d * x - b * y) / determinant
    t: Array = (a * y - c * x) / determinant
    return s, t


def _at(pixels: Array, row: Array, column: Array) -> Array:
    """Pixels by their places, 0 outside."""
    height, width = pixels.shape[:2]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    found: Array = pixels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] * inside[..., np.newaxis]
    return found
