"""Winograd's bound holds for numbers of every scale, is derived from the kernel's own formulas, and is not idle."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from refnet.audit.winograd_error import (
    amplification,
    normwise_bound,
    roundings,
    uses_winograd,
    winograd_bound,
    winograd_variance,
)
from refnet.fast.kernels import tiles
from refnet.fast.kernels.winograd_filters import POINTS, SQUARES
from refnet.graph import Graph, Node
from tests.comparison import assert_within
from tests.fast.single import UNIT, Conv, definition, kernels, magnitude, run

SIZES = [*product((1, 2, 3, 4), repeat=2), (5, 9), (11, 6), (14, 14), (23, 29)]
FACTORS = (1e2, 1e4, 1e6)


def badly_scaled(shape, seed):
    """Images (N, IC, H, W) whose numbers differ by orders of magnitude, each image in another way."""
    ic, height, width = shape
    rng = np.random.default_rng(seed)
    images = [rng.standard_normal(shape)]
    for factor in FACTORS:
        for first in product(range(3), repeat=2):  # every third pixel, starting anywhere
            images.append(rng.standard_normal(shape))
            images[-1][:, first[0] :: 3, first[1] :: 3] *= factor
        images.append(rng.standard_normal(shape))
        images[-1][rng.integers(ic)] *= factor
    for i, j in product(range(min(height, 6)), range(min(width, 6))):  # one pixel, at every place of a tile
        images.append(rng.standard_normal(shape))
        images[-1][:, i, j] *= 1e5
    for spread in (10, 20, 30):
        images.append(rng.standard_normal(shape) * 2.0 ** rng.integers(-spread, spread, shape))
        images.append(rng.standard_normal(shape) * 2.0 ** rng.integers(-spread, spread, (height, width)))
        images.append(abs(rng.standard_normal(shape)) * 2.0 ** rng.integers(-spread, spread, (ic, 1, 1)))
    return np.stack(images).astype(np.float32)


def filters(oc, ic, seed):
    """Filters (OC, IC, 3, 3): of one tap, each of the nine; one-sided; of any size; and plain ones."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((oc, ic, 3, 3))
    for tap in range(9):
        weight[tap] *= np.arange(9).reshape(3, 3) == tap
    weight[9] = abs(weight[9])
    weight[10] *= 2.0 ** rng.integers(-20, 20, (ic, 3, 3))
    weight[11] *= 2.0 ** rng.integers(-20, 20, (ic, 1, 1))
    return weight.astype(np.float32)


def computed(case, weight, x, **options):
    """What the kernel makes of it, and what float64 does; without a bias."""
    graph = case.graph(0)
    graph.constants["weight"][:], graph.constants["bias"][:] = weight, 0
    assert "winograd_3x3" in kernels(graph)[0]
    return run(graph, {"x": x}, **options)["sum"], definition(graph, {"x": x})["sum"], graph


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("ic", [5, 32, 65])
def test_the_bound_holds_whatever_the_scale(size, ic):
    case = Conv(ic, 32, *size)
    weight, x = filters(32, ic, ic), badly_scaled((ic, *size), ic)
    y, exact, _ = computed(case, weight, x)
    bound = winograd_bound(x, weight)
    assert_within(y, exact, bound)
    assert (bound <= normwise_bound(x, weight)).all()


@pytest.mark.parametrize("options", [{"memory": "low"}, {"threads": 2}])
def test_it_holds_for_filters_kept_as_they_are_and_for_any_division_of_the_work(options):
    case, x = Conv(32, 64, 14, 11), badly_scaled((32, 14, 11), 1)
    weight = filters(64, 32, 1)
    y, exact, _ = computed(case, weight, x, **options)
    assert_within(y, exact, winograd_bound(x, weight))


@pytest.mark.parametrize("ic", [16, 256, 512])
def test_what_was_measured_on_even_numbers_is_no_bound_and_this_one_is_not_idle(ic):
    """Every third pixel is larger: the error grows with it in units of u (|w| * |x|), and comes near the bound."""
    weight = np.zeros((32, ic, 3, 3), np.float32)
    weight[:, :, 1, 1] = np.random.default_rng(0).standard_normal((32, ic)) / ic**0.5
    case = Conv(ic, 32, 14, 14)
    for factor in FACTORS:
        x = np.random.default_rng(1).standard_normal((1, ic, 14, 14)).astype(np.float32)
        x[:, :, ::3, ::3] *= factor
        y, exact, graph = computed(case, weight, x)
        error, bound = abs(y - exact), winograd_bound(x, weight)
        assert (error / (UNIT * magnitude(case, graph, {"x": x}))).max() > factor / 2
        assert_within(y, exact, bound)
        assert (error / bound).max() > 1 / 200


@pytest.mark.parametrize(("size", "ic"), [((14, 14), 16), ((7, 7), 256), ((9, 6), 64), ((3, 5), 5)])
def test_the_variance_is_that_of_the_errors(size, ic):
    """No error is beyond six standard deviations, and on the whole they are not much smaller than foretold."""
    case, x = Conv(ic, 32, *size), badly_scaled((ic, *size), 7)
    weight = filters(32, ic, 7)
    y, exact, _ = computed(case, weight, x)
    deviation = UNIT * np.sqrt(winograd_variance(x, weight))
    assert (abs(y - exact) <= 6 * deviation).all()
    ratio = (abs(y - exact) / deviation)[:, 12:]  # of plain filters: those of one tap leave most of the tile out
    assert 0.1 < np.sqrt(np.mean(np.square(ratio))) < 1


def test_the_roundings_are_those_counted_by_hand():
    """One direction, tiles of four: d1 -> odd_a -> frequency a, two and the constant 2/3; g2, two and 4/9; and back
    through a difference, its constant and two multiply-adds, four. Both directions, and a sum of so many terms."""
    assert roundings(0) == 2 * (3 + 3 + 4)
    assert [roundings(ic) - 20 for ic in (16, 64, 65, 256)] == [16, 64, 65, 67]


def test_the_amplification_is_that_of_the_matrices():
    """Restated: AT, BT and G found by running the formulas on unit vectors, in fractions."""
    exact = 0
    for m in (1, 2, 3, 4):
        units = np.eye(m + 2, dtype=int).astype(object) * Fraction(1)
        fma = lambda x, y, z: x * y + z  # noqa: E731
        b = abs(np.array([tiles.spread(list(unit), fma) for unit in units]).T)
        a = abs(np.array([tiles.gather(list(unit), fma) for unit in units]).T)
        taps = np.eye(3, dtype=int).astype(object) * Fraction(1)
        g = abs(np.array([[tiles.expand(list(tap), f, fma) for tap in taps] for f in tiles.USED[m]]))
        exact = max(exact, (a @ (g * b.sum(axis=1, keepdims=True))).max())
    assert amplification() == exact == Fraction(37, 3)


def test_constants_lie_within_one_rounding():
    exact = [0, tiles.A, -tiles.A, tiles.B, -tiles.B]
    for rounded, power in ((POINTS, 1), (SQUARES, 2)):
        for value, point in zip(rounded, exact, strict=True):
            assert abs(Fraction(float(value)) - point**power) <= Fraction(UNIT) * abs(point) ** power


@pytest.mark.parametrize(
    "case",
    [
        Conv(16, 16, 9, 9),
        Conv(5, 16, 9, 9),
        Conv(4, 16, 9, 9),
        Conv(16, 16, 9, 9, stride=(2, 2)),
        Conv(16, 16, 9, 9, stride=(2, 1)),
        Conv(16, 16, 9, 9, padding=(0, 0, 0, 0)),
        Conv(16, 16, 9, 9, size=(1, 1), padding=(0, 0, 0, 0)),
        Conv(16, 16, 9, 9, depthwise=True),
    ],
)
def test_it_is_known_which_convolutions_are_winograds(case):
    graph = case.graph(0)
    assert uses_winograd(graph.nodes[0], graph.constants["weight"]) == ("winograd_3x3" in kernels(graph)[0])


def test_a_dilated_convolution_is_not():
    case = Conv(16, 16, 9, 9, padding=(2, 2, 2, 2))
    graph = case.graph(0)
    node = Node("conv", "Conv", graph.nodes[0].inputs, "sum", {**case.attributes, "dilation": (2, 2)})
    dilated = Graph("dilated", graph.inputs, graph.outputs, (node,), graph.constants)
    assert not uses_winograd(node, graph.constants["weight"])
    assert "winograd_3x3" not in kernels(dilated)[0]
