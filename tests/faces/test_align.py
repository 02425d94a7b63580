"""Alignment: the template of the training, Umeyama's transform, and pixels that foreign libraries agree with."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.transform import SimilarityTransform

from refnet import InputError, ShapeError, UsageError
from refnet.faces.align import align, similarity_transform, template, warp
from tests.comparison import assert_within

# insightface, python-package/insightface/utils/face_align.py
ARCFACE_DST = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
SEEDS = st.integers(0, 2**32 - 1)


def _face(rng: np.random.Generator, noise: float = 3.0) -> np.ndarray:
    """Landmarks of a face somewhere in a photograph, turned and scaled, with errors."""
    angle, scale = rng.uniform(-math.pi, math.pi), rng.uniform(0.3, 8)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (ARCFACE_DST + rng.normal(0, noise, (5, 2))) @ turn.T + rng.uniform(-100, 800, 2)


def _photograph(rng: np.random.Generator, height: int = 90, width: int = 130) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_template_is_the_one_of_the_training() -> None:
    assert np.array_equal(template(112).astype(np.float32), ARCFACE_DST)


def test_sizes_follow_insightface() -> None:
    """`estimate_norm` of face_align.py: ratio and shift of x for multiples of 112, else of 128."""
    assert_within(template(224), ARCFACE_DST.astype(np.float64) * 2, 1e-5)
    assert_within(template(128), ARCFACE_DST + np.array([8.0, 0.0]), 1e-5)
    assert_within(template(256), (ARCFACE_DST + np.array([8.0, 0.0])) * 2, 1e-5)
    assert_within(template(896), ARCFACE_DST.astype(np.float64) * 8, 1e-4)  # both divide it: 112 goes first


@pytest.mark.parametrize("size", [0, -112, 111, 96, 160])
def test_sizes_without_a_template_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"crops of {size} pixels have no template; expected a multiple of 112"):
        template(size)


def test_a_turn_by_ninety_degrees_worked_by_hand() -> None:
    """(1, 0) goes to (5, 9), (-1, 0) to (5, 5), (0, 1) to (3, 7): a turn of 90 degrees, twice as large, to (5, 7)."""
    source = np.array([[1, 0], [-1, 0], [0, 1]])
    assert_within(
        similarity_transform(source, np.array([[5, 9], [5, 5], [3, 7]])), np.array([[0, -2, 5], [2, 0, 7]]), 1e-15
    )


@given(seed=SEEDS)
def test_the_transform_is_scikit_images(seed: int) -> None:
    points = _face(np.random.default_rng(seed))
    ours, theirs = similarity_transform(points, template()), SimilarityTransform.from_estimate(points, template())
    assert_within(ours[:, :2], theirs.params[:2, :2], 1e-12)
    assert_within(ours[:, 2], theirs.params[:2, 2], 1e-8)  # the shift: hundreds of pixels, times the scale


@given(seed=SEEDS)
def test_mirrored_points_are_turned_and_never_mirrored(seed: int) -> None:
    """Umeyama's guard, eq. 43; the singular value decomposition of the paper gives the same."""
    rng = np.random.default_rng(seed)
    points = _face(rng) * [-1, 1]
    matrix = similarity_transform(points, template())
    assert np.linalg.det(matrix[:, :2]) > 0
    assert_within(matrix[:, :2], _umeyama(points, template()), 1e-9)


def _umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """c R by eq. 38 to 43 of the paper: the singular values of the covariance, the last one negated if it mirrors."""
    x, y = source - source.mean(axis=0), target - target.mean(axis=0)
    u, d, vt = np.linalg.svd(y.T @ x / len(x))
    s = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    return u @ s @ vt * np.trace(np.diag(d) @ s) / np.square(x).sum(axis=1).mean()


@given(seed=SEEDS)
def test_no_transform_near_it_is_closer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = _face(rng)
    a, b, tx, ty = (matrix := similarity_transform(points, template()))[[0, 1, 0, 1], [0, 0, 2, 2]]
    best = np.square(points @ matrix[:, :2].T + matrix[:, 2] - template()).sum()
    for change in rng.normal(0, 1e-4, (20, 4)):
        c, d, ux, uy = np.array([a, b, tx, ty]) + change
        other = points @ np.array([[c, d], [-d, c]]) + [ux, uy] - template()
        assert np.square(other).sum() >= best


def test_the_order_of_the_points_changes_no_bit() -> None:
    rng = np.random.default_rng(3)
    points, order = _face(rng), rng.permutation(5)
    assert np.array_equal(
        similarity_transform(points, template()), similarity_transform(points[order], template()[order])
    )


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((5, 2), 7.0), "all landmarks lie at the same place"),
        (np.full((5, 2), 7.0) + 1e-12 * ARCFACE_DST, "all landmarks lie at the same place"),
        (np.outer(np.arange(5), [3.0, 4.0]), "the landmarks lie on a line"),
        (np.array([[0, 0], [9, 0], [0, 0], [9, 0], [0, 0.0]]), "the landmarks lie on a line"),
        (np.where(ARCFACE_DST > 92, np.nan, ARCFACE_DST), "landmarks hold NaN"),
        (np.where(ARCFACE_DST > 92, -np.inf, ARCFACE_DST), "landmarks hold NaN, or values beyond"),
        (ARCFACE_DST * np.float64(1e200), r"values beyond 1e\+09; expected pixels"),
    ],
)
def test_landmarks_of_no_face_are_refused(points: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        similarity_transform(points, template())


def test_points_that_fit_no_angle_are_refused() -> None:
    square = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    with pytest.raises(InputError, match="at no angle better than at another"):
        similarity_transform(square, square * [-1, 1])


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.zeros(10), np.zeros((4, 2)), np.zeros((1, 2))])
def test_other_shapes_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="points have shapes"):
        similarity_transform(points, template())


@given(seed=SEEDS)
def test_the_crop_is_the_formula(seed: int) -> None:
    """scipy's linear interpolation of the photograph with a black border, to the nearest integer."""
    rng = np.random.default_rng(seed)
    photograph, points = _photograph(rng), ARCFACE_DST * rng.uniform(0.4, 1.4) + rng.uniform(-60, 60, 2)
    matrix = similarity_transform(points, template())
    exact = _interpolated(photograph, matrix, 112)
    assert_within(warp(photograph, matrix, 112), exact, 0.5 + 1e-9)


def _interpolated(photograph: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The crop before rounding: each channel in a black frame that is wider than the crop could reach."""
    frame = 400
    y, x = np.mgrid[:size, :size]
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    s, t, _ = np.einsum("ij,jhw->ihw", inverse, np.stack([x, y, np.ones_like(x)]))
    framed = np.pad(photograph.astype(np.float64), ((frame, frame), (frame, frame), (0, 0)))
    places = np.stack([t, s]) + frame
    return np.stack([map_coordinates(framed[..., c], places, order=1) for c in range(3)], axis=-1)


@given(seed=SEEDS)
def test_the_crop_is_opencvs_within_its_grid(seed: int) -> None:
    """`warpAffine`, as insightface calls it, rounds places to 1/32 of a pixel, and weights to 1/32768.

    So s and t are off by 1/64 each, and a value by 1/64 of the steepest slope around it, in x and in y, at most;
    then both sides round, by 1/2 each, and the weights may add 4 * 255 / 65536.
    """
    rng = np.random.default_rng(seed)
    photograph, points = _photograph(rng), ARCFACE_DST * rng.uniform(0.4, 1.4) + rng.uniform(-60, 60, 2)
    matrix = similarity_transform(points, template())
    theirs = cv2.warpAffine(photograph, matrix, (112, 112), borderValue=0.0)
    bound = 2 * 255 / 64 + 1 + 4 * 255 / 65536
    assert_within(warp(photograph, matrix, 112).astype(int), theirs.astype(int), bound)


def test_shifts_by_whole_pixels_copy() -> None:
    rng = np.random.default_rng(4)
    photograph = _photograph(rng, 20, 20)
    crop = warp(photograph, np.array([[1.0, 0, 3], [0, 1, -2]]), 30)
    expected = np.zeros((30, 30, 3), np.uint8)
    expected[:18, 3:23] = photograph[2:]
    assert np.array_equal(crop, expected)


def test_half_a_pixel_from_the_border_is_half_black() -> None:
    white = np.full((2, 2, 3), 200, np.uint8)
    assert warp(white, np.array([[1, 0, 0.5], [0, 1, 0.0]]), 3)[0, :, 0].tolist() == [100, 200, 100]


def test_halves_go_to_the_even() -> None:
    row = np.array([[[1] * 3, [2] * 3, [3] * 3, [4] * 3]], np.uint8)
    assert warp(row, np.array([[1, 0, -0.5], [0, 1, 0.0]]), 3)[0, :, 0].tolist() == [2, 2, 4]


def test_a_face_far_outside_is_black() -> None:
    for far in (1e4, 1e8, -1e8):
        assert not align(np.full((9, 9, 3), 255, np.uint8), ARCFACE_DST + far).crop.any()


def test_an_aligned_crop_is_its_own_alignment() -> None:
    crop = _photograph(np.random.default_rng(5), 112, 112)
    alignment = align(crop, template())
    assert np.array_equal(alignment.crop, crop)
    assert alignment.rms == 0
    assert (alignment.scale, alignment.angle_degrees) == (1, 0)


def test_residuals_are_distances_in_the_crop() -> None:
    """Two landmarks moved apart by 8 pixels each: the transform cannot follow, the distances say so."""
    points = template() * 2
    points[3, 0] -= 16
    points[4, 0] += 16
    alignment = align(_photograph(np.random.default_rng(6)), points)
    moved = points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    assert_within(alignment.residuals, np.linalg.norm(moved - template(), axis=1), 1e-12)
    assert alignment.rms == pytest.approx(np.sqrt(np.square(alignment.residuals).mean()), rel=1e-12)
    assert alignment.residuals.max() > 4


def test_the_angle_is_clockwise_as_it_is_seen() -> None:
    alignment = align(_photograph(np.random.default_rng(7)), (template() - 56) @ np.array([[0, -1], [1, 0]]) + 56)
    assert alignment.angle_degrees == pytest.approx(90)


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((3, 9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8)],
)
def test_images_of_another_kind_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="expected \\(H, W, 3\\) uint8"):
        align(image, ARCFACE_DST)


def test_a_matrix_without_an_inverse_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be inverted"):
        warp(np.zeros((9, 9, 3), np.uint8), np.zeros((2, 3)), 112)
