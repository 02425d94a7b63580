"""Sums of products beside plain loops."""

import math

import numpy as np
import pytest

from refnet.graph import Node
from refnet.web.products import of_conv, of_gemm


def conv_node(stride, padding, dilation, groups):
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Node("c", "Conv", ("x", "w"), "y", attributes)


CASES = {
    "3 x 3": ((5, 6, 7), (4, 5, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "stride 2": ((5, 6, 7), (4, 5, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "1 x 1": ((30, 4, 4), (4, 30, 1, 1), (2, 2), (0, 0, 0, 0), (1, 1), 1),
    "oblong, dilated": ((3, 9, 9), (2, 3, 2, 3), (1, 2), (1, 2, 0, 1), (2, 3), 1),
    "groups": ((6, 5, 5), (4, 3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    "depthwise": ((4, 7, 7), (4, 1, 7, 7), (1, 1), (0, 0, 0, 0), (1, 1), 4),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("biased", [False, True])
def test_a_convolution_is_the_sum_over_its_window(case, biased):
    extents, filters, stride, padding, dilation, groups = case
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=extents), rng.normal(size=filters).astype(np.float32)
    bias = rng.normal(size=filters[0]).astype(np.float32) if biased else None
    node = conv_node(stride, padding, dilation, groups)
    oh = (extents[1] + padding[0] + padding[2] - dilation[0] * (filters[2] - 1) - 1) // stride[0] + 1
    ow = (extents[2] + padding[1] + padding[3] - dilation[1] * (filters[3] - 1) - 1) // stride[1] + 1
    for o in range(filters[0]):
        for i, j in {(0, 0), (oh - 1, ow - 1), (oh // 2, ow // 2)}:
            products, by_channel = [], {}
            for c in range(filters[1]):
                channel = o // (filters[0] // groups) * filters[1] + c
                for u in range(filters[2]):
                    for v in range(filters[3]):
                        row = i * stride[0] + u * dilation[0] - padding[0]
                        column = j * stride[1] + v * dilation[1] - padding[1]
                        inside = 0 <= row < extents[1] and 0 <= column < extents[2]
                        product = float(weight[o, c, u, v]) * x[channel, row, column] if inside else 0.0
                        products.append(product)
                        by_channel.setdefault(channel, []).append(product)
            found = of_conv(node, (o, i, j), x, weight, bias)
            own = [] if bias is None else [float(bias[o])]
            assert found.total == math.fsum(products + own)
            assert {term.channel: term.value for term in found.terms if term.channel is not None}.items() <= {
                channel: math.fsum(values) for channel, values in by_channel.items()
            }.items()
            assert found.contributions.tolist() == [math.fsum(values) for values in by_channel.values()]
            (window,) = found.windows
            assert window.top == i * stride[0] - padding[0]
            assert window.right - window.left == dilation[1] * (filters[3] - 1) + 1
            assert window.channel == found.terms[0].channel


def test_what_is_not_told_one_by_one_is_told_as_a_sum():
    x = np.random.default_rng(1).normal(size=(40, 3, 3))
    weight = np.random.default_rng(2).normal(size=(1, 40, 3, 3))
    found = of_conv(conv_node((1, 1), (1, 1, 1, 1), (1, 1), 1), (0, 1, 1), x, weight, None)
    assert (len(found.terms), found.rest) == (12, 28)
    sizes = [abs(term.value) for term in found.terms]
    assert sizes == sorted(sizes, reverse=True)
    told = math.fsum([*(term.value for term in found.terms), found.rest_value])
    assert told == pytest.approx(found.total, rel=1e-14, abs=1e-14)
    for term in found.terms:
        assert math.fsum((term.seen * term.weight).ravel().tolist()) == term.value


def test_outside_the_tensor_all_is_zero():
    found = of_conv(
        conv_node((1, 1), (1, 1, 1, 1), (1, 1), 1), (0, 0, 0), np.ones((1, 2, 2)), np.ones((1, 1, 3, 3)), None
    )
    assert found.terms[0].seen.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert found.total == 4


@pytest.mark.parametrize("trans_b", [0, 1])
def test_a_fully_connected_layer_is_told_by_the_channels_of_its_picture(trans_b):
    rng = np.random.default_rng(3)
    picture, weight, bias = rng.normal(size=(5, 2, 3)), rng.normal(size=(4, 30)), rng.normal(size=4)
    attributes = {"alpha": 2.0, "beta": 0.5, "trans_a": 0, "trans_b": trans_b}
    node = Node("f", "Gemm", ("x", "w", "b"), "y", attributes)
    stored = weight if trans_b else weight.T
    found = of_gemm(node, 3, picture.ravel(), stored, bias, "picture", picture.shape)
    rows = weight[3].reshape(5, 2, 3)
    by_channel = [
        math.fsum(2.0 * rows[c, i, j] * picture[c, i, j] for i in range(2) for j in range(3)) for c in range(5)
    ]
    assert found.contributions == pytest.approx(by_channel, rel=1e-15)
    assert found.total == pytest.approx(math.fsum([*by_channel, 0.5 * bias[3]]), rel=1e-14)
    assert found.terms[-1].value == 0.5 * bias[3]
    assert (found.windows[0].tensor, found.windows[0].bottom, found.windows[0].right) == ("picture", 2, 3)
