"""`refnet trace`: the tensors inside the network, in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from refnet.audit.trace_file import write_trace
from refnet.bulk.prepared import crop_size
from refnet.cli.console import progress, say
from refnet.cli.options import ModelOption, OutputOption, open_model
from refnet.faces.image import read_crop
from refnet.graph import Array
from refnet.provenance import provenance
from refnet.reference import matching


def trace(
    image: Path,
    /,
    *,
    output: OutputOption,
    layers: Annotated[list[str], Parameter(negative="")] = ["*"],  # noqa: B006  (cyclopts reads the default)
    model: ModelOption = None,
) -> None:
    """Write tensors of the float64 reference, as computed for one aligned face crop.

    Parameters
    ----------
    image
        Aligned face crop.
    output
        FILE.npz: a member for every tensor, the image, the provenance.
    layers
        Names or globs, such as 'stage3_*'. Default: every tensor.
    """
    network = open_model(model)
    height, width = crop_size(network)
    images = network.contract.prepare(read_crop(image, height, width)[np.newaxis])
    total = len(matching(network.graph, layers))
    with progress("tracing", total) as advance:
        tensors = _counted(network.stream(images, layers), advance)
        written = write_trace(output, tensors, images, provenance(network).to_json())
    say(f"{len(written)} tensors in {output}")


def _counted(tensors: Iterator[tuple[str, Array]], advance: Callable[[], None]) -> Iterator[tuple[str, Array]]:
    """The same tensors; advances once each is used."""
    for tensor in tensors:
        yield tensor
        advance()
