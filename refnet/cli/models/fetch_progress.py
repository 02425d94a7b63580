"""How a download is shown: bars on a terminal, or the lines of JSON that Open Model Zoo's downloader prints."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from refnet.cli.console import err, flush, write
from refnet.zoo.cards import Card

_STEP_BYTES = 1 << 20  # between two lines


class Bars:
    """A bar for each file, on stderr, on a terminal only."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def model(self, card: Card, files: int) -> Iterator[None]:  # noqa: ARG002
        """Nothing to show."""
        yield

    @contextmanager
    def file(self, card: Card, name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Yield what is told how many bytes are there."""
        task = self._bars.add_task(name, total=size_bytes)
        yield lambda have: self._bars.update(task, completed=have)
        self._bars.remove_task(task)


class Lines:
    """An object a line on stdout: `$type`, and what Open Model Zoo's omz_downloader gives with it."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def model(self, card: Card, files: int) -> Iterator[None]:
        """Begin and end of a model."""
        self._emit("model_download_begin", model=card.name, num_files=files)
        successful = False
        try:
            yield
            successful = True
        finally:
            self._emit("model_download_end", model=card.name, successful=successful)

    @contextmanager
    def file(self, card: Card, name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
        """Begin, progress and end of a file; yields what is told how many bytes are there."""
        about = {"model": card.name, "model_file": name}
        self._emit("model_file_download_begin", **about, size=size_bytes)
        shown = 0

        def advance(have: int) -> None:
            nonlocal shown
            if have == size_bytes or not 0 <= have - shown < _STEP_BYTES:
                shown = have
                self._emit("model_file_download_progress", **about, size=have)

        successful = False
        try:
            yield advance
            successful = True
        finally:
            self._emit("model_file_download_end", **about, successful=successful)

    def _emit(self, kind: str, **members: object) -> None:
        """Write a line."""
        with self._one_at_a_time:
            write(json.dumps({"$type": kind, **members}) + "\n")
            flush()
