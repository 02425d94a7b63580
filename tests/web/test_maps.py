"""Maps as steps: which channels, how large."""

import base64

import numpy as np
import pytest

from refnet.errors import UsageError
from refnet.web.maps import maps_of


def test_the_most_active_come_first_and_the_first_of_equals():
    tensor = np.array([1.0, 3.0, 3.0, -2.0]).reshape(4, 1, 1) * np.ones((4, 2, 2))
    assert maps_of(tensor).channels == (1, 2, 3, 0)


def test_steps_are_a_127th_of_the_largest_value_of_their_map():
    tensor = np.random.default_rng(0).normal(size=(5, 6, 7)) * np.array([1, 10, 0.1, 3, 1e-6]).reshape(5, 1, 1)
    maps = maps_of(tensor)
    for channel, steps, largest in zip(maps.channels, maps.steps, maps.largest, strict=True):
        assert largest == abs(tensor[channel]).max()
        assert (abs(steps * largest / 127 - tensor[channel]) <= largest / 254 * (1 + 1e-12)).all()
    assert maps.scale == abs(tensor).max()


def test_a_map_of_zeros_is_zeros():
    assert not maps_of(np.zeros((1, 3, 3))).steps.any()


def test_pages_hold_every_channel_once():
    tensor = np.random.default_rng(1).normal(size=(70, 2, 2))
    pages = [maps_of(tensor, first).channels for first in (0, 32, 64)]
    assert [len(page) for page in pages] == [32, 32, 6]
    assert sorted(sum(pages, ())) == list(range(70))


def test_the_page_that_holds_a_channel():
    tensor = np.random.default_rng(2).normal(size=(70, 2, 2))
    for channel in (0, 13, 69):
        found = maps_of(tensor, holding=channel)
        assert channel in found.channels
        assert found.first % 32 == 0


@pytest.mark.parametrize("asked", [{"first": 4}, {"first": -1}, {"holding": 4}])
def test_a_channel_that_is_not_there_is_refused(asked):
    with pytest.raises(UsageError, match="the tensor has 4, counted from 0"):
        maps_of(np.ones((4, 1, 1)), **asked)


def test_bytes_are_row_by_row():
    told = maps_of(np.array([[[127.0, -1.0], [2.0, 0.0]]])).to_json()
    assert list(base64.b64decode(told["steps"])) == [127, 255, 2, 0]
    assert (told["height"], told["width"], told["total"]) == (2, 2, 1)


def test_a_vector_is_one_map_of_one_row():
    found = maps_of(np.array([1.0, -2.0]))
    assert found.steps.tolist() == [[[64, -127]]]
