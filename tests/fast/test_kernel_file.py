import hashlib

import numpy as np
import pytest
from numba import float64, int64, njit
from numba.core.registry import cpu_target

from refnet.fast.kernel_file import from_bytes, to_bytes
from refnet.fast.target import COMPILED

pytestmark = pytest.mark.skipif(not COMPILED, reason="numba is told not to compile")


@njit
def makes_an_array(x):
    return np.zeros(3) + x


@njit
def makes_two(x):
    return x, x


@njit
def adds(x):
    return x + 1


# Functions of a module of refnet, as far as numba can see: their form is what is tested, not their place.
for function in (makes_an_array, makes_two, adds):
    function.py_func.__module__ = "refnet.fast.kernel_file"


def compiled(function, *types):
    function.compile(types)
    return function.overloads[types]


def signed(rest):
    return hashlib.sha256(rest).digest() + rest


@pytest.fixture(scope="module")
def kept():
    return to_bytes("adds", compiled(adds, int64))


def load(data, name="adds", signature=(int64,)):
    return from_bytes(data, name, signature, cpu_target.target_context)


def test_a_function_that_calls_others_than_refnets_and_numbas_is_refused():
    @njit
    def elsewhere(x):
        return x + 2

    with pytest.raises(ValueError, match=rf"functions of {__name__} are called"):
        to_bytes("elsewhere", compiled(elsewhere, int64))


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (makes_an_array, "it has constants that are Python objects"),
        (makes_two, r"it returns UniTuple\(float64 x 2\)"),
    ],
)
def test_what_the_form_has_no_room_for_is_refused(function, problem):
    with pytest.raises(ValueError, match=problem):
        to_bytes("it", compiled(function, float64))


@pytest.mark.parametrize(
    ("name", "signature"), [("adds", (float64,)), ("subtracts", (int64,)), ("adds", (int64, int64)), ("adds", ())]
)
def test_what_is_kept_is_of_one_function_and_one_signature(kept, name, signature):
    with pytest.raises(ValueError, match=r"it is adds of \(int64,\)"):
        load(kept, name, signature)


@pytest.mark.parametrize("at", [0, 31, 32, 39, 40, 100, -1])
def test_a_changed_byte_is_found(kept, at):
    data = bytearray(kept)
    data[at] ^= 1
    with pytest.raises(ValueError, match="its digest is wrong"):
        load(bytes(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda rest: rest[:20],
        lambda rest: b"\xff" * 8 + rest[8:],
        lambda rest: rest.replace(b'"name": "adds"', b'"mane": "adds"'),
        lambda rest: rest.replace(b'"returns": "int64"', b'"returns": "bytes"'),
        lambda rest: rest.replace(b'"called": [', b'"called": ['[:-1] + b"  "),
        lambda rest: rest.replace(b"refnet.fast.kernel_file", b"subprocess_fast_kernel_"),
        lambda rest: rest.replace(b'"symbol"', b'"lobmys"'),
    ],
    ids=["nothing", "cut short", "length", "no name", "type", "no JSON", "foreign module", "symbol"],
)
def test_a_description_that_does_not_fit_is_refused_though_its_digest_is_right(kept, change):
    changed = change(kept[32:])
    assert changed != kept[32:]
    with pytest.raises((ValueError, KeyError)):
        load(signed(changed))
