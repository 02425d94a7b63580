"""Where models lie on this machine, and how a name becomes a path.

`$REFNET_CACHE_DIR`, else the user's cache folder; below it `models/NAME/`. Nothing is ever downloaded here.
"""

import os
from pathlib import Path

from refnet.cache_folder import cache_folder
from refnet.errors import ModelError, UsageError
from refnet.files import sha256
from refnet.zoo.cards import Card, cards, find_card

DEFAULT_MODEL = "arcfaceresnet100-8"


def model_folder(card: Card) -> Path:
    """Where the card's files are kept."""
    return cache_folder("models") / card.name


def synthetic_path(card: Card, seed: int, spatial: int) -> Path:
    """Where `refnet models make` keeps the full-size synthetic model of a seed."""
    return model_folder(card) / f"{card.name}-synthetic-seed{seed}-spatial{spatial}.onnx"


def cached_file(card: Card) -> Path | None:
    """The card's published file, if it is in the cache and is what the card says; None if it is not there.

    Raises
    ------
    ModelError
        If a file of that name is there, but its digest is none of the card's.
    """
    names = {file.name for file in card.files}
    for name in sorted(names):
        path = model_folder(card) / name
        if path.is_file():
            digest = sha256(path)
            if digest not in {file.sha256 for file in card.files}:
                raise ModelError(
                    f"{path} is not {card.name}: its sha256 is {digest}; expected "
                    f"{' or '.join(file.sha256 for file in card.files)}. Remove it or put the right file there."
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
    """
    meant = model or os.environ.get("REFNET_MODEL") or DEFAULT_MODEL
    path = Path(meant)
    known = {name for card in cards() for name in (card.name, *card.aliases)}
    if path.exists() or meant not in known:
        if not path.exists() and path.suffix == "" and path.name == meant:
            raise UsageError(f"no file and no model is called {meant!r}; known models are {', '.join(sorted(known))}")
        return path
    card = find_card(meant)
    found = cached_file(card)
    if found is None:
        raise ModelError(
            f"{card.name} is not on this machine (looked for {model_folder(card) / card.files[0].name}). "
            "Give a path with --model or $REFNET_MODEL, or put the file there; "
            f"`refnet models make {card.name}` writes one with synthetic weights."
        )
    return found
