"""Arrays of callers become RGB as they say, or are refused."""

import numpy as np
import pytest

from refnet import ShapeError
from refnet.faces.pixels import from_array

BGRA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_bgr_is_turned_where_the_caller_says_so() -> None:
    assert np.array_equal(from_array(BGRA[..., :3], order="BGR"), BGRA[..., [2, 1, 0]])
    assert np.array_equal(from_array(BGRA[..., :3]), BGRA[..., :3])


def test_alpha_is_dropped_before_the_turn() -> None:
    assert np.array_equal(from_array(BGRA, order="BGR"), BGRA[..., [2, 1, 0]])


def test_grey_becomes_three_equal_channels() -> None:
    assert np.array_equal(from_array(BGRA[..., 0]), np.stack([BGRA[..., 0]] * 3, axis=2))


def test_the_result_is_contiguous() -> None:
    assert from_array(BGRA, order="BGR").flags.c_contiguous


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (BGRA.astype(np.float32), "dtype float32; expected uint8"),
        (np.zeros((3, 4, 5), np.uint8), r"shape \(3, 4, 5\).*Transpose to channels-last"),
        (BGRA[..., :2], r"shape \(2, 3, 2\); expected \(H, W, 3\)"),
        (BGRA[:0], r"shape \(0, 3, 4\)"),
        (BGRA[0, 0], r"shape \(4,\)"),
    ],
)
def test_other_arrays_are_refused(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        from_array(pixels)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ShapeError, match="order is 'GBR'; expected 'RGB' or 'BGR'"):
        from_array(BGRA, order="GBR")  # type: ignore[arg-type]
