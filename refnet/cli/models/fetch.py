"""`refnet models fetch`: the one command that uses the network."""

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import complain, out, print_json, say
from refnet.cli.models.fetch_progress import Bars, Lines
from refnet.cli.options import JsonFlag
from refnet.errors import ModelError, RefnetError, UsageError
from refnet.zoo.cards import Card
from refnet.zoo.fetch import Fetched, How, fetch, mirrors_from_environment, offline_from_environment

_GRACE_SECONDS = 3.0  # a piece takes long on a busy machine


class _StoppedError(Exception):
    """Ends a download whose command was interrupted; what has come is kept."""


def fetch_models(
    *names: str,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    list_: Annotated[Path | None, Parameter(name="--list")] = None,
    output_dir: Annotated[Path | None, Parameter(name=["--output-dir", "--output_dir", "-o"])] = None,
    cache_dir: Annotated[Path | None, Parameter(name=["--cache-dir", "--cache_dir"])] = None,
    mirror: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    retries: int = How.retries,
    timeout: float = How.timeout_seconds,
    jobs: Annotated[int, Parameter(name=["--jobs", "-j"])] = 1,
    offline: Annotated[bool, Parameter(negative="")] = False,
    progress: Annotated[
        Literal["text", "json"], Parameter(name=["--progress", "--progress-format", "--progress_format"])
    ] = "text",
    json: JsonFlag = False,
) -> int:
    """Download models, verify their size and digest, and print where they lie; go on with what was broken off.

    Parameters
    ----------
    names
        Names, aliases or patterns such as 'w600k_*', also several between commas.
    all_
        Every model that refnet knows and does not refuse.
    list_
        A file of patterns: the first word of each line.
    output_dir
        Put files in public/NAME/ in this folder, as Open Model Zoo's downloader does, and not in the cache.
    cache_dir
        Use this cache. Default: $REFNET_CACHE_DIR, else the user's cache folder.
    mirror
        Ask this URL, of the file or of a folder with it, and not the card's; may be given several times. Default:
        $REFNET_MIRRORS.
    retries
        Further tries at each mirror, after what may be over in a moment.
    timeout
        Seconds that a server may be silent.
    jobs
        Models downloaded at a time.
    offline
        Do not use the network ($REFNET_OFFLINE): say what is missing, and where it belongs.
    progress
        json: a line of JSON for each event on stdout, as Open Model Zoo's downloader prints them.
    json
        Print JSON on stdout.
    """
    if jobs < 1 or retries < 0 or timeout <= 0:
        raise UsageError(
            f"--jobs is {jobs}, --retries {retries}, --timeout {timeout:g}; expected at least 1, 0, above 0"
        )
    if json and progress == "json":
        raise UsageError("--json and --progress json both want stdout; give one of them")
    selected = _selected(names, all_, list_)
    how = How(
        mirrors=mirror or mirrors_from_environment(),
        retries=retries,
        timeout_seconds=timeout,
        offline=offline or offline_from_environment(),
    )
    results: dict[str, list[Fetched]] = {}
    failures: dict[str, RefnetError] = {}
    stop = threading.Event()
    with Lines() if progress == "json" else Bars() as shown:

        def work(card: Card) -> None:
            try:
                results[card.name] = _fetch_card(card, zoo.model_folder(card, cache_dir), output_dir, how, shown, stop)
            except RefnetError as error:
                failures[card.name] = error
                complain(str(error))

        _in_threads(min(jobs, len(selected)), work, selected, stop)
    files = [(card, file) for card in selected for file in results.get(card.name, ())]
    if json:
        rows = [{"model": card.name, "path": str(file.path), "note": file.file.note, **file.file.digests, "how": file.how} for card, file in files]  # fmt: skip
        print_json({"schema_version": 1, "files": rows, "failed": list(failures)})
    elif progress == "text":
        for _, file in files:
            out.print(str(file.path))
    if len(selected) > 1 and failures:
        complain(f"{len(failures)} of {len(selected)} models could not be fetched: {', '.join(failures)}")
    return max((error.exit_status for error in failures.values()), default=0)


def _selected(names: tuple[str, ...], all_: bool, list_: Path | None) -> tuple[Card, ...]:
    """The cards that are asked for; those that refnet refuses only if they are asked for by name."""
    if sum((bool(names), all_, list_ is not None)) != 1:
        raise UsageError("say which models: names, --list FILE or --all, and one of these only")
    patterns = zoo.read_list(list_) if list_ else names or ("*",)
    if not patterns:
        raise UsageError(f"the list {list_} names no model")
    named = {part.strip() for text in patterns for part in text.split(",")}
    cards = zoo.select(patterns)
    chosen = tuple(card for card in cards if not card.refused or named.intersection(card.names))
    for card in cards:
        if card not in chosen:
            say(f"{card.name} is left out: {card.refused}")
    if not chosen:
        raise ModelError("every model that matches is one that refnet refuses")
    return chosen


def _fetch_card(
    card: Card, cache: Path, output_dir: Path | None, how: How, shown: Bars | Lines, stop: threading.Event
) -> list[Fetched]:
    """Every file of a card; a failure ends it."""
    folder = output_dir / "public" / (card.omz_name or card.name) if output_dir else cache
    names = list(dict.fromkeys(file.name for file in card.files))
    fetched = []
    with shown.model(card, len(names)):
        for name in names:
            size_bytes = next(file.size_bytes for file in card.files if file.name == name)
            with shown.file(card, name, size_bytes) as show:

                def advance(have: int, show: Callable[[int], None] = show) -> None:
                    if stop.is_set():
                        raise _StoppedError
                    show(have)

                fetched.append(fetch(card, name, folder, how, elsewhere=(cache / name,), advance=advance, tell=say))
    return fetched


def _in_threads(threads: int, work: Callable[[Card], None], cards: tuple[Card, ...], stop: threading.Event) -> None:
    """Do the work for every card, so many at a time; an interrupt sets `stop`, and waits for who looks at it."""
    waiting: queue.SimpleQueue[Card] = queue.SimpleQueue()
    for card in cards:
        waiting.put(card)

    def serve() -> None:
        while not stop.is_set():
            try:
                card = waiting.get_nowait()
            except queue.Empty:
                return
            with contextlib.suppress(_StoppedError):
                work(card)

    if threads == 1:
        serve()
        return
    # Daemons: one that waits for a silent server must not keep an interrupted process. They tell when they are done,
    # because a thread whose join() was interrupted passes for ended (Python before 3.13).
    done = [threading.Event() for _ in range(threads)]

    def serve_and_tell(event: threading.Event) -> None:
        try:
            serve()
        finally:
            event.set()

    for event in done:
        threading.Thread(target=serve_and_tell, args=(event,), daemon=True).start()
    try:
        for event in done:
            event.wait()
    except KeyboardInterrupt:
        stop.set()
        for event in done:
            event.wait(_GRACE_SECONDS)
        raise
