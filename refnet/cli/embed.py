"""`refnet embed`: aligned face crops in, embeddings out."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from refnet.cli.console import complain, progress, say
from refnet.cli.options import CacheFlag, EngineOption, MemoryOption, ModelOption, ThreadsOption, open_model
from refnet.errors import InputError, ModelError, UsageError
from refnet.faces.embedding_file import EmbeddingSet, check_form, json_lines, write_embeddings
from refnet.faces.image import find_images, read_crop
from refnet.network import Network
from refnet.provenance import provenance


def embed(
    inputs: Annotated[list[Path], Parameter(name="INPUT", allow_leading_hyphen=True)],
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Compute the embeddings of aligned face crops.

    Parameters
    ----------
    inputs
        Image files and folders; `-` reads a list of them from stdin, one a line.
    output
        FILE.npz, FILE.csv or FILE.jsonl. Default: JSON lines on stdout.
    """
    if output is not None:
        check_form(output)
    paths = find_images(_with_stdin(inputs))
    network = open_model(model, engine, threads, memory, cache)
    embeddings, failed = embed_images(network, paths)
    if embeddings is None:
        raise InputError(f"none of {len(paths)} images could be read; nothing was written")
    if output is None:
        sys.stdout.write(json_lines(embeddings))
    else:
        write_embeddings(output, embeddings)
        say(f"{len(embeddings.names)} embeddings of {embeddings.embeddings.shape[1]} numbers in {output}")
    if failed:
        complain(f"{len(failed)} of {len(paths)} images could not be read")
        return 1
    return 0


def embed_images(network: Network, paths: list[Path]) -> tuple[EmbeddingSet | None, list[InputError]]:
    """Embed aligned crops one by one; one that cannot be read is named, and the others go on.

    Returns
    -------
    The embeddings, None if there are none; and what was wrong with the images that could not be read.
    """
    height, width = crop_size(network)
    names: list[str] = []
    rows = []
    failed: list[InputError] = []
    with progress("embedding", len(paths)) as advance:
        for path in paths:
            try:
                crop = read_crop(path, height, width)
            except InputError as error:
                failed.append(error)
                complain(str(error))
            else:
                names.append(str(path))
                rows.append(network(network.contract.prepare(crop[np.newaxis]))[0])
            advance()
    return (EmbeddingSet(tuple(names), np.stack(rows), provenance(network)) if rows else None), failed


def crop_size(network: Network) -> tuple[int, int]:
    """Height and width of the crops a network takes."""
    _, height, width = network.contract.shape
    if height is None or width is None:
        raise ModelError(
            f"the model leaves the size of {network.contract.name} open; expected a fixed height and width"
        )
    return height, width


def _with_stdin(inputs: list[Path]) -> list[Path]:
    """The inputs, with `-` replaced by the lines of stdin."""
    paths: list[Path] = []
    for entry in inputs:
        if str(entry) == "-":
            paths += [Path(line) for line in sys.stdin.read().splitlines() if line.strip()]
        elif str(entry).startswith("-"):
            raise UsageError(f"Unknown option: {entry}. See `refnet embed --help`; a file of that name is ./{entry}")
        else:
            paths.append(entry)
    return paths
