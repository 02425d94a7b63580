"""Documents to test on: of a small model of the real form, alone and with pairs, and what a validator says of them."""

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from refnet.audit.compare import Other
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.report.document import Asked, Audit, audit
from refnet.audit.report.evaluated import evaluated
from refnet.audit.report.fed import Fed, fed_pairs, fed_samples
from refnet.audit.report.made import Circumstances
from refnet.audit.report.schema import schema
from refnet.evaluation.pairs import PairSet
from refnet.graph import Array
from refnet.network import Network, load

HERE = Circumstances(["refnet", "audit"], {"processor": "one"}, {"numpy": "2.2", "openvino": None})


def audited(path: Path, *, other: bool = True, fed: Fed | None = None, images: int = 2) -> Audit:
    """The audit of a model alone."""
    network = load(path)
    beside: Other | None = OnnxRuntime(path) if other else None
    asked = Asked(network, fed or fed_samples(network), images, beside, None, explain=1)
    return audit(asked, HERE)


def audited_on_pairs(network: Network, pairs: PairSet, explain: int = 0) -> Audit:
    """The audit of a model on pairs, with no other runtime."""
    found = evaluated(network, pairs, resamples=5)
    return audit(Asked(network, fed_pairs(network, pairs), 1, None, found, explain), HERE)


def noise_pairs(count: int = 20, groups: tuple[str, ...] | None = None) -> PairSet:
    """Pairs of noise; of every second pair the two images share most of it."""
    rng = np.random.default_rng(0)
    images: list[Array] = []
    for number in range(count):
        first = rng.integers(0, 256, (3, 112, 112))
        second = first + rng.integers(-30, 30, first.shape) if number % 2 else rng.integers(0, 256, first.shape)
        images += [first.astype(np.uint8), second.clip(0, 255).astype(np.uint8)]
    names = tuple(f"image {n}" for n in range(2 * count))
    first_of = np.arange(count) * 2
    same = np.arange(count) % 2 == 1
    return PairSet("noise.bin", names, lambda n, _, __: images[n], first_of, first_of + 1, same, groups)


def complaints(document: dict[str, Any]) -> list[str]:
    """Where a document departs from the schema."""
    validator = jsonschema.Draft202012Validator(schema())
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]
