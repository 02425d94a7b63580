"""Every number of the network is the sum that it is written out as."""

import math

import numpy as np
import pytest

from refnet.errors import UsageError
from refnet.formats.reading import read_model
from refnet.network import Network
from refnet.web.explorer import Explorer
from refnet.zoo.samples import sample_crops
from tests import localdata

U = 2.0**-53


def gamma(k):
    return k * U / (1 - k * U)


def hold_to_their_sums(explorer, face, seed, operators_without_words=frozenset()):
    """Take places of every layer at random; the reference adds in another order, so K terms leave gamma(K) times their sizes."""
    rng = np.random.default_rng(seed)
    seen = set()
    for block in explorer.blocks:
        for layer in block.layers:
            place = tuple(int(rng.integers(extent)) for extent in layer.shape)
            found = explorer.element(face, layer.name, place)
            if found["kind"] == "unknown":
                assert layer.op in operators_without_words
                continue
            seen.add(layer.op)
            products = [
                product
                for term in found["terms"]
                for product in (
                    [term["value"]] if term["seen"] is None else (np.array(term["seen"]) * term["weight"]).ravel()
                )
            ]
            others = 0.0 if found["contributions"] is None else sum(map(abs, found["contributions"]))
            sizes = sum(map(abs, products)) + others + sum(abs(one["value"]) for one in found["given"])
            count = 4 + (1 if found["contributions"] is None else 25088)
            assert abs(found["total"] - found["value"]) <= gamma(count) * sizes, layer.name
            told = math.fsum([*(term["value"] for term in found["terms"]), found["rest_value"]])
            assert abs(told - found["total"]) <= gamma(16) * sizes, layer.name
    return seen


def test_every_layer_of_the_network(explorer):
    seen = hold_to_their_sums(explorer, "first", 0)
    assert seen == {
        "Identity",
        "Sub",
        "Mul",
        "Conv",
        "BatchNormalization",
        "PRelu",
        "Add",
        "Dropout",
        "Flatten",
        "Gemm",
    }


def test_every_layer_from_what_the_fast_engine_hands_on(narrow):
    explorer = Explorer(Network(narrow), "none")
    explorer.album.keep("first", "first", sample_crops()[0])
    hold_to_their_sums(explorer, "first", 1)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("mobilefacenet-arcface-mxnet.onnx", frozenset()),
        ("mobilefacenet-arcface-opset19.onnx", {"Clip", "Expand", "ReduceL2"}),
    ],
)
def test_every_layer_of_a_trained_relative(name, without):
    explorer = Explorer(Network(read_model(localdata.path(f"models/{name}")), engine="reference"), "none")
    explorer.album.keep("first", "first", sample_crops()[0])
    hold_to_their_sums(explorer, "first", 2, without)


def test_the_fully_connected_layer_reads_the_picture_before_it_was_flattened(explorer):
    found = explorer.element("first", "pre_fc1", (7,))
    assert [one["tensor"] for one in found["seen"]] == ["dropout0"]
    assert (found["seen"][0]["height"], found["seen"][0]["width"]) == (7, 7)
    assert len(found["contributions"]) == 32
    assert found["pixels"] == {"top": 0, "left": 0, "bottom": 112, "right": 112}


def test_a_flattened_number_says_where_it_lay(explorer):
    found = explorer.element("first", "flatten_1127", (3 * 49 + 2 * 7 + 5,))
    seen = found["seen"][0]
    assert (seen["tensor"], seen["channel"], seen["top"], seen["left"]) == ("dropout0", 3, 2, 5)


@pytest.mark.parametrize("place", [(4, 0, 0), (0, 112, 0), (0, 0)])
def test_a_place_that_is_not_there_is_refused(explorer, place):
    with pytest.raises(
        UsageError, match=r"'relu0' has no place \(.*\); its extents are \(4, 112, 112\), counted from 0"
    ):
        explorer.element("first", "relu0", place)
