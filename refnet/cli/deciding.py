"""The threshold options of commands that decide, and the threshold they mean."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet.errors import UsageError
from refnet.faces.calibration import read_calibration
from refnet.faces.thresholds import Metric, Threshold
from refnet.provenance import Provenance

ThresholdOption = Annotated[
    float | None, Parameter(help="From where on two faces match, in the convention of --metric. Default: nothing is decided.")
]  # fmt: skip
MetricOption = Annotated[
    Metric | None, Parameter(help="The convention of --threshold: a similarity (cosine, the default) or a distance.")
]
CalibrationOption = Annotated[
    Path | None, Parameter(help="Threshold from a calibration file, which must be of the same model and pipeline.")
]


def given_threshold(value: float | None, metric: Metric | None, calibration: Path | None) -> Threshold | None:
    """The threshold of the options, before any work is done for it; None if there is none, or a calibration's.

    Raises
    ------
    UsageError
        If the options contradict each other or the value lies outside its convention.
    """
    if calibration is not None and (value is not None or metric is not None):
        raise UsageError(
            "--calibration gives the threshold and its convention; give it without --threshold and --metric"
        )
    if value is None:
        if metric is not None:
            raise UsageError("--metric says how --threshold is meant; give --threshold too")
        return None
    return Threshold(value, metric or "cosine", "given by the user")


def threshold_for(given: Threshold | None, calibration: Path | None, provenance: Provenance) -> Threshold | None:
    """The threshold to decide by, for embeddings of a provenance; None if there is none."""
    if calibration is None:
        return given
    return read_calibration(calibration).threshold_for(provenance, str(calibration))
