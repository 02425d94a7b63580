"""What follows a sum before it is stored: bias, residual, PReLU, and a second output for the next layer.

    v = sum + bias;  v = v + residual;  y = slope * v where v < 0, else v;  second = fma(y, scale, shift)

One emitter for all kernels. No activation is a slope of one. ReLU is the slope `RELU`, which is not multiplied by: y is 0
where v < 0, because 0 * v would be -0, and NaN for an infinite v. A PReLU of slope 0 is a product, as ONNX has it. Constants
of a panel of 32 channels lie as (4, 32): bias, slope, scale, shift.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from refnet.fast import plain
from refnet.fast.lanes import (
    FLOAT,
    INDEX,
    VECTOR,
    WIDTH,
    address,
    constant,
    emit_fma,
    emit_load,
    emit_store,
    lanes,
    offset,
)
from refnet.fast.plain import or_plain
from refnet.graph import Array

RELU = np.nan
CONSTANTS = 4
PANEL = 2 * WIDTH


def emit_finish(
    context: Any,
    builder: Any,
    sums: Mapping[tuple[int, int], Any],
    constants: Any,
    arena_type: Any,
    arena: Any,
    y_at: Any,
    y_row: Any,
    residual_at: Any,
    residual_row: Any,
    second_at: Any,
    second_row: Any,
) -> None:
    """Finish and store a rectangle of pixels {(row, column): sum}, for 16 channels; a place of -1 means none."""
    bias, slope, scale, shift = (emit_load(builder, offset(builder, constants, PANEL * n)) for n in range(CONSTANTS))
    zero = ir.Constant(INDEX, 0)

    def places(at: Any, row_distance: Any) -> Iterator[tuple[tuple[int, int], Any]]:
        row, now = address(context, builder, arena_type, arena, at), 0
        for i, j in sorted(sums):
            if i > now:
                row, now = builder.gep(row, [row_distance], source_etype=FLOAT), i
            yield (i, j), offset(builder, row, j * WIDTH)

    values = {at: builder.fadd(value, bias) for at, value in sums.items()}
    before = builder.block
    with builder.if_then(builder.icmp_signed(">=", residual_at, zero)):
        summed = {
            at: builder.fadd(values[at], emit_load(builder, place)) for at, place in places(residual_at, residual_row)
        }
        inside = builder.block
    for at, without in values.items():
        values[at] = builder.phi(VECTOR)
        values[at].add_incoming(without, before)
        values[at].add_incoming(summed[at], inside)
    is_relu = builder.fcmp_unordered("uno", slope, slope)
    for at, value in values.items():
        negative = builder.fcmp_ordered("<", value, constant(0))
        below = builder.select(is_relu, constant(0), builder.fmul(value, slope))
        values[at] = builder.select(negative, below, value)
    for at, place in places(y_at, y_row):
        emit_store(builder, values[at], place)
    with builder.if_then(builder.icmp_signed(">=", second_at, zero)):
        for at, place in places(second_at, second_row):
            emit_store(builder, emit_fma(builder, values[at], scale, shift), place)


def finish_plainly(
    sums: Array, constants: Array, constants_at: int, arena: Array, y_at: int, y_row: int, residual_at: int,
    residual_row: int, second_at: int, second_row: int,
) -> None:  # fmt: skip
    """Do in NumPy what `emit_finish` writes out: sums are (rows, columns, 16)."""
    bias, slope, scale, shift = (plain.load(constants, constants_at + PANEL * n) for n in range(CONSTANTS))
    rows, columns, _ = sums.shape

    def places(at: int, row_distance: int) -> Array:
        within = np.arange(columns * WIDTH).reshape(columns, WIDTH)
        places: Array = at + row_distance * np.arange(rows)[:, np.newaxis, np.newaxis] + within
        return places

    with np.errstate(all="ignore"):
        values = sums + bias
        if residual_at >= 0:
            values = values + arena[places(residual_at, residual_row)]
        below = np.where(np.isnan(slope), np.float32(0), values * slope)
        values = np.where(values < 0, below, values)
    arena[places(y_at, y_row)] = values
    if second_at >= 0:
        arena[places(second_at, second_row)] = plain.fma(values, scale, shift)


def _finish_plainly(
    total: Array, constants: Array, constants_at: int, arena: Array, y_at: int, residual_at: int, second_at: int
) -> None:
    """The twin of `finish`."""
    sums = total[np.newaxis, np.newaxis]
    finish_plainly(sums, constants, constants_at, arena, y_at, 0, residual_at, 0, second_at, 0)


@or_plain(_finish_plainly)
@intrinsic
def finish(typing_context, total, constants, constants_at, arena, y_at, residual_at, second_at):  # type: ignore[no-untyped-def]
    """Finish and store one pixel, for 16 channels."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, constants, constants_at, arena, y_at, residual_at, second_at = arguments
        of_channels = address(context, builder, signature.args[1], constants, constants_at)
        zero = ir.Constant(INDEX, 0)
        places = (y_at, zero, residual_at, zero, second_at, zero)
        emit_finish(context, builder, {(0, 0): total}, of_channels, signature.args[3], arena, *places)
        return context.get_dummy_value()

    index = types.int64
    return types.void(lanes, constants, index, arena, index, index, index), codegen
