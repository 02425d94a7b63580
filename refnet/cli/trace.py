"""`refnet trace`: the tensors inside the network, in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from refnet.audit.ablation import ablate_channels, ablate_unit
from refnet.audit.trace_file import TraceFile, check_form, write_trace
from refnet.bulk.prepared import crop_size
from refnet.cli.console import progress, say
from refnet.cli.options import ModelOption, OutputOption, open_model
from refnet.errors import UsageError
from refnet.faces.image import read_crop
from refnet.graph import Array, Graph
from refnet.network import Network
from refnet.provenance import provenance
from refnet.reference import Patch, matching


def trace(
    images: Annotated[list[Path] | None, Parameter(name="IMAGE")] = None,
    /,
    *,
    output: OutputOption,
    layers: Annotated[list[str], Parameter(negative="")] = ["*"],  # noqa: B006  (cyclopts reads the default)
    start: Path | None = None,
    ablate: Annotated[list[str], Parameter(negative="")] = [],  # noqa: B006
    model: ModelOption = None,
) -> None:
    """Write tensors of the float64 reference, as computed for aligned face crops.

    Parameters
    ----------
    images
        Aligned face crops; none where everything follows from --start.
    output
        FILE.npz or FILE.safetensors: every tensor, the images, the provenance.
    layers
        Names or globs, such as 'stage3_*'. Default: every tensor.
    start
        FILE.npz or FILE.safetensors with tensors by name, to go on from instead of computing them.
    ablate
        What to take out: NAME:3,5 holds those channels of a tensor at zero; NAME alone is a residual unit, such as
        stage3_unit7, that its shortcut replaces. May be given several times.
    """
    check_form(output)
    network = open_model(model)
    given = None if start is None else _tensors(start)
    if not images and given is None:
        raise UsageError("there is nothing to compute from; give an image, or tensors with --start")
    crops = _crops(network, images) if images else None
    patch = _patches(network.graph, ablate)
    tensors = network.stream(crops, layers, start=given, patch=patch)
    said = provenance(network).to_json()
    said |= {"started_from": f"{start.name}: {', '.join(sorted(given))}"} if start is not None and given else {}
    said |= {"ablated": " ".join(ablate)} if ablate else {}
    with progress("tracing", len(matching(network.graph, layers))) as advance:
        written = write_trace(output, _counted(tensors, advance), crops, said)
    say(f"{len(written)} tensors in {output}")


def _crops(network: Network, images: list[Path]) -> Array:
    """The images as one batch."""
    height, width = crop_size(network)
    return network.contract.prepare(np.stack([read_crop(image, height, width) for image in images]))


def _tensors(path: Path) -> dict[str, Array]:
    """The tensors of a file, by name."""
    file = TraceFile(path)
    return {name: file.tensor(name) for name in sorted(file.tensor_names)}


def _patches(graph: Graph, ablate: list[str]) -> dict[str, Patch]:
    """What the ablations ask for."""
    patches: dict[str, Patch] = {}
    for said in ablate:
        name, _, channels = said.rpartition(":")
        is_list = bool(name) and all(part.isdecimal() for part in channels.split(","))
        new = (
            ablate_channels(name, [int(part) for part in channels.split(",")]) if is_list else ablate_unit(graph, said)
        )
        if again := patches.keys() & new:
            raise UsageError(f"--ablate names {again.pop()!r} twice; list all its channels at once: NAME:3,5")
        patches |= new
    return patches


def _counted(tensors: Iterator[tuple[str, Array]], advance: Callable[[], None]) -> Iterator[tuple[str, Array]]:
    """The same tensors; advances once each is used."""
    for tensor in tensors:
        yield tensor
        advance()
