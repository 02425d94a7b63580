"""`refnet diff`: where two models differ."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from refnet import zoo
from refnet.audit.diff.behaviour import Behaviour, LayerDivergence
from refnet.audit.diff.model_diff import ModelDiff, diff_models
from refnet.audit.diff.weights import WeightDifference
from refnet.bulk.prepared import crop_size
from refnet.cli.console import print_data, print_json, printable, progress
from refnet.cli.options import JsonFlag, open_model
from refnet.errors import UsageError
from refnet.faces.image import read_crop
from refnet.graph import Array
from refnet.network import Network
from refnet.zoo.samples import sample_crops

LISTED = 10
NEAR_ULP = 1 << 16  # beyond, two numbers have little in common and the count of those between says nothing


def diff(
    a: str,
    b: str,
    /,
    *,
    image: Annotated[list[Path], Parameter(negative="", consume_multiple=True)] = [],  # noqa: B006  (cyclopts reads the default)
    run: Annotated[bool, Parameter(negative="--no-run")] = True,
    json: JsonFlag = False,
) -> int:
    """Compare two models: structure, weights, behaviour; exit status 1 where they differ.

    Parameters
    ----------
    a, b
        Model files or cards' names.
    image
        Aligned face crops to compare behaviour on. Default: the sample portraits, if anything else differs.
    run
        Compare behaviour too.
    json
        Print JSON on stdout.
    """
    if image and not run:
        raise UsageError("--image is for comparing behaviour; give it without --no-run")
    one, two = (open_model(str(zoo.resolve(name))) for name in (a, b))
    pixels = _pixels(one, two, image) if run else None
    with progress("comparing", None) as advance:
        found = diff_models(one, two, pixels, always=bool(image), progress=advance)
    if json:
        print_json(found.to_json())
    else:
        for line in report(found):
            print_data(printable(line))
    return 0 if found.same else 1


def _pixels(a: Network, b: Network, image: list[Path]) -> Array:
    """The crops both take; the samples in the size of a where there are none."""
    height, width = crop_size(a)
    if image and crop_size(b) != (height, width):
        raise UsageError(f"a takes crops of {width} x {height} pixels, b of {crop_size(b)[1]} x {crop_size(b)[0]}")
    return np.stack([read_crop(path, height, width) for path in image]) if image else sample_crops(height, width)


def report(found: ModelDiff) -> Iterator[str]:
    """What differs, the most important of it."""
    for label, side in (("a", found.a), ("b", found.b)):
        yield f"{label}          {side.path}"
        yield f"           sha256 {side.sha256}; {side.form}"
    for note in found.notes:
        yield f"note       {note}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(it.kind for it in found.structure).most_common())
    yield f"structure  {found.paired} nodes paired; {kinds or 'no differences'}"
    for it in found.structure[:LISTED]:
        sides = " | ".join(filter(None, (it.a, it.b)))
        yield f"           {it.kind}: {it.where}: {sides}"
    yield from _more(len(found.structure))
    weights = found.weights
    yield (
        f"weights    {weights.tensors} tensors, {weights.numbers} numbers compared; "
        f"{len(weights.differences) or 'no'} tensors differ"
    )
    for weight in weights.differences[:LISTED]:
        yield from _weight(weight)
    yield from _more(len(weights.differences))
    if found.behaviour is None:
        yield f"behaviour  not compared: {found.why_not}"
    else:
        yield from _behaviour(found.behaviour)
    yield f"verdict    {found.verdict}"


def _more(count: int) -> Iterator[str]:
    if count > LISTED:
        yield f"           and {count - LISTED} more (--json lists all)"


def _weight(it: WeightDifference) -> Iterator[str]:
    """One tensor, in two lines."""
    name = it.a if it.a == it.b else f"{it.a} / {it.b}"
    yield f"           {name} {it.shape}, read by {it.where}: {it.count} of {it.total} numbers differ"
    ulp = f", up to {it.max_ulp} ULP" if 0 < it.max_ulp <= NEAR_ULP else ""
    yield (
        f"             first at {it.first}: {it.a_first:.9g} | {it.b_first:.9g}; max abs {it.max_abs:.3g}, "
        f"relative L2 {it.relative_l2:.3g}{ulp}"
    )


def _behaviour(it: Behaviour) -> Iterator[str]:
    """Where tensors part, and what becomes of embeddings."""
    first, resolved = it.first, it.first_resolved
    images = f"{it.images} image{'' if it.images == 1 else 's'}"
    if not it.layers:
        yield "behaviour  no layer has a counterpart"
    elif first is None:
        yield f"behaviour  {images}, {len(it.layers)} layers: every number the same"
    else:
        yield f"behaviour  {images}, {len(it.layers)} layers in float64; first difference in {_layer(first)}"
        if resolved is None:
            yield "           nowhere more than roundings of float32 (relative L2 1e-6)"
        elif resolved is not first:
            yield f"           first above 1e-6 in {_layer(resolved)}"
        known = [layer for layer in it.layers if layer.relative_l2 is not None]
        if known:
            yield f"           largest in {_layer(max(known, key=lambda layer: layer.relative_l2 or 0.0))}"
    if it.one_minus_cosine is None:
        yield "           embeddings cannot be compared: another length, or not finite"
        return
    yield f"           embeddings of the same image: 1 - cosine up to {max(it.one_minus_cosine):.3g}" + (
        ""
        if it.largest_change_of_similarity is None
        else f"; similarities of two images change by up to {it.largest_change_of_similarity:.3g}"
    )


def _layer(it: LayerDivergence) -> str:
    return f"{it.where} ({it.op}): " + (
        "other shapes" if it.relative_l2 is None else f"relative L2 {it.relative_l2:.3g}"
    )
