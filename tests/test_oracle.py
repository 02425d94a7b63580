"""The oracle against numbers worked by hand; nothing of refnet takes part."""

from fractions import Fraction

import numpy as np

from tests import oracle
from tests.comparison import assert_within

F = Fraction


def fractions(*values):
    return np.array([F(value) for value in values], dtype=object)


def test_a_convolution_of_ones_counts_the_taps_inside_the_image():
    y = oracle.conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=(1, 1, 1, 1))
    assert y[0, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_a_convolution_does_not_flip_its_filter():
    y = oracle.conv(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[10.0, 1.0]]]]))
    assert y[0, 0, 0].tolist() == [12, 23]


def test_stride_dilation_and_padding_of_a_convolution():
    x = np.array([[[[1.0, 2.0, 3.0, 4.0, 5.0]]]])
    weight = np.array([[[[1.0, 10.0]]]])
    assert oracle.conv(x, weight, stride=(1, 2))[0, 0, 0].tolist() == [21, 43]
    assert oracle.conv(x, weight, dilation=(1, 3))[0, 0, 0].tolist() == [41, 52]
    assert oracle.conv(x, weight, padding=(0, 1, 0, 0))[0, 0, 0].tolist() == [10, 21, 32, 43, 54]
    assert oracle.conv(x, weight, padding=(0, 0, 0, 1))[0, 0, 0].tolist() == [21, 32, 43, 54, 5]


def test_a_group_sees_its_own_channels_and_the_bias_is_added_once():
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
    weight = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    assert oracle.conv(x, weight, np.array([0.5, -0.5]), groups=2).ravel().tolist() == [21.5, 4299.5]


def test_batch_normalization_by_hand():
    y = oracle.batch_normalization([[5.0, 0.0]], [3.0, 1.0], [1.0, -1.0], [2.0, 1.0], [3.75, 0.75], 0.25)
    assert y[0].tolist() == [F(11, 2), -2]


def test_prelu_by_hand():
    y = oracle.prelu_per_channel([[-2.0, -2.0], [0.0, 3.0]], [0.25, 0.5])
    assert y.tolist() == [[F(-1, 2), -1], [0, 3]]


def test_gemm_by_hand():
    a, b = [[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]
    assert oracle.gemm(a, b).tolist() == [[19, 22], [43, 50]]
    assert oracle.gemm(a, b, trans_b=1).tolist() == [[17, 23], [39, 53]]
    assert oracle.gemm(a, b, trans_a=1).tolist() == [[26, 30], [38, 44]]
    assert oracle.gemm(a, b, [1.0, 2.0], alpha=0.5, beta=10.0).tolist() == [[19.5, 31], [31.5, 45]]


def test_pooling_by_hand():
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    assert oracle.max_pool(x, (2, 2))[0, 0].tolist() == [[5, 6], [8, 9]]
    assert oracle.average_pool(x, (2, 2))[0, 0].tolist() == [[3, 4], [6, 7]]
    assert oracle.max_pool(x, (2, 2), dilation=(2, 2))[0, 0].tolist() == [[9]]
    assert oracle.global_average_pool(x).ravel().tolist() == [5]


def test_the_average_counts_padding_only_where_asked_and_never_what_overhangs():
    x = np.array([[[[6.0, 6.0, 6.0]]]])
    assert oracle.average_pool(x, (1, 2), padding=(0, 1, 0, 0))[0, 0, 0].tolist() == [6, 6, 6]
    assert oracle.average_pool(x, (1, 2), padding=(0, 1, 0, 0), count_include_pad=1)[0, 0, 0].tolist() == [3, 6, 6]
    overhang = oracle.average_pool(x, (1, 2), stride=(1, 2), ceil_mode=1, count_include_pad=1)
    assert overhang[0, 0, 0].tolist() == [6, 6]


def test_rounding_up_leaves_out_a_window_that_starts_beyond_the_image():
    x = np.array([[[[1.0, 2.0, 3.0]]]])
    assert oracle.max_pool(x, (1, 2), stride=(1, 2))[0, 0, 0].tolist() == [2]
    assert oracle.max_pool(x, (1, 2), stride=(1, 2), ceil_mode=1)[0, 0, 0].tolist() == [2, 3]
    assert oracle.max_pool(x, (1, 2), stride=(1, 3), padding=(0, 0, 0, 1), ceil_mode=1)[0, 0, 0].tolist() == [2]


def test_roots_and_exponentials_by_hand():
    assert oracle.square_root(F(9, 4)) == F(3, 2)
    assert oracle.reduce_l2_last_axis([[3.0, 4.0]]).tolist() == [[5]]
    assert oracle.sigmoid([0.0]).tolist() == [F(1, 2)]
    assert oracle.softmax_last_axis([[7.0, 7.0]]).tolist() == [[F(1, 2), F(1, 2)]]
    assert_within(np.array([np.e]), np.array([oracle.exponential(F(1))], dtype=object), np.spacing(np.e))


def test_resizing_by_hand():
    x = [1.0, 2.0]
    half_pixel = {"mode": "linear", "coordinate_transformation": "half_pixel"}
    assert oracle.resize_last_axis(x, 4, 2, **half_pixel).tolist() == [1, F(5, 4), F(7, 4), 2]
    corners = {"mode": "linear", "coordinate_transformation": "align_corners"}
    assert oracle.resize_last_axis(x, 3, F(3, 2), **corners).tolist() == [1, F(3, 2), 2]
    asymmetric = {"mode": "nearest", "coordinate_transformation": "asymmetric"}
    assert oracle.resize_last_axis(x, 4, 2, **asymmetric).tolist() == [1, 1, 2, 2]
    assert oracle.resize_last_axis(x, 4, 2, **asymmetric, nearest_mode="ceil").tolist() == [1, 2, 2, 2]
    assert oracle.resize_last_axis(x, 4, 2, **asymmetric, nearest_mode="round_prefer_floor").tolist() == [1, 1, 2, 2]
    assert oracle.resize_last_axis(x, 4, 2, **asymmetric, nearest_mode="round_prefer_ceil").tolist() == [1, 2, 2, 2]


def test_exact_keeps_every_bit():
    assert oracle.exact(np.array([0.1])).tolist() == [F(0.1)]
    assert oracle.floats(fractions(F(1, 4), 3)).tolist() == [0.25, 3.0]
