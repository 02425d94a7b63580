"""`refnet stats`: what the tensors inside the network are like over many images."""

import csv
import io
import json as json_text
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.table import Table

from refnet.audit.statistics import bin_edges, statistics
from refnet.bulk.prepared import crop_size
from refnet.cli.console import out, print_json, progress, say
from refnet.cli.options import JsonFlag, ModelOption, open_model
from refnet.errors import UsageError
from refnet.faces.image import find_images, read_crop
from refnet.files import check_place, replacing
from refnet.graph import Array
from refnet.network import Network
from refnet.provenance import provenance

SCHEMA_VERSION = 1
SUFFIXES = (".json", ".csv")
SHOWN = ("min", "max", "mean", "std", "zeros", "negatives")


def stats(
    images: Annotated[list[Path], Parameter(name="IMAGE")],
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    layers: Annotated[list[str], Parameter(negative="")] = ["*"],  # noqa: B006  (cyclopts reads the default)
    model: ModelOption = None,
    json: JsonFlag = False,
) -> None:
    """Describe tensors of the float64 reference over all images: range, mean, deviation, zeros, dead channels.

    Parameters
    ----------
    images
        Aligned face crops, or folders of them.
    output
        FILE.json (with histograms) or FILE.csv.
    layers
        Names or globs, such as 'stage3_*'. Default: every tensor.
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot write {output}: the suffix is {output.suffix!r}; expected {' or '.join(SUFFIXES)}")
    if output is not None:
        check_place(output)
    network = open_model(model)
    paths = find_images(images)
    with progress("describing", len(paths)) as advance:
        found = statistics(network, _crops(network, paths, advance), layers)
    tensors = {name: described.to_json() for name, described in found.items()}
    report = {
        "schema_version": SCHEMA_VERSION,
        "provenance": provenance(network).to_json(),
        "images": len(paths),
        "bin_edges": bin_edges()[1:-1],
        "tensors": tensors,
    }
    if output is not None:
        text = json_text.dumps(report, indent=1) if output.suffix.lower() == ".json" else _csv(tensors)
        with replacing(output) as file:
            file.write(text.encode())
        say(f"{len(found)} tensors over {len(paths)} images in {output}")
    if json:
        print_json(report)
    elif output is None:
        out.print(_table(tensors))


def _crops(network: Network, paths: list[Path], advance: Callable[[], None]) -> Iterator[Array]:
    """One image at a time, as the network takes it."""
    height, width = crop_size(network)
    for path in paths:
        yield network.contract.prepare(read_crop(path, height, width)[np.newaxis])
        advance()


def _table(tensors: dict[str, dict[str, Any]]) -> Table:
    """What can be seen at a glance."""
    table = Table("tensor", *SHOWN, "dead channels", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in tensors.items():
        dead = f"{len(row['dead_channels'])} of {row['channels']}" if row["dead_channels"] else "0"
        table.add_row(name, *("-" if row[key] is None else f"{row[key]:.4g}" for key in SHOWN), dead)
    return table


def _csv(tensors: dict[str, dict[str, Any]]) -> str:
    """A row for each tensor; dead channels counted, histograms left to JSON."""
    text = io.StringIO()
    columns = ["count", "not_finite", *SHOWN, "at_min", "at_max", "channels", "dead_channels"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["tensor", *columns])
    for name, row in tensors.items():
        cells = {**row, "dead_channels": len(row["dead_channels"])}
        writer.writerow([name, *("" if cells[column] is None else repr(cells[column]) for column in columns)])
    return text.getvalue()
