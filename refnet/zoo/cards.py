"""Model cards: what is known of a model before one has it. One TOML file a model, in `cards/`."""

import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

from refnet.errors import ModelError, UsageError
from refnet.opening import reading


@dataclass(frozen=True)
class ModelFile:
    """One published binary of a model.

    A digest that is not known is empty; a file of which none is known cannot be told from another, and is never
    fetched. `mirrors` are whole URLs, tried in order.
    """

    name: str
    note: str
    size_bytes: int
    sha256: str = ""
    sha384: str = ""
    mirrors: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        """The digests that are known, by the algorithm's name."""
        return {name: value for name in ("sha256", "sha384") if (value := getattr(self, name))}


@dataclass(frozen=True)
class SyntheticFile:
    """What `refnet models make` writes for a seed."""

    seed: int
    spatial: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Figure:
    """A published figure: what was measured, on which data, by which protocol.

    `value` is a fraction; `pairs` the number of pairs it was measured on.
    """

    metric: str
    dataset: str
    protocol: str
    value: float
    pairs: int
    source: str


@dataclass(frozen=True)
class Port:
    """The model's input or output; an empty name is not known. `channels` is the order of an image's."""

    name: str = ""
    shape: str = ""
    channels: str = ""
    values: str = ""


@dataclass(frozen=True)
class Card:
    """A model: its names, its files, its licence, what goes in and comes out, what was published of it.

    `home` is where its makers describe it, `omz_name` its folder in Open Model Zoo's layout. `refused` says, as the end
    of a sentence, why refnet does not run the model; empty where it does. `gflops` and `mparams` are as published by
    `cost_source`.
    """

    name: str
    aliases: tuple[str, ...]
    title: str
    home: str
    licence: str
    training: str
    input: Port
    output: Port
    files: tuple[ModelFile, ...]
    synthetic: tuple[SyntheticFile, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    omz_name: str = ""
    refused: str = ""
    gflops: float | None = None
    mparams: float | None = None
    cost_source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)

    def to_json(self) -> dict[str, Any]:
        """A plain dict; what is not known is null."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@cache
def cards() -> tuple[Card, ...]:
    """Every card, by name."""
    return tuple(read_card(text) for text in _texts())


def read_card(text: str) -> Card:
    """A card from the text of its file; ModelError if it is none."""
    with reading("a model's card", ModelError, "damaged; install refnet again"):
        return _card(tomllib.loads(text))


def find_card(name: str) -> Card:
    """The card of that name or alias; refuses an unknown name, listing those there are."""
    for card in cards():
        if name in card.names:
            return card
    raise UsageError(f"no model is called {name!r}; known are {', '.join(card.name for card in cards())}")


def card_of(sha256: str) -> Card | None:
    """The card of a published file, by the file's digest; an empty digest is no file's."""
    return next((card for card in cards() if any(sha256 and file.sha256 == sha256 for file in card.files)), None)


def _texts() -> list[str]:
    """The cards' files, by name."""
    folder = resources.files("refnet.zoo") / "cards"
    found = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [text for _, text in found]


def _card(table: dict[str, Any]) -> Card:
    """A card from its TOML; a field too many or too few is an error here, not later."""
    fields = dict(table)
    fields["input"], fields["output"] = Port(**fields["input"]), Port(**fields["output"])
    fields["files"] = tuple(ModelFile(**{**entry, "mirrors": tuple(entry["mirrors"])}) for entry in fields["files"])
    fields["synthetic"] = tuple(SyntheticFile(**entry) for entry in fields.get("synthetic", ()))
    fields["figures"] = tuple(Figure(**entry) for entry in fields.get("figures", ()))
    fields["aliases"], fields["notes"] = tuple(fields["aliases"]), tuple(fields.get("notes", ()))
    return Card(**fields)


def _plain(value: Any) -> Any:
    """Without empty strings: null is what is not known."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if value == "" else value
