"""`refnet bench`: this machine, refnet beside other runtimes, layer by layer beside what the machine can do."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.table import Table

from refnet import zoo
from refnet.bench.machine import machine, sentence
from refnet.bench.memory import refuse_what_cannot_fit
from refnet.bench.side_by_side import SUBJECT, compare, installed
from refnet.cli.console import out, print_json, progress, say
from refnet.cli.options import JsonFlag, announce_compiling
from refnet.errors import UsageError
from refnet.formats.onnx_reader import read_model
from refnet.network import Memory

Peer = Literal["onnxruntime", "openvino", "ncnn", "torch", "mnn", "refnet-low"]
PEERS: tuple[Peer, ...] = ("onnxruntime", "openvino", "ncnn", "torch", "mnn")


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
    memory: Memory = "default",
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
        How often the runtimes take turns; with --layers, how often each layer is timed.
    layers
        Instead, the time of each layer beside the roofline: the machine's peak and bandwidth, measured.
    memory
        With --layers: the engine in its smaller form. Beside others, it is called refnet-low.
    """
    from refnet.fast.target import COMPILED
    from refnet.fast.team import usable_cores  # numba takes a third of a second to import

    if not COMPILED:
        raise UsageError("NUMBA_DISABLE_JIT is set, so nothing is compiled that could be measured; unset it")
    numbers = [("--batch", n) for n in batch] + [("--threads", n) for n in threads or ()] + [("--rounds", rounds)]
    for name, number in numbers:
        if number < 1:
            raise UsageError(f"{name} is {number}; expected at least 1")
    if alone and against:
        raise UsageError("--alone measures refnet by itself, --against beside others; give one of them")
    if layers and (alone or against):
        raise UsageError("--layers measures the layers of refnet alone; leave --against and --alone out")
    path = zoo.resolve(model)
    graph = read_model(path)
    if len(graph.inputs) != 1 or None in graph.inputs[0].shape[1:]:
        raise UsageError(f"{path.name} takes {graph.inputs}; expected one input of images of a fixed size")
    counts = threads or tuple(sorted({1, usable_cores()}))
    if layers:
        from refnet.cli.bench_layers import bench_layers

        announce_compiling()
        bench_layers(graph, path, batch, counts, rounds, memory, json=json)
        return 0
    if memory == "low":
        raise UsageError("--memory low is for --layers; --against refnet-low measures it beside the default")
    wanted = () if alone else against or PEERS
    there, absent = installed(wanted)
    if against and absent:
        raise UsageError(f"{', '.join(absent)} cannot be imported; install it, or leave it out of --against")
    if absent:
        say(f"not installed, and not measured: {', '.join(absent)}")
    refuse_what_cannot_fit(graph, max(batch), len(there))
    announce_compiling()

    def leave_out(name: str, reason: str) -> None:
        if against:
            raise UsageError(f"{name} cannot run {path.name}: {reason}")
        say(f"{name} cannot run {path.name}, and is not measured: {reason}")

    rows: list[dict[str, Any]] = []
    with progress("measuring", len(batch) * len(counts)) as advance:
        for some in compare(path, there, batch, counts, rounds, leave_out):
            rows += some
            advance()
    where = machine()
    if json:
        print_json({"schema_version": 1, "machine": where, "model": path.name, "rows": rows})
    else:
        out.print(sentence(where))
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
