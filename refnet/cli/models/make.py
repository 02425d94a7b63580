"""`refnet models make`: a model to work with where the real weights are not at hand."""

import time
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from refnet import resnet100, watermark, zoo
from refnet.cli.console import complain, out, print_json, say
from refnet.cli.options import JsonFlag
from refnet.errors import UsageError
from refnet.files import sha256
from refnet.zoo.make import make_model


def make(
    name: str,
    /,
    *,
    seed: int = 0,
    spatial: Literal[0, 1] = 1,
    width: str = "1",
    units: str = "3,13,30,3",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: JsonFlag = False,
) -> int:
    """Write a model of the real graph with seeded synthetic weights; they hold no identity.

    Parameters
    ----------
    name
        arcfaceresnet100-8, the one graph that can be made.
    seed
        The same seed gives the same file on every machine.
    spatial
        The `spatial` attribute of every BatchNormalization: 0 as in the 2020 file, 1 as in the 2022 file.
    width
        Channels as a share of the real ones: 1, 1/2, 1/4, 1/8, 1/16.
    units
        Units of the four stages.
    output
        File to write. Default: the model's place in the cache (full size only).
    json
        Print JSON on stdout.
    """
    card = zoo.find_card(name)
    if not card.synthetic:
        raise UsageError(f"{card.name} cannot be made; only a model whose card has a [[synthetic]] entry can")
    share, counts = _fraction(width), _integers(units)
    full = share == 1 and counts == resnet100.UNITS
    if output is None and not full:
        raise UsageError("a model of another size than the real one has no place in the cache; give --output FILE")
    target = output or zoo.synthetic_path(card, seed, spatial)
    start = time.perf_counter()
    say(f"making {card.name}, seed {seed}, spatial {spatial}" + ("" if full else f", width {share}, units {units}"))
    make_model(target, seed=seed, spatial=spatial, width=share, units=counts)
    seconds = time.perf_counter() - start
    digest, size = sha256(target), target.stat().st_size
    expected = (
        {(entry.seed, entry.spatial): entry.sha256 for entry in card.synthetic}.get((seed, spatial)) if full else None
    )
    say(f"{watermark.SENTENCE}; {size:,} bytes in {seconds:.1f} s, sha256 {digest}")
    if json:
        print_json({"schema_version": 1, "path": str(target), "note": watermark.SENTENCE, "size_bytes": size, "sha256": digest, "card_sha256": expected, "seconds": seconds})  # fmt: skip
    else:
        out.print(str(target))
    if expected not in (None, digest):
        complain(
            f"the card of {card.name} says sha256 {expected}: this machine computes other numbers than refnet's makers'"
        )
        return 1
    return 0


def _fraction(text: str) -> Fraction:
    """A share such as 1/16, from the command line."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--width is {text!r}; expected a share such as 1/16") from None


def _integers(text: str) -> tuple[int, ...]:
    """Numbers separated by commas, from the command line."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--units is {text!r}; expected four numbers such as 3,13,30,3") from None
