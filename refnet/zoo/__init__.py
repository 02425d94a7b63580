"""From a model's name to a file: cards, the cache, and seeded synthetic models."""

from refnet.zoo.cache import DEFAULT_MODEL, cached_file, resolve, synthetic_path
from refnet.zoo.cards import Card, card_of, cards, find_card

__all__ = ["DEFAULT_MODEL", "Card", "cached_file", "card_of", "cards", "find_card", "resolve", "synthetic_path"]
