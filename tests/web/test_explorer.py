"""What the page asks."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from refnet.errors import InputError, ModelError, UsageError
from refnet.faces.similarity import similarity
from refnet.network import Network
from refnet.web.explorer import Explorer
from refnet.web.square import Square
from refnet.zoo.samples import sample_crops


def test_facts_say_what_is_synthetic_and_name_every_layer(explorer, narrow):
    facts = explorer.facts()
    assert facts["synthetic"] == "synthetic weights: numerically complete, no identity in them (seed 0)"
    assert sum(len(block["layers"]) for block in facts["blocks"]) == 362
    assert facts["no_detector"] == "no detector is installed"
    assert [face["id"] for face in facts["faces"]] == ["first", "second"]


def test_the_similarity_is_that_of_the_covered_image(explorer, narrow):
    network = Network(narrow, engine="reference")
    images = sample_crops().astype(np.float64)
    covered = images[0].copy()
    covered[:, 20:50, 30:60] = 127.5
    a, b, c = network(np.stack([*images, covered]))
    assert explorer.similarity("first", "second") == {"similarity": similarity(a, b), "whole": similarity(a, b)}
    assert explorer.similarity("first", "second", Square(30, 20, 30)) == {
        "similarity": similarity(c, b),
        "whole": similarity(a, b),
    }


def test_maps_of_the_covered_image_differ_from_those_of_the_whole(explorer):
    whole, covered = (explorer.maps("first", "conv0", square=square) for square in (None, Square(0, 0, 30)))
    assert whole["steps"] != covered["steps"]
    assert (whole["total"], whole["height"], whole["width"]) == (4, 112, 112)


def test_a_picture_is_the_crop(explorer):
    with Image.open(io.BytesIO(explorer.picture("second"))) as picture:
        np.testing.assert_array_equal(np.asarray(picture).transpose(2, 0, 1), sample_crops()[1])


def test_an_element_says_which_pixels_it_depends_on(explorer):
    assert explorer.element("first", "conv0", (0, 0, 5))["pixels"] == {"top": 0, "left": 4, "bottom": 2, "right": 7}


def test_a_layer_that_is_not_there_is_refused(explorer):
    with pytest.raises(UsageError, match="the network has no layer 'conv00'; nearest are 'conv0'"):
        explorer.maps("first", "conv00")


def test_values_that_are_not_finite_are_not_shown(narrow):
    constants = dict(narrow.constants)
    constants["conv0_weight"] = np.full_like(constants["conv0_weight"], np.inf)
    broken = Explorer(Network(replace(narrow, constants=constants), engine="reference"), "none")
    broken.album.keep("first", "first", sample_crops()[0])
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match="conv0 holds NaN or infinite values"):
        broken.maps("first", "conv0")


def test_a_network_of_several_outputs_is_refused(narrow):
    outputs = (*narrow.outputs, replace(narrow.outputs[0], name="pre_fc1"))
    with pytest.raises(
        ModelError, match="takes images of 3 channels and has 2 outputs; the explorer shows networks that"
    ):
        Explorer(Network(replace(narrow, outputs=outputs), engine="reference"), "none")
