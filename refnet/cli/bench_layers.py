"""`refnet bench --layers`: where the fast engine's time goes, and how far it is from what the machine can do."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from refnet.bench.ceilings import Ceilings, measure_ceilings
from refnet.bench.machine import machine, sentence
from refnet.bench.roofline import Row, alike_together, roofline
from refnet.cli.console import out, print_json, progress
from refnet.fast import compile as compile_graph
from refnet.fast.profile import Profile, profile
from refnet.graph import Graph
from refnet.network import Memory

LINES = 20
HEAD = ("layers", "kernel", "output", "us each", "share", "GFLOP/s", "executed", "FLOP/byte", "bound", "of roof")
RIGHT = 3  # columns from here on are numbers


def bench_layers(
    graph: Graph, path: Path, batches: Sequence[int], threads: Sequence[int], passes: int, memory: Memory, *, json: bool
) -> None:
    """Measure and print a profile for every batch and number of threads."""
    tensor, measured = graph.inputs[0], []
    extents = [int(extent or 0) for extent in tensor.shape[1:]]
    with progress("measuring", len(batches) * len(threads)) as advance:
        for count in threads:
            engine = compile_graph(graph, threads=count, memory=memory, cache=True)
            ceilings = measure_ceilings(count)
            for batch in batches:
                at_once = min(batch, count * engine.plan.capacity)
                images = np.random.default_rng(0).integers(0, 256, (at_once, *extents)).astype(np.float32)
                timed = profile(engine, {tensor.name: images}, passes=passes)
                measured.append((batch, timed, ceilings, roofline(timed, ceilings)))
                advance()
    where = machine()
    if json:
        profiles = [_to_json(*one) for one in measured]
        print_json({"schema_version": 1, "machine": where, "model": path.name, "profiles": profiles})
        return
    out.print(sentence(where))
    for batch, timed, ceilings, rows in measured:
        _print(path.name, batch, timed, ceilings, rows)


def _to_json(batch: int, timed: Profile, ceilings: Ceilings, rows: Sequence[Row]) -> dict[str, Any]:
    """One profile."""
    return {
        "batch": batch,
        "threads": timed.threads,
        "images_at_once": timed.images,
        "threads_have_images_of_their_own": timed.apart,
        "whole_run_seconds": timed.whole_seconds,
        "all_layers_seconds": sum(timed.seconds),
        "timing_overhead": timed.overhead,
        "ceilings": asdict(ceilings),
        "layers": [row.to_json() for row in rows],
    }


def _print(name: str, batch: int, timed: Profile, ceilings: Ceilings, rows: Sequence[Row]) -> None:
    """A profile for people: the most expensive layers, alike ones in one line."""
    flops = sum(row.direct_flops for row in rows)
    share = "images of its own" if timed.apart else "a share of every layer"
    each = f", each has {share}" if timed.threads > 1 else ""
    at_once = f" ({timed.images} at once)" if timed.images != batch else ""
    lines = (
        f"\n{name}, batch {batch}{at_once}, {timed.threads} thread{'s' * (timed.threads != 1)}{each}",
        f"whole run {1e3 * timed.whole_seconds:.2f} ms, {flops / timed.whole_seconds / 1e9:.0f} GFLOP/s; all layers "
        f"{1e3 * sum(timed.seconds):.2f} ms; timing them one by one adds {timed.overhead:.1%}",
        f"ceilings: {ceilings.flops_per_second / 1e9:.0f} GFLOP/s, L2 {ceilings.l2_bytes_per_second / 1e9:.0f} GB/s, "
        f"memory {ceilings.memory_bytes_per_second / 1e9:.0f} GB/s; all layers take at least "
        f"{1e3 * sum(row.least_seconds for row in rows):.2f} ms",
    )
    for line in lines:
        out.print(line)
    table = Table(*HEAD, box=None, pad_edge=False)
    for column in table.columns[RIGHT:]:
        column.justify = "right"
    groups = alike_together(rows)
    for row in groups[:LINES]:
        table.add_row(*_cells(row))
    out.print(table)
    if rest := groups[LINES:]:
        out.print(f"and {sum(row.count for row in rest)} more, {sum(row.share for row in rest):.1%} of the time")


def _cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    figures = row.to_json()
    return (
        f"{row.count} x {row.cost.name}" if row.count > 1 else row.cost.name,
        row.cost.kernel,
        "x".join(map(str, row.cost.output)),
        f"{1e6 * row.seconds / row.count:.0f}",
        f"{row.share:.1%}",
        _or_dash(figures["direct_gflops"], ".0f"),
        _or_dash(figures["executed_gflops"], ".0f"),
        f"{figures['flops_per_byte']:.1f}",
        row.bound,
        _or_dash(figures["share_of_roof"], ".0%"),
    )


def _or_dash(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else format(value, form)
