"""Operators that only move, rename or count elements: Reshape, Flatten, Transpose, Concat, Gather, Slice and the like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import OPERATORS, Known
from refnet.ops.gather import gather
from refnet.ops.slice import slice_
from tests import oracle

MOVING = (
    "Cast Concat Dropout Expand Flatten Gather Identity Reshape Shape Slice Squeeze Transpose Unsqueeze".split()  # noqa: SIM905
)


def known(*values):
    """A vector of integers known before any image is seen."""
    return Known((len(values),), np.array(values, dtype=np.int64))


def shape_of(op, *inputs, **attributes):
    return OPERATORS[op].output_shape(*inputs, **attributes)


X = Known((2, 3, 4, 5))


@pytest.mark.parametrize("op", MOVING)
def test_moving_costs_nothing(op):
    assert OPERATORS[op].flops((2, 3), X) == 0


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "expected"),
    [
        ("Reshape", (known(0, -1),), {}, (2, 60)),
        ("Reshape", (known(-1, 0, 20),), {}, (2, 3, 20)),
        ("Reshape", (known(120),), {}, (120,)),
        ("Flatten", (), {"axis": 1}, (2, 60)),
        ("Flatten", (), {"axis": 0}, (1, 120)),
        ("Flatten", (), {"axis": 4}, (120, 1)),
        ("Flatten", (), {"axis": -1}, (24, 5)),
        ("Flatten", (), {"axis": -4}, (1, 120)),
        ("Transpose", (), {"perm": (3, 0, 1, 2)}, (5, 2, 3, 4)),
        ("Concat", (Known((2, 7, 4, 5)),), {"axis": -3}, (2, 10, 4, 5)),
        ("Concat", (), {"axis": 2}, (2, 3, 4, 5)),
        ("Shape", (), {}, (4,)),
        ("Gather", (Known(()),), {"axis": 1}, (2, 4, 5)),
        ("Gather", (Known((6, 7)),), {"axis": -1}, (2, 3, 4, 6, 7)),
        ("Unsqueeze", (), {"axes": (0, -1)}, (1, 2, 3, 4, 5, 1)),
        ("Expand", (known(7, 1, 1, 1, 1),), {}, (7, 2, 3, 4, 5)),
        ("Slice", (known(1, -2), known(9, -1), known(1, 3)), {}, (2, 2, 4, 1)),
        ("Slice", (known(-1), known(-(2**63)), known(2), known(-3)), {}, (2, 3, 2, 5)),
    ],
)
def test_shapes_by_hand(op, inputs, attributes, expected):
    assert shape_of(op, X, *inputs, **attributes) == expected


def test_squeezing_by_hand():
    x = Known((1, 3, 1, 1))
    assert shape_of("Squeeze", x, axes=(0, -1)) == (3, 1)
    assert shape_of("Squeeze", x) == (3,)


def test_a_reshape_may_ask_for_an_empty_array():
    assert shape_of("Reshape", Known((0, 3)), known(3, 0), allow_zero=1) == (3, 0)


BOUNDS = st.integers(-9, 9) | st.sampled_from([-(2**63), -(2**31), 2**31])


@given(st.data())
def test_slice_cuts_as_onnx_clamps(data):
    extent = data.draw(st.integers(1, 6))
    start, end = data.draw(BOUNDS), data.draw(BOUNDS)
    step = data.draw(st.integers(-3, 3).filter(bool))
    x = np.arange(extent)
    starts, ends, axes, steps = (np.array([value]) for value in (start, end, 0, step))
    y = slice_(x, starts, ends, axes, steps)
    assert y.tolist() == oracle.slice_of(list(range(extent)), start, end, step)
    assert shape_of("Slice", Known(x.shape), known(start), known(end), known(0), known(step)) == y.shape


@pytest.mark.parametrize("end", [2**31 - 1, 2**63 - 1])
def test_a_slice_back_to_the_largest_integer_is_refused(end):
    with pytest.raises(UnsupportedModelError, match=f"an end of {end} with a step of -1: .*refnet does not guess"):
        shape_of("Slice", Known((5,)), known(0), known(end), known(0), known(-1))


@pytest.mark.parametrize("index", [3, -4, 2**40])
def test_gather_refuses_an_index_beyond_the_axis_when_it_runs(index):
    with pytest.raises(ShapeError, match="indices reach outside an axis of 3; expected -3 to 2"):
        gather(np.arange(3.0), np.array([0, index]))


UNKNOWN = "is computed from the image; refnet implements only what follows from constants and shapes"


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "error", "message"),
    [
        ("Reshape", (Known((2,)),), {}, UnsupportedModelError, f"shape {UNKNOWN}"),
        (
            "Reshape",
            (known(0, -1),),
            {"allow_zero": 2},
            UnsupportedModelError,
            "allow_zero = 2; refnet implements 0 and 1",
        ),
        (
            "Reshape",
            (known(7, -1),),
            {},
            ShapeError,
            r"120 elements of shape \(2, 3, 4, 5\) do not fit the shape \(7, -1\)",
        ),
        ("Reshape", (known(7, 2),), {}, ShapeError, "do not fit the shape"),
        ("Reshape", (known(-1, 0),), {"allow_zero": 1}, ShapeError, "do not fit the shape"),
        ("Reshape", (known(-1, -1),), {}, ShapeError, "expected extents, at most one of them -1"),
        ("Reshape", (known(-2, 60),), {}, ShapeError, "expected extents, at most one of them -1"),
        ("Reshape", (known(-1, 1, 1, 1, 0),), {}, ShapeError, "0 keeps an extent, and there is no axis 4 to keep"),
        (
            "Reshape",
            (Known((1, 1), np.array([[2]])),),
            {},
            ShapeError,
            r"shape has shape \(1, 1\) .* a vector of integers",
        ),
        ("Flatten", (), {"axis": 5}, ShapeError, "axis = 5; expected -4 to 4 for 4 axes"),
        (
            "Transpose",
            (),
            {"perm": (0, 1, 2)},
            ShapeError,
            r"perm = \(0, 1, 2\); expected each of the 4 axes of x once",
        ),
        (
            "Concat",
            (Known((2, 3, 4, 6)),),
            {"axis": 1},
            ShapeError,
            r"\(2, 3, 4, 5\), \(2, 3, 4, 6\) differ beside axis 1",
        ),
        ("Concat", (Known((2, 3)),), {"axis": 1}, ShapeError, "differ beside axis 1"),
        ("Gather", (known(3),), {"axis": 1}, ShapeError, "indices reach outside an axis of 3; expected -3 to 2"),
        ("Gather", (Known((1,), np.array([0.5])),), {"axis": 1}, ShapeError, "indices have dtype float64"),
        ("Gather", (known(0),), {"axis": 4}, ShapeError, "axis = 4; expected -4 to 3 for 4 axes"),
        ("Unsqueeze", (), {"axes": (0, -6)}, ShapeError, r"axes = \(0, -6\) names an axis twice"),
        ("Unsqueeze", (), {"axes": (5,)}, ShapeError, "axis = 5; expected -5 to 4 for 5 axes"),
        ("Squeeze", (), {"axes": (1,)}, ShapeError, r"axis 1 of shape \(2, 3, 4, 5\) is 3; expected 1 where"),
        ("Expand", (Known((4,)),), {}, UnsupportedModelError, f"shape {UNKNOWN}"),
        ("Expand", (known(7),), {}, ShapeError, r"shapes \(2, 3, 4, 5\) and \(7,\) do not broadcast"),
        ("Slice", (known(0), known(1, 2)), {}, ShapeError, "hold 1, 2, 1 and 1 numbers; expected equally many"),
        ("Slice", (known(0), known(1), known(0), known(0)), {}, ShapeError, r"steps = \(0,\); expected none of them 0"),
        ("Slice", (known(0, 1), known(1, 2), known(1, -3)), {}, ShapeError, r"axes = \(1, -3\) names an axis twice"),
        ("Slice", (known(0), known(1), known(4)), {}, ShapeError, "axis = 4; expected -4 to 3 for 4 axes"),
        ("Slice", (known(0), Known((1,))), {}, UnsupportedModelError, f"ends {UNKNOWN}"),
    ],
)
def test_what_does_not_fit_is_refused(op, inputs, attributes, error, message):
    with pytest.raises(error, match=message):
        shape_of(op, X, *inputs, **attributes)
