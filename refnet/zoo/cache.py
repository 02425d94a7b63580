"""Where models lie on this machine, and how a name becomes a path.

`$REFNET_CACHE_DIR`, else the user's cache folder; below it `models/NAME/`. Nothing is ever downloaded here.
"""

import os
from pathlib import Path

from refnet.cache_folder import cache_folder
from refnet.errors import ModelError, UnsupportedModelError, UsageError
from refnet.zoo.cards import Card, cards, find_card
from refnet.zoo.identify import departure, which

DEFAULT_MODEL = "arcfaceresnet100-8"


def model_folder(card: Card, cache: Path | None = None) -> Path:
    """Where the card's files are kept; `cache` is another cache than the usual one."""
    return (cache / "models" if cache else cache_folder("models")) / card.name


def synthetic_path(card: Card, seed: int, spatial: int) -> Path:
    """Where `refnet models make` keeps the full-size synthetic model of a seed."""
    return model_folder(card) / f"{card.name}-synthetic-seed{seed}-spatial{spatial}.onnx"


def present_files(card: Card) -> list[Path]:
    """What lies in the cache under the names of the card's published files; not read, so it may be anything."""
    names = dict.fromkeys(file.name for file in card.files)
    return [path for name in names if (path := model_folder(card) / name).is_file()]


def cached_file(card: Card) -> Path | None:
    """The card's published file, if it is in the cache and is what the card says; None if it is not there.

    Reads the whole file to take its digest.

    Raises
    ------
    ModelError
        If a file of that name is there, but it is none of the card's.
    """
    for path in present_files(card):
        files = [file for file in card.files if file.name == path.name]
        if which(path, files) is None:
            raise ModelError(
                f"{path} is not {card.name}: {departure(path, files)}. "
                f"Remove it, or put the right file there: `refnet models fetch {card.name}`."
            )
        return path
    return None


def resolve(model: str | None) -> Path:
    """The file meant by MODEL on the command line.

    A path; else a card's name; else `$REFNET_MODEL`; else the default model in the cache.

    Raises
    ------
    ModelError
        If it is nowhere; the message says where it was looked for and how to get one.
    UnsupportedModelError
        If it is a model that refnet knows and does not run.
    """
    meant = model or os.environ.get("REFNET_MODEL") or DEFAULT_MODEL
    path = Path(meant)
    known = {name for card in cards() for name in card.names}
    there = os.path.lexists(path)  # a pipe or a link to itself is there, and its reader says what is wrong
    if there or meant not in known:
        if not there and path.suffix == "" and path.name == meant:
            raise UsageError(f"no file and no model is called {meant!r}; known models are {', '.join(sorted(known))}")
        return path
    card = find_card(meant)
    refuse_unsupported(card)
    found = cached_file(card)
    if found is None:
        made = f"; `refnet models make {card.name}` writes one with synthetic weights" if card.synthetic else ""
        raise ModelError(
            f"{card.name} is not on this machine (looked for {model_folder(card) / card.files[0].name}). "
            f"`refnet models fetch {card.name}` downloads it; `refnet models import FILE` takes a file that you have; "
            f"a path can be given with --model or $REFNET_MODEL{made}."
        )
    return found


def refuse_unsupported(card: Card) -> None:
    """Raise UnsupportedModelError if refnet does not run the card's model, saying why."""
    if card.refused:
        raise UnsupportedModelError(f"{card.name} is known and refused: {card.refused}")
