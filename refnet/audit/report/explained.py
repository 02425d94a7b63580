"""A few pairs and what their similarity rests on: the hardest of each kind, and one that is typical of it.

Hardest is the genuine pair with the lowest similarity and the impostor pair with the highest: those a threshold fails on
first. Typical is the pair whose similarity is the median of its kind. Similarities are of single images.
"""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from PIL import Image

from refnet.audit.explain.explanation import Explanation, as_json, explain
from refnet.audit.report.evaluated import Evaluated
from refnet.evaluation.pairs import PairSet
from refnet.graph import Array
from refnet.network import Network

Kind = Literal["genuine", "impostor", "unknown"]
Choice = Literal["hardest", "typical", "most alike", "least alike"]
STRIDE_PX = 8  # of the occlusion square: a quarter of what `refnet explain` computes by default
POINTS = 33  # gradients of integrated gradients at most: `refnet explain` takes up to 255
DIGITS = 4


@dataclass(frozen=True)
class Chosen:
    """Two images and why they are shown."""

    a: str
    b: str
    kind: Kind
    choice: Choice
    first: Array
    second: Array


def chosen_pairs(network: Network, evaluated: Evaluated, most: int) -> list[Chosen]:
    """The pairs to explain, `most` at most: the hardest of either kind before typical ones."""
    pairs, similarities = evaluated.pairs, evaluated.plain.similarities
    found: list[tuple[int, Kind, Choice]] = []
    choices: tuple[Choice, ...] = ("hardest", "typical")
    kinds: tuple[Kind, ...] = ("genuine", "impostor")
    for choice, kind in product(choices, kinds):
        of_kind = np.flatnonzero(pairs.same if kind == "genuine" else ~pairs.same)
        rising = of_kind[np.argsort(similarities[of_kind], kind="stable")]
        hardest = rising[0] if kind == "genuine" else rising[-1]
        number = int(hardest if choice == "hardest" else rising[(len(rising) - 1) // 2])
        if number not in [taken for taken, _, _ in found]:
            found.append((number, kind, choice))
    return [_labelled(network, pairs, number, kind, choice) for number, kind, choice in found[:most]]


def _labelled(network: Network, pairs: PairSet, number: int, kind: Kind, choice: Choice) -> Chosen:
    """One pair of the set."""
    a, b = int(pairs.first[number]), int(pairs.second[number])
    first, second = (pairs.crop(image, *network.contract.crop_size) for image in (a, b))
    return Chosen(pairs.images[a], pairs.images[b], kind, choice, first, second)


def chosen_faces(network: Network, crops: Array, names: tuple[str, ...], most: int) -> list[Chosen]:
    """Of faces that no one has labelled: the two most alike, and the two least alike."""
    embeddings = np.asarray(network.embeddings(network.contract.prepare(crops)), np.float64)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(crops), 1)
    rising = np.argsort((unit[first] * unit[second]).sum(axis=1), kind="stable")
    ends: list[tuple[int, Choice]] = [(int(rising[-1]), "most alike"), (int(rising[0]), "least alike")]
    return [
        Chosen(names[first[n]], names[second[n]], "unknown", choice, crops[first[n]], crops[second[n]])
        for n, choice in ends[: min(most, len(rising))]
    ]


def explained_rows(
    network: Network,
    chosen: list[Chosen],
    threshold: float | None,
    threads: int | None,
    progress: Callable[[], object] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """Explain the pairs one after the other, as report.schema.json has `explained`."""
    for pair in chosen:
        explanation = explain(
            network, pair.first, pair.second, ("occlusion", "integrated", "units", "robustness"),
            stride_px=STRIDE_PX, most_points=POINTS, threads=threads, on_step=progress,
        )  # fmt: skip
        numbers = as_json(explanation, threshold)
        del numbers["schema_version"]
        yield {
            "a": pair.a,
            "b": pair.b,
            "kind": pair.kind,
            "choice": pair.choice,
            **numbers,
            "images": {"a": _png(pair.first), "b": _png(pair.second)},
            "maps": _maps(explanation),
        }


def _maps(explanation: Explanation) -> dict[str, Any]:
    """The maps over the first image, with few digits."""
    covered, integrated = explanation.occlusion, explanation.integrated
    assert covered is not None
    assert integrated is not None
    return {
        "occlusion": {
            "square_px": covered.square_px,
            "tops_px": [int(top) for top in covered.tops],
            "lefts_px": [int(left) for left in covered.lefts],
            "changes": rounded(covered.changes),
        },
        "integrated": rounded(integrated.contributions.sum(axis=0)),
    }


def rounded(array: Array) -> list[list[float]]:
    """A matrix of numbers of four significant digits."""
    return [[float(f"{value:.{DIGITS}g}") for value in row] for row in array]


def _png(pixels: Array) -> str:
    """A crop as PNG, in base64."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
