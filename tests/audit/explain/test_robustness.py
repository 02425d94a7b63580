"""Each way of spoiling an image does what its name says."""

import numpy as np
import pytest

from refnet.audit.explain.robustness import WAYS, spoilt

RAMP = np.broadcast_to(np.arange(112, dtype=np.uint8) * 2, (3, 112, 112)).copy()  # 0 at the left, 222 at the right
SPECKLED = np.random.default_rng(1).integers(60, 190, (3, 112, 112)).astype(np.uint8)


@pytest.mark.parametrize("way", [name for name, way in WAYS.items() if way.amounts[0] == 0])
def test_an_amount_of_zero_leaves_the_image_as_it_is(way):
    assert np.array_equal(spoilt(SPECKLED, way, (0,))[0], SPECKLED)


@pytest.mark.parametrize("amount", WAYS["brighter"].amounts)
def test_what_becomes_too_bright_is_white_and_never_dark(amount):
    assert np.array_equal(spoilt(RAMP, "brighter", (amount,))[0], np.minimum(np.round((1.0 + amount) * RAMP), 255))


@pytest.mark.parametrize("amount", WAYS["darker"].amounts)
def test_darker_takes_a_share_of_the_light(amount):
    assert np.abs(spoilt(RAMP, "darker", (amount,))[0] - (1 - amount) * RAMP).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("amount", [1, 8, 16])
def test_a_shift_moves_to_the_right_and_fills_with_grey(amount):
    moved = spoilt(SPECKLED, "shift", (amount,))[0]
    assert np.array_equal(moved[:, :, amount:], SPECKLED[:, :, :-amount])
    assert (moved[:, :, :amount] == 127).all()


def test_a_rotation_is_anticlockwise():
    image = np.zeros((3, 112, 112), np.uint8)
    image[:, 50:62, 90:102] = 255  # right of the centre
    turned = spoilt(image, "rotation", (45,))[0]
    assert turned[0, 27, 84] == 255  # above and right: 40 pixels away at 45 degrees
    assert turned[0, 84, 84] == 0


def test_noise_has_the_deviation_it_says_and_is_the_same_each_time():
    grey = np.full((3, 112, 112), 128, np.uint8)
    first, second = (spoilt(grey, "noise", (10,))[0] for _ in range(2))
    assert np.array_equal(first, second)
    deviation = (first.astype(float) - 128).std()
    assert abs(deviation - np.sqrt(100 + 1 / 12)) < 4 * 10 / np.sqrt(
        2 * grey.size
    )  # the grey levels' rounding adds 1/12


def test_blur_keeps_a_flat_image_and_spreads_a_point_by_its_deviation():
    flat = np.full((3, 112, 112), 90, np.uint8)
    assert np.array_equal(spoilt(flat, "blur", (6,))[0], flat)
    line = np.zeros((3, 112, 112), np.uint8)
    line[:, :, 56] = 255
    profile = spoilt(line, "blur", (3,))[0, 0, 56].astype(float)
    at = np.arange(112) - 56
    assert np.sqrt((profile * at**2).sum() / profile.sum()) == pytest.approx(3, rel=0.1)


def test_jpeg_departs_the_more_the_less_quality_is_left():
    departures = [np.abs(one.astype(float) - SPECKLED).mean() for one in spoilt(SPECKLED, "jpeg", (5, 50, 95))]
    assert departures == sorted(departures)
    assert departures[0] > 0


def test_channels_exchanges_red_and_blue():
    assert np.array_equal(spoilt(SPECKLED, "channels", (1,))[0], SPECKLED[::-1])
