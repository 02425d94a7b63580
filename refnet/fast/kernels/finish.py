"""What follows a sum before it is stored: bias, residual, PReLU, and a second output for the next layer.

    v = sum + bias;  v = v + residual;  y = slope * v where v < 0, else v;  second = fma(y, scale, shift)

One emitter for all kernels. No activation is a slope of one, ReLU a slope of zero. Constants of a panel of 32
channels lie as (4, 32): bias, slope, scale, shift.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

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
    for at, plain in values.items():
        values[at] = builder.phi(VECTOR)
        values[at].add_incoming(plain, before)
        values[at].add_incoming(summed[at], inside)
    for at, value in values.items():
        negative = builder.fcmp_ordered("<", value, constant(0))
        values[at] = builder.select(negative, builder.fmul(value, slope), value)
    for at, place in places(y_at, y_row):
        emit_store(builder, values[at], place)
    with builder.if_then(builder.icmp_signed(">=", second_at, zero)):
        for at, place in places(second_at, second_row):
            emit_store(builder, emit_fma(builder, values[at], scale, shift), place)


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
