"""A card of a small file, for tests that download."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from refnet.zoo.cards import Card, ModelFile, Port

NAME = "small.onnx"
CONTENT = b"\x08\x03" + np.random.default_rng(11).bytes(300_000)


def model_file(content: bytes = CONTENT, *, sha256: str | None = None, **fields: object) -> ModelFile:
    digest = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    return ModelFile(**{"name": NAME, "note": "the only one", "size_bytes": len(content), "sha256": digest, **fields})  # type: ignore[arg-type]


def card(*files: ModelFile, **fields: object) -> Card:
    told = {
        "name": "small", "aliases": ("little",), "title": "A small model", "home": "https://example.org/small",
        "licence": "none", "training": "nothing", "input": Port(), "output": Port(), "files": files or (model_file(),),
    }  # fmt: skip
    return Card(**{**told, **fields})  # type: ignore[arg-type]


@contextmanager
def known(*cards: Card) -> Iterator[None]:
    """Let refnet know these cards and no others: it reads them as it reads its own."""
    module = sys.modules["refnet.zoo.cards"]
    with patch.object(module, "_texts", lambda: [_toml(card) for card in cards]):
        module.cards.cache_clear()
        try:
            yield
        finally:
            module.cards.cache_clear()


def parts(folder: Path) -> list[Path]:
    """What has come so far."""
    return sorted(folder.glob(".*.part"))


def _toml(card: Card) -> str:
    """The card's file; a JSON string or list of strings is TOML as well."""
    plain = card.to_json()
    keys = ("name", "aliases", "title", "home", "licence", "training", "refused", "omz_name")
    lines = [f"{key} = {json.dumps(plain[key])}" for key in keys if plain[key] is not None]
    lines += ["[input]", "[output]"]
    for file in plain["files"]:
        lines += ["[[files]]", *(f"{key} = {json.dumps(value)}" for key, value in file.items() if value is not None)]
    return "\n".join(lines)
