"""Receptive fields beside the pixels that do change a number."""

import numpy as np
import pytest

from refnet.network import Network
from refnet.web.receptive import receptive_fields


def test_the_first_layers_by_hand(narrow):
    fields = receptive_fields(narrow, (3, 112, 112))
    # conv0 is 3 x 3 with padding 1; unit 1 adds a 3 x 3 and a 3 x 3 with stride 2.
    assert fields["conv0"][0].at(0, 112) == (0, 2)
    assert fields["conv0"][1].at(5, 112) == (4, 7)
    assert fields["_plus0"][0].at(10, 112) == (17, 24)
    assert fields["stage1_unit1_conv1sc"][0].at(10, 112) == (19, 22)


def test_nothing_is_claimed_behind_the_fully_connected_layer(narrow):
    fields = receptive_fields(narrow, (3, 112, 112))
    assert "dropout0" in fields
    assert not {"pre_fc1", "fc1"} & fields.keys()


@pytest.mark.parametrize(("name", "row", "column"), [("stage1_unit2_conv1", 20, 33), ("_plus3", 0, 27)])
def test_pixels_outside_change_nothing_and_those_at_its_edges_do(narrow, name, row, column):
    network = Network(narrow, engine="reference")
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 112, 112))

    def value(pixels):
        (found,) = dict(network.stream(pixels, [name])).values()
        return found[0, :, row, column].copy()

    down, across = receptive_fields(narrow, (3, 112, 112))[name]
    (top, bottom), (left, right) = down.at(row, 112), across.at(column, 112)
    whole = value(image)
    outside = image.copy()
    outside[:, :, :top], outside[:, :, bottom:], outside[..., :left], outside[..., right:] = 0, 0, 0, 0
    np.testing.assert_array_equal(value(outside), whole)
    for i, j in {(top, left), (top, right - 1), (bottom - 1, left), (bottom - 1, right - 1)}:
        changed = image.copy()
        changed[..., i, j] = 255 - changed[..., i, j]
        assert (value(changed) != whole).any()
