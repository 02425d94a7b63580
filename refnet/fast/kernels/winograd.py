"""Convolution 3x3, stride 1, padding 1, by Winograd's minimal filtering with mixed tiles.

Y = AT [ (G g GT) . (BT d B) ] A on tiles of 4x4 outputs and, where the image's size is not a multiple of four, of
what is left; `tiles` has the formulas. Three phases:

    spread    inputs under each tile -> V, for each of 36 frequencies a matrix (tiles, IC)
    multiply  M = V U at each frequency, U (IC, 32) expanded from the plain filters just before
    gather    M -> outputs, with bias, residual, PReLU and a second, scaled output

In memory a filter is transformed downwards only, 18 values a pair of channels, or not at all, nine; it becomes 36
on its way into the product or, where there are many tiles, in a panel that fits the cache. Memory is what bounds a
single image. Whichever way, the operations are the same. A frequency that a small tile does not use has fewer rows: 14x14
takes 484 products a pair of channels instead of 576, and direct convolution 1764.

Layout: activations (N, C/16, H, W, 16), the input with a border of one zero; filters (OC/32, 6, IC, 3, 32), half
transformed, or plain, (OC/32, IC, 9, 32): they become the same bits.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from refnet.fast.kernel_cache import cached
from refnet.fast.kernels import tiles
from refnet.fast.kernels.finish import emit_finish
from refnet.fast.kernels.multiply import CHAIN, PANEL, multiply, multiply_pair, multiply_taps
from refnet.fast.kernels.step import places, share
from refnet.fast.lanes import (
    FLOAT,
    INDEX,
    WIDTH,
    Symbol,
    address,
    emit_cases,
    emit_load,
    emit_store,
    fma,
    load,
    offset,
    splat,
    store,
    symbol_fma,
)

FREQUENCIES = tiles.FREQUENCIES
FEW = 24  # rows up to which filters are expanded while they are multiplied, not before: one pass less, more arithmetic
_RARE = (0, 0b111000, 0b011000, 0b100000)  # by length % 4: the frequencies that the last, smaller tile does not use


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
        frequency = builder.mul(self.stride, ir.Constant(INDEX, i * FREQUENCIES + j))
        return builder.gep(self.start, [builder.add(frequency, row)], source_etype=FLOAT)

    def _is_rare(self, mask: Any, frequency: int) -> Any:
        bit = self.builder.and_(mask, ir.Constant(INDEX, 1 << frequency))
        return self.builder.icmp_signed("!=", bit, ir.Constant(INDEX, 0))


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


_POINTS = tuple(np.float32(float(p)) for p in (0, tiles.A, -tiles.A, tiles.B, -tiles.B))
_SQUARES = tuple(np.float32(float(p**2)) for p in (0, tiles.A, -tiles.A, tiles.B, -tiles.B))


@cached
@njit(nogil=True)
def expand_down(frequency, weights, at, channels, h, h_at):  # type: ignore[no-untyped-def]
    """One row of G g for the filters (IC, 9, 32) of a panel: h (IC, 3, 32)."""
    if frequency == 0 or frequency == FREQUENCIES - 1:
        row = 0 if frequency == 0 else 6 * PANEL
        for c in range(channels):
            for k in range(0, 3 * PANEL, WIDTH):
                store(h, h_at + 3 * PANEL * c + k, load(weights, at + 9 * PANEL * c + row + k))
    else:
        point, square = splat(_POINTS[frequency]), splat(_SQUARES[frequency])
        for c in range(channels):
            for k in range(0, 3 * PANEL, WIDTH):
                g = at + 9 * PANEL * c + k
                even = fma(square, load(weights, g + 6 * PANEL), load(weights, g))
                store(h, h_at + 3 * PANEL * c + k, fma(point, load(weights, g + 3 * PANEL), even))


@njit(nogil=True)
def expand_across(h, h_at, channels, u, u_at):  # type: ignore[no-untyped-def]
    """U at the four frequencies between first and last: (4, IC, 32) from h (IC, 3, 32)."""
    a, aa, b, bb = splat(_POINTS[1]), splat(_SQUARES[1]), splat(_POINTS[3]), splat(_SQUARES[3])
    minus_a, minus_b = splat(_POINTS[2]), splat(_POINTS[4])
    distance = channels * PANEL
    for c in range(channels):
        for k in range(0, PANEL, WIDTH):
            g = h_at + 3 * PANEL * c + k
            g0, g1, g2 = load(h, g), load(h, g + PANEL), load(h, g + 2 * PANEL)
            even_a, even_b = fma(aa, g2, g0), fma(bb, g2, g0)
            to = u_at + PANEL * c + k
            store(u, to, fma(a, g1, even_a))
            store(u, to + distance, fma(minus_a, g1, even_a))
            store(u, to + 2 * distance, fma(b, g1, even_b))
            store(u, to + 3 * distance, fma(minus_b, g1, even_b))


@njit(nogil=True)
def winograd3x3(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y, and the second output if there is one, for the first `images` images.

    Error: at most 24 u (|w| * |x|), u = 2**-24; 14 measured with normal data, 5 at 256 channels.
    """
    channels, out_planes = step.channels, step.out_channels // WIDTH
    height, width = step.height, step.width
    tiles_down, tiles_across = (height + 3) // 4, (width + 3) // 4
    rare_down, rare_across = _RARE[height % 4], _RARE[width % 4]
    panels = (out_planes + 1) // 2
    bands_down = (tiles_down + step.band_rows - 1) // step.band_rows
    bands = (images + step.band_images - 1) // step.band_images * bands_down

    # Ranks that divide channels each transform all inputs: to fetch them from another core costs more.
    first_band, last_band, first_panel, last_panel = 0, bands, 0, panels
    if step.by_channel:
        first_panel, last_panel = share(panels, rank, ranks)
    else:
        first_band, last_band = share(bands, rank, ranks)
    private = step.private_at + rank * step.private_size
    v_at = private + step.private_v
    u_at, m_at = private, private + step.private_m

    filters_size = channels * 3 * PANEL
    most_rows = min(step.band_images, images) * step.band_rows * tiles_across
    v_plane = most_rows * WIDTH
    v_stride = v_plane * (channels // WIDTH) + WIDTH
    m_stride = most_rows * PANEL + WIDTH

    for band in range(first_band, last_band):
        image_0, tile_0 = band // bands_down * step.band_images, band % bands_down * step.band_rows
        band_images = min(step.band_images, images - image_0)
        band_rows = min(step.band_rows, tiles_down - tile_0)
        fours_down = min(band_rows, height // 4 - tile_0)  # tile rows that use the rare frequencies
        fours_across = width // 4

        for plane in range(channels // WIDTH):
            for image in range(band_images):
                x_image = step.x_at + (image_0 + image) * step.x_image + plane * step.x_plane
                for i in range(band_rows):
                    x_at = x_image + 4 * (tile_0 + i) * step.x_row
                    tile_height = min(4, height - 4 * (tile_0 + i))
                    row, rare_row = image * band_rows + i, image * fours_down + i
                    for j in range(tiles_across):
                        rows = (
                            WIDTH * (row * tiles_across + j),
                            WIDTH * (row * fours_across + j),
                            WIDTH * (rare_row * tiles_across + j),
                            WIDTH * (rare_row * fours_across + j),
                        )
                        spread_tile(
                            tile_height,
                            min(4, width - 4 * j),
                            arena,
                            x_at + 4 * j * WIDTH,
                            step.x_row,
                            arena,
                            v_at + plane * v_plane,
                            v_stride,
                            rows,
                            rare_down,
                            rare_across,
                        )

        few = band_images * band_rows * tiles_across <= FEW
        for panel in range(first_panel, last_panel):
            for i in range(FREQUENCIES):
                if step.plain_filters:
                    h_at, h = private + step.private_h, arena
                    ahead_at = h_at
                    plain_at = step.weights_at + panel * channels * 9 * PANEL
                    expand_down(i, weights, plain_at, channels, arena, h_at)
                else:
                    h_at, h = step.weights_at + (panel * FREQUENCIES + i) * filters_size, weights
                    ahead_at = h_at + filters_size
                rows_down = band_images * (fours_down if rare_down >> i & 1 else band_rows)
                if not few:
                    expand_across(h, h_at, channels, arena, u_at)
                for j in range(FREQUENCIES):
                    rows_here = rows_down * (fours_across if rare_across >> j & 1 else tiles_across)
                    frequency = i * FREQUENCIES + j
                    to = m_at + frequency * m_stride
                    for c in range(0, channels, CHAIN):
                        a_at = v_at + frequency * v_stride + c // WIDTH * v_plane
                        groups = min(CHAIN, channels - c) // WIDTH
                        ahead = ahead_at + (j * channels + c) * WIDTH
                        taps_at = h_at + c * 3 * PANEL
                        if j == 0 or j == FREQUENCIES - 1:
                            taps_at += 0 if j == 0 else 2 * PANEL
                            multiply_taps(rows_here, arena, a_at, groups, v_plane, h, taps_at, arena, to, c, ahead)
                        elif few:
                            if j % 2:  # with the next frequency, at the negative point
                                pair = v_stride, m_stride
                                multiply_pair(
                                    rows_here,
                                    arena,
                                    a_at,
                                    groups,
                                    v_plane,
                                    h,
                                    taps_at,
                                    _POINTS[j],
                                    _SQUARES[j],
                                    arena,
                                    to,
                                    c,
                                    ahead + c * WIDTH,
                                    pair,
                                )
                        else:
                            b_at = u_at + ((j - 1) * channels + c) * PANEL
                            multiply(rows_here, arena, a_at, groups, v_plane, arena, b_at, arena, to, c, b_at)
            for image in range(band_images):
                for i in range(band_rows):
                    tile_height = min(4, height - 4 * (tile_0 + i))
                    row, rare_row = image * band_rows + i, image * fours_down + i
                    for j in range(tiles_across):
                        rows = (
                            PANEL * (row * tiles_across + j),
                            PANEL * (row * fours_across + j),
                            PANEL * (rare_row * tiles_across + j),
                            PANEL * (rare_row * fours_across + j),
                        )
                        for plane in range(2 * panel, min(2 * panel + 2, out_planes)):
                            half = plane % 2 * WIDTH
                            y_at, residual_at, second_at = places(step, image_0 + image, plane, 4 * (tile_0 + i), 4 * j)
                            gather_tile(
                                tile_height,
                                min(4, width - 4 * j),
                                arena,
                                m_at + half,
                                m_stride,
                                rows,
                                rare_down,
                                rare_across,
                                weights,
                                step.constants_at + panel * 4 * PANEL + half,
                                arena,
                                y_at,
                                step.y_row,
                                residual_at,
                                step.residual_row,
                                second_at,
                                step.second_row,
                            )
