"""exp with the same bits everywhere: against 50 decimal digits, and with NumPy's vector instructions switched off."""

import math
import os
import subprocess
import sys
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest

from refnet.ops.exponential import exponential

EVERY_SCALE = """
import hashlib
import numpy as np
from refnet.ops.exponential import exponential
from refnet.ops.pow import pow
rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-740, 709, 4000), np.ldexp(rng.uniform(-1, 1, 4000), rng.integers(-60, 9, 4000))])
parts = [exponential(x), exponential(x.astype(np.float32)), pow(x.astype(np.float32), np.array([2.0]))]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_it_is_within_one_unit_of_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-700, 709, 3000), rng.uniform(-1, 1, 3000), np.ldexp(1.0, -np.arange(60))])
    with localcontext(Context(prec=50)):
        for argument, y in zip(x.tolist(), exponential(x).tolist(), strict=True):
            assert abs(Decimal(y) - Decimal(argument).exp()) < Decimal(math.ulp(y))


def test_float32_is_the_rounded_float64():
    x = np.random.default_rng(0).uniform(-90, 88, 3000).astype(np.float32)
    assert exponential(x).dtype == np.float32
    assert np.array_equal(exponential(x), exponential(x.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends_of_the_line(dtype):
    y = exponential(np.array([-np.inf, -800, -0.0, 0.0, 800, np.inf, np.nan], dtype))
    assert np.array_equal(y, [0, 0, 1, 1, np.inf, np.inf, np.nan], equal_nan=True)


def test_numbers_too_small_for_full_precision_are_rounded_too():
    assert exponential(np.array([-745.13, -745.14])).tolist() == [5e-324, 0.0]


def test_the_bits_do_not_depend_on_the_vector_instructions_that_numpy_finds():
    found = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    digests = [
        subprocess.run(
            [sys.executable, "-c", EVERY_SCALE],
            check=True, capture_output=True, text=True, env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(off)},
        ).stdout
        for off in ([], found)
    ]  # fmt: skip
    assert len(digests[0].strip()) == 64
    assert digests[0] == digests[1]
