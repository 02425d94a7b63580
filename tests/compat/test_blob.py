"""The blob is OpenCV's."""

import cv2
import numpy as np
import pytest

from refnet import ShapeError
from refnet.compat.blob import blob_from_images
from tests.comparison import assert_within

MIXED = [(112, 90), (200, 150), (33, 57), (1, 1), (500, 112), (7, 300), (2, 3), (111, 113), (224, 224), (56, 56)]


def opencv(images, mean, std):
    return cv2.dnn.blobFromImages(images, 1.0 / std, (112, 112), (mean, mean, mean), swapRB=True)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (127.5, 127.5)])
def test_images_of_the_models_size_give_opencvs_numbers(mean, std):
    images = list(np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8))
    blob = blob_from_images(images, 112, 112, mean, 1 / std)
    assert blob.shape == (3, 3, 112, 112)
    assert blob.dtype == np.float32
    # A subtraction that is exact, and a product whose factor and result are rounded.
    assert_within(blob, opencv(images, mean, std), 0 if std == 1 else 2.0**-23)


@pytest.mark.parametrize(("height", "width"), MIXED)
def test_resized_8_bit_images_are_opencvs_to_the_bit(height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    assert_within(blob_from_images([image], 112, 112, 0, 1), opencv([image], 0, 1))


@pytest.mark.parametrize(("height", "width"), MIXED)
def test_resized_float_images_are_opencvs(height, width):
    image = np.random.default_rng(2).uniform(0, 255, (height, width, 3)).astype(np.float32)
    # OpenCV adds in float32: three products and sums each way of values up to 255.
    assert_within(blob_from_images([image], 112, 112, 0, 1), opencv([image], 0, 1), 6 * 255 * 2.0**-24)


def test_a_colour_changes_places():
    blue = np.zeros((112, 112, 3), np.uint8)
    blue[..., 0] = 255
    blob = blob_from_images([blue], 112, 112, 0, 1)
    assert blob[0, 2].min() == 255
    assert blob[0, :2].max() == 0


@pytest.mark.parametrize(
    "image",
    [np.zeros((112, 112)), np.zeros((112, 112, 4), np.uint8), np.zeros((1, 3, 112, 112)), np.zeros((0, 5, 3), np.uint8), np.zeros((112, 112, 3), np.int64), "face.png"],
)  # fmt: skip
def test_what_is_no_image_of_three_channels_is_refused(image):
    with pytest.raises(ShapeError, match=r"expected \(H, W, 3\) BGR, uint8 or float"):
        blob_from_images([image], 112, 112, 0, 1)


def test_no_image_is_refused():
    with pytest.raises(ShapeError, match="there are zero images"):
        blob_from_images([], 112, 112, 0, 1)
