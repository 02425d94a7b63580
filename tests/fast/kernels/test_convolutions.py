"""Every convolution kernel beside the definition: the sizes where blocks and tiles begin and end, and real layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comparison import assert_within, gamma
from tests.fast.single import UNIT, Conv, definition, error_units, kernels, magnitude, run

# Units of u (|w| * |x|) that no convolution of normal numbers reaches: measured figures, no bounds. What holds for
# numbers of every scale is tested below, and for Winograd's algorithm in tests/audit/test_winograd_error.py.
MEASURED = {"winograd_3x3": 24, "direct": 6, "direct_pixels": 6, "depthwise": 6}

NO_PADDING = (0, 0, 0, 0)
CASES = {
    "winograd_3x3": [
        *(Conv(16, 32, size, size) for size in range(1, 14)),
        Conv(5, 7, 3, 10),
        Conv(17, 33, 10, 3),
        Conv(64, 64, 56, 56),
        Conv(128, 128, 28, 28),
        Conv(256, 256, 14, 14),
        Conv(512, 64, 7, 7),
    ],
    "direct_pixels": [
        Conv(3, 64, 20, 31),
        Conv(1, 5, 3, 3),
        Conv(4, 32, 15, 14, padding=NO_PADDING),
        Conv(3, 16, 17, 18, stride=(2, 2)),
        Conv(3, 64, 64, 47, stride=(2, 2)),
        Conv(3, 7, 9, 8, stride=(2, 2), padding=(0, 0, 1, 1)),
    ],
    "direct": [
        Conv(64, 64, 56, 56, stride=(2, 2)),
        Conv(256, 32, 14, 14, stride=(2, 2)),
        Conv(64, 128, 14, 14, size=(1, 1), stride=(2, 2), padding=NO_PADDING),
        Conv(64, 128, 9, 15, size=(1, 1), padding=NO_PADDING),
        Conv(3, 16, 17, 18, stride=(2, 1)),
        Conv(4, 16, 17, 18, stride=(2, 2)),
        Conv(20, 20, 13, 10, size=(5, 3), padding=(2, 0, 1, 1), stride=(2, 1)),
        Conv(16, 16, 9, 9, padding=(1, 0, 0, 1)),
    ],
    "depthwise": [
        Conv(64, 64, 14, 14, depthwise=True),
        Conv(20, 20, 15, 14, depthwise=True, stride=(2, 2)),
        Conv(512, 512, 7, 7, size=(7, 7), padding=NO_PADDING, depthwise=True),
    ],
}
ALL = [(kernel, case) for kernel, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("kernel", "case"), ALL)
def test_the_error_with_normal_numbers_is_within_what_was_measured(kernel, case):
    called, compiled = kernels(case.graph(0))
    assert kernel in called
    assert compiled
    assert error_units(case, count=2) <= MEASURED[kernel]


@pytest.mark.parametrize(("kernel", "case"), [item for item in ALL if item[0] != "winograd_3x3"])
def test_the_bound_of_a_plain_sum_holds_whatever_the_scale(kernel, case):
    graph, x = case.graph(0), case.feeds(2, 0)["x"]
    rng = np.random.default_rng(4)
    graph.constants["bias"][:] = 0
    graph.constants["weight"] *= 2.0 ** rng.integers(-20, 20, graph.constants["weight"].shape).astype(np.float32)
    x *= 2.0 ** rng.integers(-20, 20, x.shape).astype(np.float32)
    taps, ic = case.size[0] * case.size[1], 1 if case.depthwise else case.ic
    roundings = taps * ic if kernel != "direct" else min(ic, 64) + taps * -(-ic // 64) - 1
    bound = gamma(roundings, np.float32) * magnitude(case, graph, {"x": x})
    assert_within(run(graph, {"x": x})["sum"], definition(graph, {"x": x})["sum"], bound)


@pytest.mark.parametrize(("kernel", "case"), [(kernel, cases[0]) for kernel, cases in CASES.items()])
@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_what_follows_is_done_on_the_way(kernel, case, slope, residual, second):
    case = Conv(**{**vars(case), "slope": slope, "residual": residual, "second": second})
    graph, feeds = case.graph(1), case.feeds(2, 1)
    called, compiled = kernels(graph)
    assert kernel in called
    assert compiled
    exact, results = definition(graph, feeds), run(graph, feeds)
    assert set(results) == {tensor.name for tensor in graph.outputs}
    error = UNIT * (MEASURED[kernel] * magnitude(case, graph, feeds) + 16)
    scale = abs(graph.constants["slope"]).max() + 1 if slope else 1
    for name, value in results.items():
        factor = 1 + 2 * abs(graph.constants["gamma"]).max() if name == "z" else 1
        assert_within(value, exact[name], error * scale * factor)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_shapes_of_all_kinds(seed):
    rng = np.random.default_rng(seed)
    size = tuple(int(k) for k in rng.integers(1, 4, 2))
    depthwise = bool(rng.integers(2))
    ic = int(rng.integers(2, 40))
    case = Conv(
        ic,
        ic if depthwise else int(rng.integers(1, 70)),
        int(rng.integers(3, 20)),
        int(rng.integers(3, 20)),
        size,
        tuple(int(s) for s in rng.integers(1, 3, 2)),
        tuple(int(p) for p in rng.integers(0, 3, 4)),
        depthwise,
    )
    assert error_units(case, count=int(rng.integers(1, 4)), seed=seed) <= max(MEASURED.values())


@pytest.mark.parametrize(("kernel", "case"), [(kernel, cases[0]) for kernel, cases in CASES.items()])
@pytest.mark.parametrize("options", [{"threads": 2}, {"threads": 3}, {"memory": "low"}])
def test_an_image_keeps_its_bits(kernel, case, options):
    case = Conv(**{**vars(case), "slope": True, "residual": True, "second": True})
    graph, feeds = case.graph(2), case.feeds(11, 2)
    alone = [run(graph, {name: value[i : i + 1] for name, value in feeds.items()}) for i in (0, 10)]
    together = run(graph, feeds, **options)
    for name, value in together.items():
        assert np.array_equal(value[0], alone[0][name][0])
        assert np.array_equal(value[10], alone[1][name][0])


def test_nan_spreads_no_further_than_its_tile_and_filters():
    case = Conv(16, 32, 12, 12)
    graph, feeds = case.graph(3), case.feeds(1, 3)
    clean = run(graph, feeds)["sum"]
    feeds["x"][0, 3, 9, 9] = np.nan
    touched = run(graph, feeds)["sum"]
    assert np.isnan(touched[..., 8:11, 8:11]).all()
    assert np.array_equal(touched[..., :4, :], clean[..., :4, :])
