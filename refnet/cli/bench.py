"""`refnet bench`: this machine, refnet beside other runtimes, layer by layer beside what the machine can do."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter
from rich.table import Table

from refnet import zoo
from refnet.bench.machine import machine
from refnet.bench.side_by_side import SUBJECT, compare, installed
from refnet.cli.console import out, print_json, progress, say
from refnet.cli.options import JsonFlag, MemoryOption, announce_compiling
from refnet.errors import UsageError
from refnet.formats.onnx_reader import read_model

Peer = Literal["onnxruntime", "openvino", "ncnn", "torch", "mnn", "refnet-low"]
PEERS: tuple[Peer, ...] = ("onnxruntime", "openvino", "ncnn", "torch", "mnn")
LAYERS_SHOWN = 20


def bench(
    model: str | None = None,
    /,
    *,
    batch: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (1, 8, 32),
    threads: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None,
    against: Annotated[tuple[Peer, ...] | None, Parameter(consume_multiple=True)] = None,
    alone: Annotated[bool, Parameter(negative="")] = False,
    rounds: int = 7,
    layers: Annotated[bool, Parameter(negative="")] = False,
    memory: MemoryOption = "default",
    json: JsonFlag = False,
) -> int:
    """Measure the fast engine beside the runtimes that are installed here, in one run.

    Each runtime is a process; they take turns, and those whose turn it is not are stopped. A ratio is the median, over
    the rounds, of the ratio within a round: on a machine that is shared, times are worth nothing but beside others.

    Parameters
    ----------
    model
        Model file, or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8.
    batch
        Images given together, one or several numbers.
    threads
        Threads, one or several numbers. Default: 1, and as many as there are usable cores.
    against
        Runtimes to measure beside. Default: onnxruntime, openvino, ncnn, torch and MNN, those that are installed.
    alone
        Measure refnet by itself.
    rounds
        How often the runtimes take turns.
    layers
        Instead, the time of each layer beside the roofline: the machine's peak and bandwidth, measured.
    """
    from refnet.fast.team import usable_cores  # numba takes a third of a second to import

    numbers = [("--batch", n) for n in batch] + [("--threads", n) for n in threads or ()] + [("--rounds", rounds)]
    for name, number in numbers:
        if number < 1:
            raise UsageError(f"{name} is {number}; expected at least 1")
    path = zoo.resolve(model)
    graph = read_model(path)
    if len(graph.inputs) != 1 or None in graph.inputs[0].shape[1:]:
        raise UsageError(f"{path.name} takes {graph.inputs}; expected one input of images of a fixed size")
    _refuse_what_cannot_fit(max(batch), math.prod(int(extent or 0) for extent in graph.inputs[0].shape[1:]))
    announce_compiling()
    counts = threads or tuple(sorted({1, usable_cores()}))
    if layers:
        return _layers(path, min(batch), counts[0], memory, json=json)
    wanted = () if alone else against or PEERS
    there, absent = installed(wanted)
    if against and absent:
        raise UsageError(f"{', '.join(absent)} cannot be imported; install it, or leave it out of --against")
    if absent:
        say(f"not installed, and not measured: {', '.join(absent)}")
    rows: list[dict[str, Any]] = []
    with progress("measuring", len(batch) * len(counts)) as advance:
        for some in compare(path, there, batch, counts, rounds):
            rows += some
            advance()
    if json:
        print_json({"schema_version": 1, "machine": machine(), "model": path.name, "rows": rows})
    else:
        _say_where()
        out.print(_table(rows))
    return 0


def _table(rows: list[dict[str, Any]]) -> Table:
    """One line a measurement."""
    head = (
        "batch",
        "threads",
        "runtime",
        "ms an image",
        "least",
        f"{SUBJECT} is faster",
        "(range)",
        "differs by",
        "start s",
        "peak MiB",
    )
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        low, high = row["times_as_slow_range"]
        table.add_row(
            str(row["batch"]),
            str(row["threads"]),
            f"{row['runtime']} {row['version']}",
            f"{row['milliseconds_per_image']:.2f}",
            f"{row['least_milliseconds_per_image']:.2f}",
            "" if row["runtime"] == SUBJECT else f"{row['times_as_slow']:.2f} times",
            "" if row["runtime"] == SUBJECT else f"{low:.2f} to {high:.2f}",
            f"{row['relative_difference']:.1e}",
            f"{row['start_seconds']:.1f}",
            f"{row['peak_mib']:.0f}",
        )
    return table


def _layers(path: Path, batch: int, threads: int, memory: Literal["default", "low"], *, json: bool) -> int:
    """The profile: what each layer takes, and what it would take at the machine's limits."""
    from refnet import fast
    from refnet.bench.roof import measure_roof
    from refnet.fast.plan import CAPACITY
    from refnet.fast.profile import profile

    if batch > CAPACITY:
        raise UsageError(
            f"--layers times at most {CAPACITY} images, which is what the engine computes at a time; --batch is {batch}"
        )
    graph = read_model(path)
    engine = fast.compile(graph, threads=threads, memory=memory, cache=True)
    shape = [int(extent or 0) for extent in graph.inputs[0].shape[1:]]
    images = {graph.inputs[0].name: np.random.default_rng(0).integers(0, 256, (batch, *shape)).astype(np.float32)}
    engine.run(images)
    roof, timed = measure_roof(threads), profile(engine, batch)
    total = sum(layer.seconds for layer in timed)
    rows = []
    for layer in timed:
        step = layer.step
        size = step.weight_bytes + batch * step.activation_bytes
        least = roof.least_seconds(batch * step.executed_flops, size)
        rows.append(
            {
                "layer": step.name,
                "kernel": step.kernel,
                "output": step.shape,
                "microseconds": 1e6 * layer.seconds,
                "share": layer.seconds / total,
                "gflops": batch * step.flops / layer.seconds / 1e9 if layer.seconds else None,
                "executed_gflops": batch * step.executed_flops / layer.seconds / 1e9 if layer.seconds else None,
                "bytes": size,
                "operations_per_byte": batch * step.executed_flops / size,
                "bound": "peak"
                if batch * step.executed_flops / roof.peak_gflops > size / roof.memory_gbytes
                else "memory",
                "least_microseconds": 1e6 * least,
                "share_of_roof": min(1.0, least / layer.seconds) if layer.seconds else None,
            }
        )
    if json:
        limits = {
            "peak_gflops": roof.peak_gflops,
            "cache_gbytes": roof.cache_gbytes,
            "memory_gbytes": roof.memory_gbytes,
        }
        print_json(
            {
                "schema_version": 1,
                "machine": machine(),
                "model": path.name,
                "batch": batch,
                "threads": threads,
                "roof": limits,
                "layers": rows,
            }
        )
        return 0
    _say_where()
    out.print(
        f"{path.name}, batch {batch}, {threads} thread{'s' * (threads > 1)}: {1e3 * total:.2f} ms in all layers. The machine: "
        f"{roof.peak_gflops:.0f} GFLOP/s, {roof.cache_gbytes:.0f} GB/s from the second-level cache, {roof.memory_gbytes:.0f} GB/s from memory",
        markup=False,
    )
    head = (
        "layers",
        "kernel",
        "output",
        "us each",
        "share",
        "GFLOP/s",
        "executed",
        "FLOP/byte",
        "bound by",
        "at least us",
        "of roof",
    )
    table = Table(*head, box=None, pad_edge=False)
    for alike in _alike(rows)[:LAYERS_SHOWN]:
        one, count = alike[0], len(alike)
        seconds = sum(row["microseconds"] for row in alike)
        least = sum(row["least_microseconds"] for row in alike)
        flops = [
            sum((row[key] or 0) * row["microseconds"] for row in alike) / max(seconds, 1e-9)
            for key in ("gflops", "executed_gflops")
        ]
        table.add_row(
            f"{count} x {one['layer']}" if count > 1 else one["layer"], one["kernel"], "x".join(map(str, one["output"])),
            f"{seconds / count:.0f}", f"{sum(row['share'] for row in alike):.1%}", f"{flops[0]:.0f}", f"{flops[1]:.0f}",
            f"{one['operations_per_byte']:.1f}", one["bound"], f"{least / count:.0f}", f"{min(1.0, least / max(seconds, 1e-9)):.0%}",
        )  # fmt: skip
    out.print(table)
    return 0


def _alike(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Layers of one kernel, output and amount of work together, the most expensive first."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(
            (row["kernel"], row["output"], row["bytes"], round(row["operations_per_byte"], 3)), []
        ).append(row)
    return sorted(groups.values(), key=lambda alike: -sum(row["microseconds"] for row in alike))


def _refuse_what_cannot_fit(batch: int, values: int) -> None:
    """Every runtime has a process that holds the images."""
    import os

    needed, there = 8.0 * batch * values, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there / 2:
        raise UsageError(
            f"--batch {batch:,}: its images take about {needed / 1e9:,.1f} GB in each process; this machine has {there / 1e9:,.1f} GB. "
            "Give a smaller batch"
        )


def _say_where() -> None:
    where = machine()
    family, number = where["family_model"]
    out.print(
        f"{where['processor']} (family {family}, model {number}; {', '.join(where['features'])}), {where['cores']} cores, "
        f"Python {where['python']}, NumPy {where['numpy']}, numba {where['numba']}, {where['time'][:10]}",
        markup=False,
    )
