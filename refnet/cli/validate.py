"""`refnet validate`: every tensor beside onnxruntime's or a saved trace's, and both beside float64."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from refnet import zoo
from refnet.audit.compare import Comparison, Other, compare
from refnet.audit.difference import Difference
from refnet.audit.openvino_oracle import OpenVino
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.trace_file import TraceFile
from refnet.bulk.prepared import crop_size
from refnet.cli.console import out, print_json, progress
from refnet.cli.options import EngineOption, JsonFlag, open_model
from refnet.errors import UsageError
from refnet.faces.image import read_crop
from refnet.graph import Array
from refnet.network import Network
from refnet.zoo.samples import sample_crops


def validate(
    model: str | None = None,
    /,
    *,
    against: str | None = None,
    image: Annotated[list[Path], Parameter(negative="")] = [],  # noqa: B006  (cyclopts reads the default)
    engine: EngineOption = "fast",
    layers: Annotated[bool, Parameter(negative="--no-layers")] = True,
    json: JsonFlag = False,
) -> int:
    """Compare every tensor of the network with another runtime's; exit status 1 where one departs.

    Parameters
    ----------
    model
        Model file or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8.
    against
        onnxruntime (the default for an ONNX file), openvino (the default for an .xml), or a trace in FILE.npz.
    image
        Aligned face crops. Default: the sample portraits, resized to what the model takes; with a trace, its images.
    layers
        Print the table of tensors.
    json
        Print JSON on stdout.
    """
    path = zoo.resolve(model)
    network = open_model(str(path), engine)
    other = _other(network, path, against)
    if isinstance(other, TraceFile):
        other.refuse_another_order(network.contract.channels)
    traced = other.images if isinstance(other, TraceFile) and not image else None
    images = crops(network, image) if image else sample_input(network) if traced is None else traced
    comparison = run_comparison(network, images, other)
    if json:
        print_json(comparison.to_json())
    else:
        if layers:
            out.print(_table(comparison))
            out.print()
        for line in report(comparison):
            out.print(line)
    return 0 if comparison.agrees else 1


def _other(network: Network, path: Path, against: str | None) -> Other:
    """What to compare with; each runtime judges the files it reads itself."""
    openvino = network.graph.source.format == "openvino"
    if against is None:
        against = "openvino" if openvino else "onnxruntime"
    if against == "openvino":
        return OpenVino(network.graph)
    if against == "onnxruntime":
        if openvino:
            raise UsageError("onnxruntime does not read OpenVINO models; use --against openvino")
        return OnnxRuntime(path)
    return TraceFile(against)


def crops(network: Network, paths: list[Path]) -> Array:
    """Aligned crops as the network's input takes them."""
    height, width = crop_size(network)
    return network.contract.prepare(np.stack([read_crop(path, height, width) for path in paths]))


def sample_input(network: Network) -> Array:
    """The sample portraits as the network's input takes them."""
    return network.contract.prepare(sample_crops(*crop_size(network)))


def run_comparison(network: Network, images: Array, other: Other) -> Comparison:
    """Compare, with a progress bar."""
    total = len(network.graph.nodes)
    with progress(f"comparing with {other.name}", total) as advance:
        seen = 0

        def step(done: int, _: int) -> None:
            nonlocal seen
            advance(done - seen)
            seen = done

        return compare(network, images, other, progress=step)


def report(comparison: Comparison) -> list[str]:
    """The sentences under the table."""
    lines = [*comparison.notes, comparison.summary]
    lines += [
        f"output {row.name}, end to end: {row.verdict}; relative L2 beside float64: ours {row.ours.relative_l2:.2e}, "
        f"theirs {row.theirs.relative_l2:.2e}, the floor {row.floor:.2e}"
        for row in comparison.outputs
    ]
    if comparison.embedding is not None:
        worst = max(comparison.embedding.images, key=lambda row: row.angle_degrees)
        change = comparison.embedding.largest_change_of_similarity
        lines.append(
            f"embeddings: at most {worst.angle_degrees:.1e} degrees apart (1 - cosine {worst.one_minus_cosine:.1e})"
            + ("" if change is None else f"; similarities of these images differ by at most {change:.1e}")
        )
        lines.append(comparison.embedding.sentence)
    return lines


def _table(comparison: Comparison) -> Table:
    """One row a tensor."""
    table = Table(box=None, header_style="bold")
    table.add_column("tensor")
    table.add_column("operator")
    for title in (
        "theirs: max abs",
        "rel. L2",
        "1 - cos",
        "ours: max abs",
        "rel. L2",
        "theirs here: rel. L2",
        "of the floor",
    ):
        table.add_column(title, justify="right")
    table.add_column("")
    for row in comparison.tensors:
        mark = Text("departs", "bold red") if row.verdict == "departs" else {"agrees": ""}.get(row.verdict, row.verdict)
        local = "-" if row.local is None else f"{row.local.relative_l2:.1e}"
        table.add_row(
            row.name, row.op, *_figures(row.theirs), *_figures(row.ours)[:2], local, f"{row.excess:.2f}", mark
        )
    return table


def _figures(difference: Difference | None) -> tuple[str, str, str]:
    """Max abs, relative L2 and 1 - cosine, or dashes."""
    if difference is None:
        return "-", "-", "-"
    return f"{difference.max_abs:.1e}", f"{difference.relative_l2:.1e}", f"{1 - difference.cosine:.1e}"
