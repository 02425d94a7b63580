"""A calibrated threshold in a file: which similarity gives which rate of false accepts, for which model and pipeline.

The file is JSON, one object::

    {"schema_version": 1, "kind": "calibration", "metric": "cosine", "threshold": 0.41,
     "far": 0.001, "pairs": 3000, "model_sha256": "...", "pipeline": "aligned crops"}

`far` is the share of impostor pairs that the threshold lets through, as a fraction; `pairs` the number of impostor
pairs it was counted on, of which at least one must have been let through (a rate below 1/pairs was not seen).
Further members are allowed: an evaluator may say more. A threshold holds for the model and the pipeline it was found
with, and for no other; both are checked against the embeddings it is applied to.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from refnet.errors import InputError, UsageError
from refnet.faces.thresholds import CONVENTIONS, METRICS, Metric, Threshold
from refnet.files import check_place, replacing
from refnet.opening import read_bytes, reading
from refnet.provenance import Provenance

SCHEMA_VERSION = 1
KIND = "calibration"
LIMIT_BYTES = 1 << 20  # a calibration is a few hundred bytes; a larger file is something else


@dataclass(frozen=True)
class Calibration:
    """A threshold with the false accept rate it was found to have."""

    metric: Metric
    threshold: float
    far: float
    pairs: int
    model_sha256: str
    pipeline: str

    def threshold_for(self, provenance: Provenance, origin: str) -> Threshold:
        """The threshold, for embeddings of that provenance.

        Parameters
        ----------
        provenance : where the embeddings to be compared came from
        origin : the file's name, for messages

        Raises
        ------
        InputError
            If the threshold was found with another model or pipeline.
        """
        if self.model_sha256 != provenance.model_sha256:
            raise InputError(
                f"{origin} calibrates the model with sha256 {self.model_sha256}; the embeddings come from "
                f"{provenance.model} with sha256 {provenance.model_sha256 or 'unknown'}. A threshold holds for one model only."
            )
        if self.pipeline != provenance.pipeline:
            raise InputError(
                f"{origin} calibrates the pipeline {self.pipeline!r}; the embeddings come from "
                f"{provenance.pipeline!r}. A threshold holds for one pipeline only."
            )
        return Threshold(
            self.threshold, self.metric, f"{origin}: far {self.far:g} on {self.pairs:,} impostor pairs"
        )  # fmt: skip


def read_calibration(path: Path) -> Calibration:
    """Read and check a calibration file.

    Raises
    ------
    InputError
        If the file is missing, is no calibration, is of another version, lacks a member or holds one that cannot be
        meant; the message names it.
    """
    with reading(path, InputError, "not a calibration; expected one JSON object"):
        found = json.loads(read_bytes(path, LIMIT_BYTES))
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise InputError(f'{path}: not a calibration; expected a JSON object with "kind": "{KIND}"')
    if found.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {found.get('schema_version')!r}; this refnet reads {SCHEMA_VERSION}"
        )
    metric = found.get("metric")
    if metric not in METRICS:
        raise InputError(f"{path}: metric is {metric!r}; expected one of {', '.join(METRICS)}")
    known = CONVENTIONS[cast(Metric, metric)]
    far = _number(path, found, "far", 0, 1)
    pairs = found.get("pairs")
    if not isinstance(pairs, int) or isinstance(pairs, bool) or pairs < 1:
        raise InputError(f"{path}: pairs is {pairs!r}; expected the number of impostor pairs")
    if far * pairs < 1 - 1e-9:
        raise InputError(
            f"{path}: far is {far:g} on {pairs} impostor pairs; a rate below 1/{pairs} cannot have been seen. "
            "Calibrate at a larger rate or on more pairs."
        )
    return Calibration(
        cast(Metric, metric),
        _number(path, found, "threshold", known.low, known.high),
        far,
        pairs,
        _text(path, found, "model_sha256"),
        _text(path, found, "pipeline"),
    )


def check_calibration(path: Path) -> None:
    """Refuse a path that `write_calibration` cannot write to, before any work is done for it."""
    if path.suffix.lower() != ".json":
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected .json")
    check_place(path)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration file; it is whole or not there."""
    check_calibration(path)
    text = json.dumps({"schema_version": SCHEMA_VERSION, "kind": KIND, **asdict(calibration)}, indent=2)
    with replacing(path) as file:
        file.write(f"{text}\n".encode())


def _number(path: Path, found: dict[str, Any], name: str, low: float, high: float) -> float:
    """A member that is a number in a range."""
    value = found.get(name)
    if (
        isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high  # which NaN is not
    ):
        raise InputError(f"{path}: {name} is {value!r}; expected a number, {low:g} to {high:g}")
    return float(value)


def _text(path: Path, found: dict[str, Any], name: str) -> str:
    """A member that is text and not empty."""
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: {name} is {value!r}; expected text")
    return value
