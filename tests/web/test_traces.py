"""Tensors on demand: those of the network, computed no oftener than needed."""

import numpy as np
import pytest

from refnet.errors import UsageError
from refnet.network import Network
from refnet.web.structure import blocks_of
from refnet.web.traces import BLOCKS, IMAGES, Traces
from refnet.zoo.samples import sample_crops

FACE = sample_crops()[0]
NAMES = (
    "data",
    "conv0",
    "relu0",
    "stage1_unit1_bn1",
    "stage1_unit1_sc",
    "_plus0",
    "stage3_unit7_relu1",
    "_plus48",
    "fc1",
)


@pytest.fixture(scope="module")
def blocks(narrow):
    return blocks_of(narrow, (3, 112, 112))


def test_tensors_are_those_of_the_float64_network(narrow, blocks):
    network = Network(narrow, engine="reference")
    expected = dict(network.stream(FACE[np.newaxis], ["*"]))
    traces = Traces(network, blocks)
    for name in NAMES[1:]:
        np.testing.assert_array_equal(traces.tensor("a", lambda: FACE, name), expected[name][0])
        assert not traces.tensor("a", lambda: FACE, name).flags.writeable
    np.testing.assert_array_equal(traces.tensor("a", lambda: FACE, "data"), FACE)


def test_the_fast_engine_gives_the_bits_of_the_network_and_float64_within_blocks(narrow, blocks):
    network = Network(narrow)
    traces = Traces(Network(narrow), blocks)
    np.testing.assert_array_equal(traces.embedding("a", lambda: FACE), network(FACE[np.newaxis])[0])
    handed = traces.read_by("stage3_unit8_bn1", "a", lambda: FACE, "_plus22")
    np.testing.assert_array_equal(handed, handed.astype(np.float32))
    follows = dict(network.stream(None, ["stage3_unit8_conv1"], start={"_plus22": handed[np.newaxis]}))
    np.testing.assert_array_equal(
        traces.tensor("a", lambda: FACE, "stage3_unit8_conv1"), follows["stage3_unit8_conv1"][0]
    )


def test_within_a_block_a_tensor_is_read_as_it_is_shown(narrow, blocks):
    traces = Traces(Network(narrow), blocks)
    shown = traces.tensor("a", lambda: FACE, "stage1_unit1_bn1")
    assert traces.read_by("stage1_unit1_conv1", "a", lambda: FACE, "stage1_unit1_bn1") is shown


def test_an_image_is_made_once_as_long_as_it_is_kept(narrow, blocks):
    made = []

    def image():
        made.append(1)
        return FACE

    traces = Traces(Network(narrow, engine="reference"), blocks)
    for name in ("_plus5", "stage2_unit4_bn1", "stage2_unit4_conv1", "_plus6", "_plus5"):
        traces.tensor("a", image, name)
    assert len(made) == 1


def test_what_is_kept_is_bounded(narrow, blocks):
    traces = Traces(Network(narrow), blocks)
    for key in range(IMAGES + 5):
        for name in ("_plus5", "_plus20"):
            traces.tensor(key, lambda: FACE, name)
    assert len(traces._runs) == IMAGES
    assert len(traces._opened) == BLOCKS


def test_a_tensor_that_is_not_there_is_refused(narrow, blocks):
    traces = Traces(Network(narrow, engine="reference"), blocks)
    with pytest.raises(
        UsageError, match="the network has no tensor 'stage1_unit1_con'; nearest are 'stage1_unit1_conv"
    ):
        traces.tensor("a", lambda: FACE, "stage1_unit1_con")
