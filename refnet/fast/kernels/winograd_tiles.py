"""The two transforms of Winograd's filtering at a tile: inputs to frequencies, and products to finished outputs.

Emitters write out the formulas of `tiles` for each of the sixteen sizes of tile, 16 channels at a time. A tile has one
row in each frequency's matrix; which one depends on whether the smaller tiles at the lower and right edge use that
frequency, so there are four numbers of a tile: `rows` = (used by all tiles down and across, not across, not down,
neither), in values from the matrix's start. `rare_down` and `rare_across` have a bit for each frequency that the
smaller tile does not use.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from refnet.fast.kernels import tiles
from refnet.fast.kernels.finish import emit_finish, finish_plainly
from refnet.fast.lanes import (
    FLOAT,
    INDEX,
    WIDTH,
    Symbol,
    address,
    emit_cases,
    emit_load,
    emit_store,
    offset,
    symbol_fma,
)
from refnet.fast.plain import Values, load, or_plain, store, values_fma
from refnet.graph import Array


def _spread_plainly(
    height: int, width: int, x: Array, x_at: int, x_pitch: int, v: Array, v_at: int, v_stride: int,
    rows: tuple[int, ...], rare_down: int, rare_across: int,
) -> None:  # fmt: skip
    """The twin of `spread_tile`."""
    d = [[Values(load(x, x_at + i * x_pitch + j * WIDTH)) for j in range(width + 2)] for i in range(height + 2)]
    down = [tiles.spread([row[j] for row in d], values_fma) for j in range(width + 2)]
    for index, i in enumerate(tiles.USED[height]):
        across = tiles.spread([column[index] for column in down], values_fma)
        for j, value in zip(tiles.USED[width], across, strict=True):
            store(v, _place(v_at, v_stride, rows, rare_down, rare_across, i, j), value.value)


def _gather_plainly(
    height: int, width: int, m: Array, m_at: int, m_stride: int, rows: tuple[int, ...], rare_down: int,
    rare_across: int, constants: Array, constants_at: int, *places: Any,
) -> None:  # fmt: skip
    """The twin of `gather_tile`; `places` are the arena and all that `finish_plainly` takes after it."""

    def product(i: int, j: int) -> Values:
        return Values(load(m, _place(m_at, m_stride, rows, rare_down, rare_across, i, j)))

    across = [tiles.gather([product(i, j) for j in tiles.USED[width]], values_fma) for i in tiles.USED[height]]
    down = [tiles.gather([row[j] for row in across], values_fma) for j in range(width)]
    sums = np.array([[down[j][i].value for j in range(width)] for i in range(height)])
    finish_plainly(sums, constants, constants_at, *places)


def _place(start: int, stride: int, rows: tuple[int, ...], rare_down: int, rare_across: int, i: int, j: int) -> int:
    """The twin of `_Places`."""
    row = rows[2 * (rare_down >> i & 1) + (rare_across >> j & 1)]
    return start + (i * tiles.FREQUENCIES + j) * stride + row


@or_plain(_spread_plainly)
@intrinsic
def spread_tile(  # type: ignore[no-untyped-def]
    typing_context, height, width, x, x_at, x_pitch, v, v_at, v_stride, rows, rare_down, rare_across
):
    """V at all frequencies of one tile of height x width outputs, for 16 channels."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        height, width, x, x_at, x_pitch, v, v_at, v_stride, rows, rare_down, rare_across = arguments
        x_start = address(context, builder, signature.args[2], x, x_at)
        v_start = address(context, builder, signature.args[5], v, v_at)

        def emit(size: int) -> None:
            height, width = divmod(size, 8)
            x_row, d = x_start, []
            for _ in range(height + 2):
                columns = range(width + 2)
                d.append([Symbol(builder, emit_load(builder, offset(builder, x_row, j * WIDTH))) for j in columns])
                x_row = builder.gep(x_row, [x_pitch], source_etype=FLOAT)
            down = [tiles.spread([row[j] for row in d], symbol_fma) for j in range(width + 2)]
            places = _Places(builder, v_start, v_stride, rows, rare_down, rare_across)
            for index, i in enumerate(tiles.USED[height]):
                across = tiles.spread([column[index] for column in down], symbol_fma)
                for j, value in zip(tiles.USED[width], across, strict=True):
                    emit_store(builder, value.value, places.at(i, j))

        emit_cases(builder, _size_of(builder, height, width), _SIZES, emit)
        return context.get_dummy_value()

    index = types.int64
    return types.void(index, index, x, index, index, v, index, index, rows, index, index), codegen


def _size_of(builder: Any, height: Any, width: Any) -> Any:
    """A tile's height and width as one number."""
    return builder.add(builder.mul(height, ir.Constant(INDEX, 8)), width)


_SIZES = [8 * height + width for height in tiles.USED for width in tiles.USED]


class _Places:
    """Where a tile's row lies at each frequency: rows[down is rare][across is rare], from that frequency's start."""

    def __init__(self, builder: Any, start: Any, stride: Any, rows: Any, rare_down: Any, rare_across: Any) -> None:
        self.builder, self.start, self.stride = builder, start, stride
        self.rows = [builder.extract_value(rows, n) for n in range(4)]
        self.rare_down, self.rare_across = rare_down, rare_across

    def at(self, i: int, j: int) -> Any:
        builder = self.builder
        down, across = self._is_rare(self.rare_down, i), self._is_rare(self.rare_across, j)
        row = builder.select(
            down,
            builder.select(across, self.rows[3], self.rows[2]),
            builder.select(across, self.rows[1], self.rows[0]),
        )
        frequency = builder.mul(self.stride, ir.Constant(INDEX, i * tiles.FREQUENCIES + j))
        return builder.gep(self.start, [builder.add(frequency, row)], source_etype=FLOAT)

    def _is_rare(self, mask: Any, frequency: int) -> Any:
        bit = self.builder.and_(mask, ir.Constant(INDEX, 1 << frequency))
        return self.builder.icmp_signed("!=", bit, ir.Constant(INDEX, 0))


@or_plain(_gather_plainly)
@intrinsic
def gather_tile(  # type: ignore[no-untyped-def]
    typing_context,
    height,
    width,
    m,
    m_at,
    m_stride,
    rows,
    rare_down,
    rare_across,
    constants,
    constants_at,
    arena,
    y_at,
    y_pitch,
    residual_at,
    residual_pitch,
    second_at,
    second_pitch,
):
    """The outputs of one tile of height x width, for 16 channels, finished."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        height, width, m, m_at, m_stride, rows, rare_down, rare_across, constants, constants_at = arguments[:10]
        m_start = address(context, builder, signature.args[2], m, m_at)
        constants_start = address(context, builder, signature.args[8], constants, constants_at)

        def emit(size: int) -> None:
            height, width = divmod(size, 8)
            places = _Places(builder, m_start, m_stride, rows, rare_down, rare_across)
            across = []
            for i in tiles.USED[height]:
                products = [Symbol(builder, emit_load(builder, places.at(i, j))) for j in tiles.USED[width]]
                across.append(tiles.gather(products, symbol_fma))
            down = [tiles.gather([row[j] for row in across], symbol_fma) for j in range(width)]
            values = {(i, j): down[j][i].value for i in range(height) for j in range(width)}
            emit_finish(context, builder, values, constants_start, signature.args[10], *arguments[10:])

        emit_cases(builder, _size_of(builder, height, width), _SIZES, emit)
        return context.get_dummy_value()

    index = types.int64
    return types.void(index, index, m, index, index, rows, index, index, constants, index, arena, *[index] * 6), codegen
