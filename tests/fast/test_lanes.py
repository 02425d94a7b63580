"""Sixteen float32 values as one."""

from fractions import Fraction

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from refnet.fast.lanes import WIDTH, constant, emit_cases, emit_store, fma, largest, load, splat, store
from refnet.fast.lanes import address as address_of


@njit
def fused(x, y, z, result):
    store(result, 3, fma(load(x, 0), load(y, 1), load(z, 2)))


@njit
def larger(x, y, result):
    store(result, 0, largest(load(x, 0), load(y, 0)))


@njit
def filled(value, result):
    store(result, 0, splat(value))


@intrinsic
def store_case(typing_context, number, result):
    def codegen(context, builder, signature, arguments):
        number, result = arguments
        start = address_of(context, builder, signature.args[1], result, number)
        emit_cases(builder, number, range(1, 4), lambda n: emit_store(builder, constant(Fraction(n, 3)), start))
        return context.get_dummy_value()

    return types.void(types.int64, result), codegen


@njit
def case(number, result):
    store_case(number, result)


def test_a_fused_multiply_add_is_rounded_once():
    one = np.float32(1 + 2**-12)
    x = y = np.full(20, one, np.float32)
    z = np.full(20, -(one * one), np.float32)
    result = np.zeros(20, np.float32)
    fused(x, y, z, result)
    assert (result[3:19] == np.float32(2**-24)).all()  # 0 if the product were rounded first
    assert not result[[0, 1, 2, 19]].any()


def test_the_larger_value_is_taken_and_not_a_number_stays_so():
    x, y = (np.zeros(WIDTH, np.float32) for _ in range(2))
    x[:6], y[:6] = [1, -2, np.nan, 3, -0.0, -np.inf], [-1, -1, 4, np.nan, 0.0, np.inf]
    result = np.empty(WIDTH, np.float32)
    larger(x, y, result)
    assert np.array_equal(result[:6], [1, -1, np.nan, np.nan, 0, np.inf], equal_nan=True)
    assert not np.signbit(result[4])


def test_values_are_read_and_written_where_the_index_says():
    x, y, z = (np.arange(i, i + 20, dtype=np.float32) for i in (0, 100, 1000))
    result = np.zeros(19, np.float32)
    fused(x, y, z, result)
    assert np.array_equal(result[3:], x[:16] * y[1:17] + z[2:18])


def test_one_value_fills_all_lanes():
    result = np.zeros(WIDTH, np.float32)
    filled(np.float32(0.1), result)
    assert (result == np.float32(0.1)).all()


def test_code_is_chosen_among_cases_and_numbers_are_rounded_once():
    for number in (1, 2, 3):
        result = np.zeros(20, np.float32)
        case(number, result)
        assert (result[number : number + WIDTH] == np.float32(number / 3)).all()
