"""From a model's name to a file: cards, the cache, the downloader, and seeded synthetic models."""

from refnet.zoo.cache import (
    DEFAULT_MODEL,
    cached_file,
    model_folder,
    present_files,
    refuse_unsupported,
    resolve,
    synthetic_path,
)
from refnet.zoo.cards import Card, Figure, ModelFile, card_of, cards, find_card
from refnet.zoo.select import read_list, select

__all__ = [
    "DEFAULT_MODEL",
    "Card",
    "Figure",
    "ModelFile",
    "cached_file",
    "card_of",
    "cards",
    "find_card",
    "model_folder",
    "present_files",
    "read_list",
    "refuse_unsupported",
    "resolve",
    "select",
    "synthetic_path",
]
