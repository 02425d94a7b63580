"""Model cards: what is known of a model before one has it. One TOML file a model, in `cards/`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from refnet.errors import UsageError


@dataclass(frozen=True)
class ModelFile:
    """One published binary of a model."""

    name: str
    note: str
    size_bytes: int
    sha256: str


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
class Card:
    """A model: its names, its files, its licence, what was published of it."""

    name: str
    aliases: tuple[str, ...]
    title: str
    licence: str
    files: tuple[ModelFile, ...]
    synthetic: tuple[SyntheticFile, ...]
    figures: tuple[Figure, ...]


@cache
def cards() -> tuple[Card, ...]:
    """Every card, by name."""
    folder = resources.files("refnet.zoo") / "cards"
    texts = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(_card(tomllib.loads(text)) for _, text in texts)


def find_card(name: str) -> Card:
    """The card of that name or alias; refuses an unknown name, listing those there are."""
    for card in cards():
        if name == card.name or name in card.aliases:
            return card
    raise UsageError(f"no model is called {name!r}; known are {', '.join(card.name for card in cards())}")


def card_of(sha256: str) -> Card | None:
    """The card of a published file, by the file's digest."""
    return next((card for card in cards() if any(file.sha256 == sha256 for file in card.files)), None)


def _card(table: dict[str, object]) -> Card:
    """A card from its TOML; a field too many or too few is an error here, not later."""
    fields: dict[str, object] = dict(table)
    fields["aliases"] = tuple(fields.get("aliases", ()))  # type: ignore[arg-type]
    fields["files"] = tuple(ModelFile(**entry) for entry in fields.get("files", ()))  # type: ignore[attr-defined]
    fields["synthetic"] = tuple(SyntheticFile(**entry) for entry in fields.get("synthetic", ()))  # type: ignore[attr-defined]
    fields["figures"] = tuple(Figure(**entry) for entry in fields.get("figures", ()))  # type: ignore[attr-defined]
    return Card(**fields)  # type: ignore[arg-type]
