"""Sixteen float32 values as one value in numba code: `Lanes`.

Inside ``@njit`` a kernel reads ``v = fma(load(x, i), weight, v)``; each line is one IEEE operation in each of the
sixteen lanes, on every machine: one instruction with AVX-512, two with AVX2, four with SSE. A lane never meets
another lane, nothing is reassociated, and a fused multiply-add happens where `fma` is written and nowhere else;
so the bits of a result do not depend on the machine. Lanes live in registers: they are loaded from flat float32
arrays and stored there.

Does not check bounds. Has no reduction across lanes, on purpose. `Symbol` is the same value seen while a kernel is
compiled, for code that is written out once for each of many sizes.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import models, register_model
from numba.extending import intrinsic

from refnet.fast import plain
from refnet.fast.plain import or_plain

WIDTH = plain.WIDTH

FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, WIDTH)
INDEX = ir.IntType(64)
_SHUFFLE = ir.VectorType(ir.IntType(32), WIDTH)


class LanesType(types.Type):  # type: ignore[misc]
    """The numba type of sixteen float32 lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """In LLVM: <16 x float>."""

    def __init__(self, manager: Any, lanes_type: Any) -> None:
        super().__init__(manager, lanes_type, VECTOR)


# For emitters: code that writes LLVM instructions while a kernel is compiled.


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of array[index]."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.gep(data, [index], source_etype=FLOAT)


def offset(builder: Any, pointer: Any, elements: int) -> Any:
    """The address a fixed number of float32 further on."""
    return builder.gep(pointer, [ir.Constant(INDEX, elements)], source_etype=FLOAT) if elements else pointer


def emit_load(builder: Any, pointer: Any) -> Any:
    """Sixteen consecutive values; they need no more than a float's alignment."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def emit_store(builder: Any, value: Any, pointer: Any) -> None:
    """Sixteen consecutive values."""
    builder.store(value, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def emit_splat(builder: Any, scalar: Any) -> Any:
    """One value in every lane."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), ir.Constant(_SHUFFLE, [0] * WIDTH))


def emit_fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x*y + z, rounded once."""
    fma_type = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, fma_type, "llvm.fma.v16f32"), [x, y, z])


def emit_largest(builder: Any, x: Any, y: Any) -> Any:
    """The larger of x and y; NaN if one is, and 0 before -0: IEEE 754-2019 maximum, the same on every machine."""
    maximum_type = ir.FunctionType(VECTOR, [VECTOR] * 2)
    return builder.call(cgutils.get_or_insert_function(builder.module, maximum_type, "llvm.maximum.v16f32"), [x, y])


def emit_prefetch(builder: Any, pointer: Any) -> None:
    """Ask for a cache line to be brought into the second-level cache; any address is allowed."""
    byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch_type = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
    prefetch = cgutils.get_or_insert_function(builder.module, prefetch_type, "llvm.prefetch.p0")
    read, second_level, data = (ir.Constant(integer, n) for n in (0, 2, 1))
    builder.call(prefetch, [builder.bitcast(pointer, byte), read, second_level, data])


def emit_cases(builder: Any, value: Any, cases: Sequence[int], emit: Callable[[int], None]) -> None:
    """Emit code once for each of some integers and choose among them by a value known when the kernel runs.

    So a kernel takes the number of rows as an argument and still has it literally in every instruction.
    """
    end = builder.append_basic_block("cases_end")
    none = builder.append_basic_block("no_case")
    switch = builder.switch(value, none)
    for case in cases:
        block = builder.append_basic_block(f"case_{case}")
        switch.add_case(ir.Constant(INDEX, case), block)
        builder.position_at_end(block)
        emit(case)
        builder.branch(end)
    builder.position_at_end(none)
    builder.unreachable()
    builder.position_at_end(end)


class Symbol:
    """A `Lanes` value while a kernel is compiled: adds, subtracts and multiplies as arrays do, by emitting code.

    Numbers that meet it are rounded to float32 once.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: "Symbol") -> "Symbol":
        return Symbol(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other: "Symbol") -> "Symbol":
        return Symbol(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, number: Fraction) -> "Symbol":
        return Symbol(self.builder, self.builder.fmul(self.value, constant(number)))


def constant(number: Fraction | int) -> Any:
    """The float32 nearest to a number, in every lane."""
    return ir.Constant(VECTOR, [float(np.float32(float(number)))] * WIDTH)


def symbol_fma(x: Fraction, y: Symbol, z: Symbol) -> Symbol:
    """x*y + z, rounded once; x is a number."""
    return Symbol(y.builder, emit_fma(y.builder, constant(x), y.value, z.value))


# For kernels.


@or_plain(plain.load)
@intrinsic
def load(typing_context, array, index):  # type: ignore[no-untyped-def]
    """array[index : index + 16]."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return emit_load(builder, address(context, builder, signature.args[0], *arguments))

    return lanes(array, types.int64), codegen


@or_plain(plain.store)
@intrinsic
def store(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """array[index : index + 16] = value."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, index, value = arguments
        emit_store(builder, value, address(context, builder, signature.args[0], target, index))
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes), codegen


@or_plain(plain.splat)
@intrinsic
def splat(typing_context, scalar):  # type: ignore[no-untyped-def]
    """The float32 value in all lanes."""
    return lanes(types.float32), lambda context, builder, signature, arguments: emit_splat(builder, arguments[0])


@or_plain(plain.fma)
@intrinsic
def fma(typing_context, x, y, z):  # type: ignore[no-untyped-def]
    """Compute x*y + z, rounded once."""
    return lanes(lanes, lanes, lanes), lambda context, builder, signature, arguments: emit_fma(builder, *arguments)


@or_plain(plain.largest)
@intrinsic
def largest(typing_context, x, y):  # type: ignore[no-untyped-def]
    """The larger of x and y; NaN if one is."""
    return lanes(lanes, lanes), lambda context, builder, signature, arguments: emit_largest(builder, *arguments)
