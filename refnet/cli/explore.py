"""`refnet explore`: a face through every layer, on a page."""

import os
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet.bulk.photographs import Photographs
from refnet.cli.console import flush, print_data, say
from refnet.cli.options import CacheFlag, EngineOption, MemoryOption, ThreadsOption, open_model
from refnet.errors import RefnetError
from refnet.faces.detect import DEFAULT_DETECTOR
from refnet.faces.pipeline import Pipeline
from refnet.network import Network
from refnet.web.explorer import Explorer
from refnet.web.serve import PORT, address, open_port, require_extra, serve
from refnet.zoo.samples import sample_crops


def explore(
    model: str | None = None,
    /,
    *,
    image: Path | None = None,
    other: Path | None = None,
    detector: str | None = None,
    port: int = PORT,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Serve a page that takes a face through every layer: its maps, any number's sum, a square that is dragged over it.

    The page is served on 127.0.0.1, to this machine only; its address is printed. Stop with Ctrl-C, exit status 0.

    Parameters
    ----------
    model
        Model file, or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8.
    image
        Photograph or aligned crop to begin with, instead of the first sample portrait.
    other
        The same for the second face, which the first is compared with.
    detector
        What finds faces in photographs: file of YuNet or SCRFD, or a card's name. Default: the cached YuNet, if it is
        there; without one only aligned crops are taken.
    port
        0: any that is free.
    browser
        Open the page in a browser.
    """
    require_extra()
    from refnet.web.app import make_app

    with open_port(port) as listener:
        network = open_model(model, engine, threads, memory, cache)
        explorer = Explorer(network, _pipeline(network, detector), threads=threads, memory=memory, cache=cache)
        samples = sample_crops(*network.contract.crop_size)
        for name, path, sample in zip(("first", "second"), (image, other), samples, strict=True):
            if path is None:
                title = f"sample portrait {'A' if name == 'first' else 'B'}"
                explorer.album.keep(name, title, sample, ("drawn by a program: no photograph, no person",))
            else:
                crop, notes = explorer.album.crop_of(path, str(path))
                explorer.album.keep(name, path.name, crop, notes)
        explorer.similarity("first", "second")  # weights are packed now, not while someone waits for the page
        url = address(listener)
        print_data(url)
        flush()
        say("serving on this machine only; stop with Ctrl-C")
        if browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # some browsers do not return
        busy = serve(make_app(explorer), listener)
    if busy:
        os._exit(0)  # nothing is left to be written
    return 0


def _pipeline(network: Network, detector: str | None) -> Pipeline | str:
    """How photographs become crops, or why they cannot."""
    try:
        return Photographs(detector=detector or DEFAULT_DETECTOR).pipeline(network)
    except RefnetError as error:
        if detector is not None:
            raise
        say(f"only aligned crops can be taken: {error}")
        return str(error)
