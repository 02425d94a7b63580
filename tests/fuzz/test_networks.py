"""Whole networks: the same bits in any order of their nodes, right wherever inner tensors are given out."""

import numpy as np
import pytest

from refnet.formats.reading import read_model
from tests import localdata
from tests.fuzz.networks import judged_orders, ordered

FILES = ("mobilefacenet_relu6.onnx", "mtcnn_onet_nhwc.onnx", "scrfd_2.5g_bnkps.onnx", "yunet_s_dynamic.onnx")


def test_a_narrow_resnet100_in_other_orders(narrow):
    assert judged_orders(narrow, orders=4)[0] == []


@pytest.mark.parametrize("file", FILES)
def test_a_trained_network_in_other_orders(file):
    assert judged_orders(read_model(localdata.path(f"models/{file}")), orders=2)[0] == []


def test_the_orders_are_orders_and_differ(narrow):
    random = np.random.default_rng(0)
    orders = [ordered(narrow, random) for _ in range(3)]
    for nodes in orders:
        there = {"data", "", *narrow.constants}
        for node in nodes:
            assert there.issuperset(node.inputs)
            there.add(node.output)
    assert len({tuple(node.name for node in nodes) for nodes in orders}) == 3
