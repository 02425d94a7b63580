"""Convolution 3x3, stride 1, padding 1, by Winograd's minimal filtering with mixed tiles.

Y = AT [ (G g GT) . (BT d B) ] A on tiles of 4x4 outputs and, where the image's size is not a multiple of four, of
what is left; `tiles` has the formulas. Three phases:

    spread    inputs under each tile -> V, for each of 36 frequencies a matrix (tiles, IC)
    multiply  M = V U at each frequency, U (IC, 32) expanded from the filters just before
    gather    M -> outputs, with bias, residual, PReLU and a second, scaled output

In memory a filter is transformed downwards only, 18 values a pair of channels, or not at all, nine; it becomes 36
on its way into the product or, where there are many tiles, in a panel that fits the cache. Memory is what bounds a
single image. Whichever way, the operations are the same. A frequency that a small tile does not use has fewer rows:
14x14 takes 484 products a pair of channels; F(4, 3) alone would take 576, direct convolution 1764.

Layout: activations (N, C/16, H, W, 16), the input with a border of one zero; filters (OC/32, 6, IC, 3, 32), half
transformed, or plain, (OC/32, IC, 9, 32): they become the same bits.
"""

from numba import njit

from refnet.fast.kernels.multiply import multiply, multiply_pair, multiply_taps
from refnet.fast.kernels.register_block import CHAIN, PANEL
from refnet.fast.kernels.step import CONSTANT_ROWS, places, share
from refnet.fast.kernels.winograd_filters import FREQUENCIES, POINTS, SQUARES, expand_across, expand_down
from refnet.fast.kernels.winograd_tiles import gather_tile, spread_tile
from refnet.fast.lanes import WIDTH

FEW = 24  # tiles up to which filters are expanded while they are multiplied, not before: one pass less, more arithmetic
VERY_FEW = 6  # tiles
_RARE = (0, 0b111000, 0b011000, 0b100000)  # by length % 4: the frequencies that the last, smaller tile does not use


@njit(nogil=True)
def winograd3x3(step, weights, arena, images, rank, ranks):  # type: ignore[no-untyped-def]
    """Overwrite y, and the second output if there is one, for the first `images` images.

    Bound: `refnet.audit.winograd_error.winograd_bound`, gamma(20 + roundings of a sum) times this algorithm on absolute
    values. It is one of a tile, not of an output: no multiple of u (|w| * |x|), u = 2**-24, holds for numbers of every
    scale. Measured with normal data: 14 u (|w| * |x|), 5 at 256 channels; tests allow 24 there.
    """
    tiles_down, tiles_across = (step.height + 3) // 4, (step.width + 3) // 4
    panels = (step.out_channels // WIDTH + 1) // 2
    bands_down = (tiles_down + step.band_rows - 1) // step.band_rows
    bands = (images + step.band_images - 1) // step.band_images * bands_down

    # Ranks that divide channels each transform all inputs: to fetch them from another core costs more.
    first_band, last_band, first_panel, last_panel = 0, bands, 0, panels
    if step.by_channel:
        first_panel, last_panel = share(panels, rank, ranks)
    else:
        first_band, last_band = share(bands, rank, ranks)

    scratch = step.private_at + rank * step.private_size
    most = min(step.band_images, images) * step.band_rows * tiles_across
    # One cache line more than a multiple of many: frequencies else fall on the same lines of the cache.
    v_stride, m_stride = most * step.channels + WIDTH, most * PANEL + WIDTH
    places_of_v = scratch + step.private_v, v_stride, most * WIDTH
    places_of_m = scratch + step.private_m, m_stride

    for number in range(first_band, last_band):
        image = number // bands_down * step.band_images
        row = number % bands_down * step.band_rows
        band_images, band_rows = min(step.band_images, images - image), min(step.band_rows, tiles_down - row)
        fours_down = min(band_rows, step.height // 4 - row)
        band = image, row, band_images, band_rows, fours_down, tiles_across, step.width // 4
        _spread(step, arena, band, places_of_v)
        for panel in range(first_panel, last_panel):
            for i in range(FREQUENCIES):
                filters_at, ahead_at, filters = _filters(step, weights, arena, panel, i, scratch)
                if band_images * band_rows * tiles_across <= FEW:
                    _multiply_few(step, arena, band, i, filters, filters_at, ahead_at, places_of_v, places_of_m)
                else:
                    _multiply_many(
                        step, arena, band, i, filters, filters_at, ahead_at, scratch, places_of_v, places_of_m
                    )
            _gather(step, weights, arena, band, panel, places_of_m)


@njit(nogil=True)
def _spread(step, arena, band, places_of_v):  # type: ignore[no-untyped-def]
    """V of all tiles of a band."""
    first_image, first_row, band_images, band_rows, fours_down, tiles_across, fours_across = band
    v_at, v_stride, v_plane = places_of_v
    rare_down, rare_across = _RARE[step.height % 4], _RARE[step.width % 4]
    for plane in range(step.channels // WIDTH):
        for image in range(band_images):
            for i in range(band_rows):
                down = 4 * (first_row + i)
                x_at = step.x_at + (first_image + image) * step.x_image + plane * step.x_plane + down * step.x_row
                row, rare_row = image * band_rows + i, image * fours_down + i
                for j in range(tiles_across):
                    rows = (
                        WIDTH * (row * tiles_across + j),
                        WIDTH * (row * fours_across + j),
                        WIDTH * (rare_row * tiles_across + j),
                        WIDTH * (rare_row * fours_across + j),
                    )
                    spread_tile(
                        min(4, step.height - down),
                        min(4, step.width - 4 * j),
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


@njit(nogil=True)
def _filters(step, weights, arena, panel, i, scratch):  # type: ignore[no-untyped-def]
    """Where the half transformed filters of frequencies (i, 0..5) are, what comes after them, and in which array."""
    size = 3 * step.channels * PANEL
    if step.plain_filters:
        at = scratch + step.private_h
        expand_down(i, weights, step.weights_at + 3 * panel * size, step.channels, arena, at)
        return at, at, arena
    at = step.weights_at + (panel * FREQUENCIES + i) * size
    return at, at + size, weights


@njit(nogil=True)
def _rows(step, band, i, j):  # type: ignore[no-untyped-def]
    """How many tiles of a band use frequency (i, j)."""
    _, _, band_images, band_rows, fours_down, tiles_across, fours_across = band
    down = fours_down if _RARE[step.height % 4] >> i & 1 else band_rows
    across = fours_across if _RARE[step.width % 4] >> j & 1 else tiles_across
    return band_images * down * across


@njit(nogil=True)
def _multiply_few(  # type: ignore[no-untyped-def]
    step, arena, band, i, filters, filters_at, ahead_at, places_of_v, places_of_m
):
    """M at frequencies (i, 0..5) where tiles are few: filters are expanded on their way into the product.

    Where they are very few, a chain's filters are read for all six frequencies while they are in the first-level cache.
    """
    v_at, v_stride, v_plane = places_of_v
    m_at, m_stride = places_of_m
    last = FREQUENCIES - 1
    span = CHAIN if _rows(step, band, 0, 0) <= VERY_FEW else step.channels
    for c in range(0, step.channels, span):
        terms = min(span, step.channels - c)
        groups, taps_at = terms // WIDTH, filters_at + 3 * c * PANEL
        a_at = v_at + FREQUENCIES * i * v_stride + c // WIDTH * v_plane
        to, ahead = m_at + FREQUENCIES * i * m_stride, ahead_at + FREQUENCIES * c * WIDTH
        multiply_taps(_rows(step, band, i, 0), arena, a_at, groups, v_plane, filters, taps_at, arena, to, c, ahead)
        for j in range(1, last, 2):  # a frequency and the next, at the negative point
            multiply_pair(
                _rows(step, band, i, j),
                arena,
                a_at + j * v_stride,
                groups,
                v_plane,
                filters,
                taps_at,
                POINTS[j],
                SQUARES[j],
                arena,
                to + j * m_stride,
                c,
                ahead + j * terms * WIDTH,
                (v_stride, m_stride),
            )
        multiply_taps(
            _rows(step, band, i, last),
            arena,
            a_at + last * v_stride,
            groups,
            v_plane,
            filters,
            taps_at + 2 * PANEL,
            arena,
            to + last * m_stride,
            c,
            ahead + last * terms * WIDTH,
        )


@njit(nogil=True)
def _multiply_many(  # type: ignore[no-untyped-def]
    step, arena, band, i, filters, filters_at, ahead_at, u_at, places_of_v, places_of_m
):
    """M at frequencies (i, 0..5) where tiles are many: filters are expanded before, once for all of them."""
    v_at, v_stride, v_plane = places_of_v
    m_at, m_stride = places_of_m
    expand_across(filters, filters_at, step.channels, arena, u_at)
    groups = step.channels // WIDTH
    for j in range(FREQUENCIES):
        rows = _rows(step, band, i, j)
        a_at = v_at + (FREQUENCIES * i + j) * v_stride
        to = m_at + (FREQUENCIES * i + j) * m_stride
        if j == 0 or j == FREQUENCIES - 1:
            taps_at = filters_at + (0 if j == 0 else 2) * PANEL
            ahead = ahead_at + j * step.channels * WIDTH
            multiply_taps(rows, arena, a_at, groups, v_plane, filters, taps_at, arena, to, 0, ahead)
        else:
            b_at = u_at + (j - 1) * step.channels * PANEL
            multiply(rows, arena, a_at, groups, v_plane, arena, b_at, arena, to, 0, b_at)


@njit(nogil=True)
def _gather(step, weights, arena, band, panel, places_of_m):  # type: ignore[no-untyped-def]
    """Outputs of all tiles of a band, for a panel of 32 channels."""
    first_image, first_row, band_images, band_rows, fours_down, tiles_across, fours_across = band
    m_at, m_stride = places_of_m
    rare_down, rare_across = _RARE[step.height % 4], _RARE[step.width % 4]
    for image in range(band_images):
        for i in range(band_rows):
            down = 4 * (first_row + i)
            row, rare_row = image * band_rows + i, image * fours_down + i
            for j in range(tiles_across):
                rows = (
                    PANEL * (row * tiles_across + j),
                    PANEL * (row * fours_across + j),
                    PANEL * (rare_row * tiles_across + j),
                    PANEL * (rare_row * fours_across + j),
                )
                for plane in range(2 * panel, min(2 * panel + 2, step.out_channels // WIDTH)):
                    half = plane % 2 * WIDTH
                    y_at, residual_at, second_at = places(step, first_image + image, plane, down, 4 * j)
                    gather_tile(
                        min(4, step.height - down),
                        min(4, step.width - 4 * j),
                        arena,
                        m_at + half,
                        m_stride,
                        rows,
                        rare_down,
                        rare_across,
                        weights,
                        step.constants_at + panel * CONSTANT_ROWS * PANEL + half,
                        arena,
                        y_at,
                        step.y_row,
                        residual_at,
                        step.residual_row,
                        second_at,
                        step.second_row,
                    )
