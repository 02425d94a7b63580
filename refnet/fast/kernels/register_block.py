"""The register block of every matrix product: c = a b, or c += a b, for a few rows by 32 columns.

All convolutions and fully connected layers end here. An element of c is a sum of chains of at most `CHAIN` terms,
added in order; a chain is fused multiply-adds from its first term to its last, starting from zero: ``fma(a[r, k+n],
b[k+n, o], ... fma(a[r, k], b[k, o], 0))``. Whatever the block, these are the operations. Chains are short because
long ones lose accuracy: an embedding's error with 128 terms is a quarter larger than with 64.

Source: the outer-product micro-kernel of BLIS (Van Zee and van de Geijn, ACM TOMS 41 (3), 2015, section 5).
"""

import enum
import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from refnet.fast.lanes import (
    FLOAT,
    INDEX,
    VECTOR,
    WIDTH,
    address,
    constant,
    emit_cases,
    emit_fma,
    emit_load,
    emit_prefetch,
    emit_splat,
    emit_store,
    offset,
)

PANEL = 2 * WIDTH  # columns of b and c
CHAIN = 64  # terms


def _has_feature(name: str) -> bool:
    """Whether the code is compiled for a processor that has it, by LLVM's name."""
    return f"+{name}" in cpu_target.target_context.codegen().magic_tuple()[2]


def multiplies_and_adds_at_once() -> bool:
    """Whether the processor has an instruction for it; if not, a library computes the same bits, many times slower."""
    return platform.machine() not in ("x86_64", "AMD64") or _has_feature("fma") or _has_feature("avx512f")


# The register block follows the machine: it changes no sum. Beside it stand a row of b and one value of a.
# 32 registers of 16 lanes with AVX-512, 16 or less elsewhere.
ROWS, VECTORS = (14, 2) if _has_feature("avx512f") else (6, 1)


class Making(enum.IntEnum):
    """How a row of b comes about."""

    READ = 0
    ONE = 1  # made from three taps: fma(point, tap 1, fma(square, tap 2, tap 0))
    PAIR = 2  # the same for point and for -point, for two products at once


MOST_ROWS = {Making.READ: ROWS, Making.ONE: ROWS - 2, Making.PAIR: ROWS // 2 - 1}  # the making needs registers, too


@intrinsic(prefer_literal=True)
def multiply_block(  # type: ignore[no-untyped-def]
    typing_context, layout, rows, a, a_at, groups, group_step, b, b_at, point, square, c, c_at, accumulate, ahead, pair
):
    """C (+)= a b for a few rows by 32 columns.

    Parameters
    ----------
    layout : (literal row_stride, literal group, literal b_stride, literal making)
        Distance between two rows of a; a group is so many terms side by side in a; distance between two rows of b;
        and how a row of b is made, see `Making`.
    rows : int
        1 to `MOST_ROWS[making]`.
    a, a_at : float32 array, index
    groups, group_step : int
        How many groups, and how far the next one lies in a.
    b, b_at : float32 array, index
    point, square : float32
        What b is made with.
    c, c_at : float32 array, index
        Row-major, 32 columns.
    accumulate : int
        0: overwrite c, else add to it.
    ahead : int
        Index in b from where one cache line a term and product is fetched for later.
    pair : (int, int)
        Where two products are made at once: how far the second lies in a, and in c.
    """
    row_stride, group, b_stride, making = (literal.literal_value for literal in layout)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, a, a_at, groups, group_step, b, b_at, point, square, c, c_at, accumulate, ahead, pair = arguments
        a_start = address(context, builder, signature.args[2], a, a_at)
        b_start = address(context, builder, signature.args[6], b, b_at)
        c_start = address(context, builder, signature.args[10], c, c_at)
        ahead_start = address(context, builder, signature.args[6], b, ahead)
        a_starts, c_starts = [a_start], [c_start]
        if making == Making.PAIR:
            a_starts.append(builder.gep(a_start, [builder.extract_value(pair, 0)], source_etype=FLOAT))
            c_starts.append(builder.gep(c_start, [builder.extract_value(pair, 1)], source_etype=FLOAT))
        square, point, minus = (emit_splat(builder, value) for value in (square, point, builder.fneg(point)))

        def b_rows(b_now: Any, column: int) -> list[Any]:
            """16 columns of a row of b, for each product."""
            if making == Making.READ:
                return [emit_load(builder, offset(builder, b_now, column))]
            taps = [emit_load(builder, offset(builder, b_now, tap * PANEL + column)) for tap in range(3)]
            even = emit_fma(builder, square, taps[2], taps[0])
            points = (point, minus)[: len(a_starts)]
            return [emit_fma(builder, p, taps[1], even) for p in points]

        def emit(rows: int) -> None:
            for column in range(0, PANEL, VECTORS * WIDTH):
                _emit_block(
                    builder,
                    (rows, row_stride, group, b_stride),
                    (a_starts, groups, group_step),
                    (offset(builder, b_start, column), b_rows),
                    [offset(builder, start, column) for start in c_starts],
                    accumulate,
                    ahead_start,
                )

        emit_cases(builder, rows, range(1, MOST_ROWS[making] + 1), emit)
        return context.get_dummy_value()

    index, number = types.int64, types.float32
    return types.void(
        layout, index, a, index, index, index, b, index, number, number, c, index, index, index, pair
    ), codegen


def _emit_block(
    builder: Any, layout: Any, left: Any, right: Any, c_starts: Any, accumulate: Any, ahead_start: Any
) -> None:
    """Three loops, over chains, groups and terms, with all sums of the block in registers; unrolling gains nothing."""
    rows, row_stride, group, b_stride = layout
    (a_starts, groups, group_step), (b_start, b_rows) = left, right
    products = range(len(a_starts))
    block = [(n, r, v) for n in products for r in range(rows) for v in range(VECTORS)]
    starts = [*a_starts, b_start, ahead_start]
    one, zero = ir.Constant(INDEX, 1), ir.Constant(INDEX, 0)
    most_groups = ir.Constant(INDEX, CHAIN // group)
    entry = builder.block
    each_chain, each_group, each_term, group_end, chain_end, done = (
        builder.append_basic_block(name)
        for name in ("each_chain", "each_group", "each_term", "group_end", "chain_end", "done")
    )
    builder.branch(each_chain)

    builder.position_at_end(each_chain)
    groups_after, adding = builder.phi(INDEX), builder.phi(INDEX)
    at_chain = [builder.phi(b_start.type) for _ in starts]
    groups_here = builder.select(builder.icmp_signed("<", groups_after, most_groups), groups_after, most_groups)
    builder.branch(each_group)

    builder.position_at_end(each_group)
    groups_left = builder.phi(INDEX)
    at_group = [builder.phi(b_start.type) for _ in starts]
    group_sums = {at: builder.phi(VECTOR) for at in block}
    builder.branch(each_term)

    builder.position_at_end(each_term)
    terms_left = builder.phi(INDEX)
    at_term = [builder.phi(b_start.type) for _ in starts]
    *a_now, b_now, ahead_now = at_term
    sums = {at: builder.phi(VECTOR) for at in block}
    new = dict(sums)
    b_k = [b_rows(b_now, v * WIDTH) for v in range(VECTORS)]
    for line in products:
        emit_prefetch(builder, offset(builder, ahead_now, line * WIDTH))
    for n in products:
        for r in range(rows):
            a_rk = emit_splat(builder, builder.load(offset(builder, a_now[n], r * row_stride), align=4))
            for v in range(VECTORS):
                new[n, r, v] = emit_fma(builder, a_rk, b_k[v][n], new[n, r, v])
    b_next, ahead_next = offset(builder, b_now, b_stride), offset(builder, ahead_now, len(a_starts) * WIDTH)
    term_next = [*(offset(builder, a, 1) for a in a_now), b_next, ahead_next]
    terms_next = builder.sub(terms_left, one)
    builder.cbranch(builder.icmp_signed(">", terms_next, zero), each_term, group_end)

    builder.position_at_end(group_end)
    groups_next = builder.sub(groups_left, one)
    a_next = [builder.gep(a, [group_step], source_etype=FLOAT) for a in at_group[:-2]]
    group_next = [*a_next, b_next, ahead_next]
    builder.cbranch(builder.icmp_signed(">", groups_next, zero), each_group, chain_end)

    builder.position_at_end(chain_end)
    c = {(n, r, v): offset(builder, c_starts[n], r * PANEL + v * WIDTH) for n, r, v in block}
    with builder.if_else(builder.icmp_signed("!=", adding, zero)) as (add_to, overwrite):
        with add_to:
            for at in block:
                emit_store(builder, builder.fadd(emit_load(builder, c[at]), new[at]), c[at])
        with overwrite:
            for at in block:
                emit_store(builder, new[at], c[at])
    stored = builder.block
    groups_after_this = builder.sub(groups_after, groups_here)
    builder.cbranch(builder.icmp_signed(">", groups_after_this, zero), each_chain, done)

    loops = [
        (groups_after, groups, groups_after_this, entry, stored),
        (adding, accumulate, one, entry, stored),
        (groups_left, groups_here, groups_next, each_chain, group_end),
        (terms_left, ir.Constant(INDEX, group), terms_next, each_group, each_term),
    ]
    loops += [(*values, entry, stored) for values in zip(at_chain, starts, group_next, strict=True)]
    loops += [(*values, each_chain, group_end) for values in zip(at_group, at_chain, group_next, strict=True)]
    loops += [(*values, each_group, each_term) for values in zip(at_term, at_group, term_next, strict=True)]
    loops += [(group_sums[at], constant(0), new[at], each_chain, group_end) for at in block]
    loops += [(sums[at], group_sums[at], new[at], each_group, each_term) for at in block]
    for phi, first, following, before, again in loops:
        phi.add_incoming(first, before)
        phi.add_incoming(following, again)
    builder.position_at_end(done)
