"""Kernels that are not compiled: the plain twins of the vector instructions give the same bits."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.fast.kernels.driver import Kernel
from refnet.fast.plain import fma, largest, load, splat, store
from tests.fast.every_kernel import digests, kernels_called

ROOT = Path(__file__).parents[2]
LARGEST = Fraction(float(np.finfo(np.float32).max))
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def nearest(exact):
    """The float32 nearest to a fraction, ties to even, by trying the neighbours of a first guess."""
    guess = np.float32(float(exact))
    around = {float(guess), *(float(np.nextafter(guess, np.float32(side))) for side in (-np.inf, np.inf))}
    candidates = sorted(around, key=lambda c: (abs(Fraction(c) - exact), np.float32(c).view(np.uint32) & 1))
    return np.float32(candidates[0])


@given(floats, floats, floats)
def test_fma_rounds_the_exact_value_once(x, y, z):
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if abs(exact) < LARGEST:
        assert fma(np.float32(x), np.float32(y), np.float32(z)) == nearest(exact)


@given(st.integers(0, 2**23 - 1), st.integers(1, 100), st.integers(-40, 40), st.booleans())
def test_fma_sees_what_lies_beside_the_middle_of_two_values(mantissa, below, shift, negative):
    """z + half a unit +- a little that float64 cannot hold beside z: there, rounding twice goes wrong."""
    z = np.float32((1 + mantissa * 2.0**-23) * 2.0**shift)
    x = np.float32(1 + 2.0**-15)
    y = np.float32((1 - 2.0**-15) * 2.0 ** (shift - 24) * (1 if below % 2 else 1 + 2.0**-23))
    x, y, z = (x, -y, -z) if negative else (x, y, z)
    assert fma(x, y, z) == nearest(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)))


def test_rounding_twice_would_fail_here():
    x, y, z = np.float32(1 + 2**-15), np.float32(2**-24 - 2**-39), np.float32(1 + 2**-23)
    twice = np.float32(np.float64(x) * np.float64(y) + np.float64(z))
    assert (fma(x, y, z), twice) == (z, np.float32(1 + 2**-22))


@pytest.mark.parametrize(
    ("x", "y", "z", "expected"),
    [
        (np.inf, 1, 1, np.inf),
        (np.inf, 0, 1, np.nan),
        (np.inf, 1, -np.inf, np.nan),
        (1, np.nan, 1, np.nan),
        (3e38, 3e38, -np.inf, -np.inf),
        (3e38, 2, 0, np.inf),
        (-0.0, 1, -0.0, -0.0),
        (1, 1, -1, 0.0),
        (2.0**-100, 2.0**-49, 0, 2.0**-149),
        (2.0**-100, 2.0**-51, 0, 0.0),
    ],
)
def test_fma_at_the_ends_of_the_numbers(x, y, z, expected):
    found = fma(np.float32(x), np.float32(y), np.float32(z))
    assert np.array_equal(found, np.float32(expected), equal_nan=True)
    assert np.isnan(expected) or np.signbit(found) == np.signbit(expected)


def test_the_larger_value_is_taken_and_not_a_number_stays_so():
    x, y = (
        np.float32([1, -2, np.nan, 3, -0.0, 0.0, -0.0, -np.inf]),
        np.float32([-1, -1, 4, np.nan, 0.0, -0.0, -0.0, np.inf]),
    )
    found = largest(x, y)
    assert np.array_equal(found, np.float32([1, -1, np.nan, np.nan, 0, 0, 0, np.inf]), equal_nan=True)
    assert np.signbit(found[4:7]).tolist() == [False, False, True]


def test_sixteen_values_are_loaded_stored_and_spread():
    x = np.arange(40, dtype=np.float32)
    values = load(x, 3)
    store(x, 20, values)
    assert np.array_equal(x[20:36], np.arange(3, 19))
    x[3:19] = 0
    assert np.array_equal(values, np.arange(3, 19))  # a value, and not a view
    assert np.array_equal(splat(0.5), np.full(16, 0.5, np.float32))


def test_the_networks_below_call_every_kernel():
    assert kernels_called() == {kernel.name.lower() for kernel in Kernel}


def test_every_kernel_gives_the_same_bits_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "tests.fast.every_kernel"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests()
