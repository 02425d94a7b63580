"""The picture of an alignment shows where things are."""

import numpy as np
import pytest

from refnet.faces.align import align, template
from refnet.faces.picture import alignment_picture

SIDE, GAP = 448, 12


@pytest.mark.parametrize("size", [112, 128, 224])
def test_the_crop_is_shown_enlarged_and_the_photograph_beside_it(size: int) -> None:
    """A face exactly on the template: corners of the crop on the right, the same pixels within the frame on the left."""
    photograph = np.zeros((3 * size, 3 * size, 3), np.uint8)
    photograph[size : 2 * size, size : 2 * size] = [0, 90, 0]
    picture = np.asarray(alignment_picture(photograph, align(photograph, template(size) + size, size)))
    right = picture[GAP : GAP + SIDE, 2 * GAP + SIDE : 2 * GAP + 2 * SIDE]
    assert (right[:40, :40] == [0, 90, 0]).all()
    left = picture[GAP : GAP + SIDE, GAP : GAP + SIDE]
    inner = left[SIDE // 4 + 8 : SIDE // 4 + 20, SIDE // 4 + 8 : SIDE // 4 + 20]
    assert (inner == [0, 90, 0]).all()
    assert not left[: SIDE // 4 - 8].any()


def test_landmarks_on_the_template_cover_their_crosses() -> None:
    photograph = np.zeros((112, 112, 3), np.uint8)
    picture = np.asarray(alignment_picture(photograph, align(photograph, template())))
    for x, y in template():
        column, row = round(2 * GAP + SIDE + x * 4 + 2), round(GAP + y * 4 + 2)
        assert picture[row, column].tolist() == [0xFF, 0xB0, 0x00]
        assert picture[row, column + 6].tolist() == [0x00, 0xC8, 0xFF]
