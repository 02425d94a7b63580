"""The grey square: where it lies, and where it may not."""

import numpy as np
import pytest

from refnet.errors import UsageError
from refnet.web.square import Square, covered


def test_the_square_is_grey_and_the_rest_as_it_was():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 6), np.uint8)
    expected = pixels.astype(float)
    for i in (1, 2):
        for j in (3, 4):
            expected[:, i, j] = 127.5
    np.testing.assert_array_equal(covered(pixels, Square(3, 1, 2)), expected)
    np.testing.assert_array_equal(covered(pixels, None), pixels)


@pytest.mark.parametrize(
    "square", [Square(5, 0, 2), Square(0, 4, 2), Square(-1, 0, 2), Square(0, 0, 0), Square(0, 0, 7)]
)
def test_a_square_outside_the_image_is_refused(square):
    with pytest.raises(
        UsageError, match=rf"a square of {square.size} pixels .* does not lie within the image of 6 x 5"
    ):
        covered(np.zeros((3, 5, 6)), square)
