"""The whole audit of a model in one document: plain values, described by report.schema.json.

Asked in turn: what the file is; every tensor beside float64 and beside another runtime, of a few images; every weight;
the doctor; and, where pairs are given, how well the model tells persons apart and what in a face decides it. What could
not be asked, and why, is a sentence in `notes`; what no report of this kind can say is in `limits`.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refnet.audit.compare import Other
from refnet.audit.doctor.checks import all_checks
from refnet.audit.doctor.diagnosis import examine
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.audit.inspect import inspect_network
from refnet.audit.report.agreement import Measured, agreement, measure, portions, tensor_rows
from refnet.audit.report.evaluated import Evaluated
from refnet.audit.report.explained import chosen_faces, chosen_pairs, explained_rows
from refnet.audit.report.fed import Fed
from refnet.audit.report.figures import edges
from refnet.audit.report.layers import layer_rows
from refnet.audit.report.limits import limits
from refnet.audit.report.made import Circumstances, Stopwatch, made_section
from refnet.audit.report.model import model_section
from refnet.audit.report.weights import weight_rows
from refnet.errors import ModelError, UsageError
from refnet.graph import Array
from refnet.network import Network

SCHEMA_VERSION = 1

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[], object]]]


@dataclass(frozen=True)
class Audit:
    """A document, and whether something is wrong with what it tells of."""

    document: dict[str, Any]

    @property
    def clean(self) -> bool:
        """Whether the doctor found no problem and no tensor departs."""
        return bool(self.document["findings"]["healthy"] and self.document["agreement"]["agrees"])


@dataclass(frozen=True)
class Asked:
    """What a report is to tell of.

    Attributes
    ----------
    network : Network
        Of the fast engine.
    fed : Fed
        What the network is run on.
    float64_images : how many of these are computed in float64, tensor by tensor.
    other : another runtime; None if there is none.
    evaluated : what was found on pairs; None without pairs.
    explain : how many pairs are explained, at most.
    notes : sentences about what is not done.
    """

    network: Network
    fed: Fed
    float64_images: int
    other: Other | None
    evaluated: Evaluated | None
    explain: int
    threads: int | None = None
    notes: Sequence[str] = ()


def _silent(_: str, __: int | None) -> AbstractContextManager[Callable[[], object]]:
    """No progress is shown."""
    return nullcontext(lambda: None)


def audit(
    asked: Asked, circumstances: Circumstances, watch: Stopwatch | None = None, progress: Progress = _silent
) -> Audit:
    """Make the document.

    Parameters
    ----------
    asked : Asked
    circumstances : Circumstances
    watch : Stopwatch, optional
        That has timed what was done before; its parts are told in `made`.
    progress : (what is done, how many steps or None) -> context of a function that counts one, optional

    Returns
    -------
    Audit
        Its document as report.schema.json describes it, but for `plain_text`.

    Raises
    ------
    UsageError
        If the network was not read from a file.
    ShapeError
        If the model computes a fixed number of images at a time, and fewer are fed.
    """
    watch = watch or Stopwatch()
    network, fed = asked.network, asked.fed
    patient = Patient(_path(network))
    with watch.part("reading the graph"):
        inspection = inspect_network(network)
        model = model_section(network, inspection)
        layers = layer_rows(network, inspection)
    count = network.fixed_batch or min(asked.float64_images, len(fed.crops))
    images = network.contract.prepare(fed.crops[:count])
    total = len(network.graph.nodes) * portions(network, asked.other, count)
    with watch.part("tensors beside float64"), progress("comparing with float64", total) as step:
        measured, silent = _measured(asked, images, step)
    with watch.part("weights"), progress("looking through the weights", len(patient.figures)) as step:
        weights = weight_rows(network.graph, patient.figures, step)
    with watch.part("doctor"), progress("asking the doctor", len(all_checks())) as step:
        running = Running(network, fed.crops, fed.names, fed.origin)
        diagnosis = examine(patient, running, progress=step)
    with watch.part("explaining"), progress("explaining pairs", None) as step:
        explained = list(_explained(asked, step))
    tensors = tensor_rows(measured, [layer["shape"] for layer in layers])
    document = {
        "schema_version": SCHEMA_VERSION,
        "made": made_section(circumstances, watch),
        "model": model,
        "notes": [*fed.notes, *asked.notes, *silent, *_notes(asked, measured, count)],
        "limits": limits(model, count, measured.other, evaluated=asked.evaluated is not None),
        "histogram_edges": edges(),
        "layers": layers,
        "tensors": tensors,
        "weights": weights,
        "agreement": agreement(measured, fed.names[:count]),
        "findings": diagnosis.to_json(),
        "evaluation": None if asked.evaluated is None else asked.evaluated.section(),
        "explained": explained,
    }
    return Audit(written(document))


def _measured(asked: Asked, images: Array, step: Callable[[], object]) -> tuple[Measured, list[str]]:
    """Beside the other runtime; without it, and why, where it cannot run the file."""
    try:
        return measure(asked.network, images, asked.other, step), []
    except ModelError as error:
        if asked.other is None:
            raise
        return measure(asked.network, images, None, step), [f"Not compared with {asked.other.name}: {error}"]


def _explained(asked: Asked, step: Callable[[], object]) -> list[dict[str, Any]]:
    """Explain a few pairs."""
    if not asked.explain or _why_unexplained(asked):
        return []
    point = None
    if asked.evaluated is not None:
        chosen = chosen_pairs(asked.network, asked.evaluated, asked.explain)
        point = asked.evaluated.threshold
    else:
        chosen = chosen_faces(asked.network, asked.fed.crops, asked.fed.names, asked.explain)
    threshold = None if point is None else point.threshold
    return list(explained_rows(asked.network, chosen, threshold, asked.threads, step))


def _why_unexplained(asked: Asked) -> str:
    """Why no pair can be explained; empty if one can."""
    outputs = len(asked.network.graph.outputs)
    if outputs != 1:
        return f"the model has {outputs} outputs, and similarity is that of one."
    if (batch := asked.network.fixed_batch) is not None:
        return f"the model computes {batch} image{'s' * (batch != 1)} at a time, and explaining takes many."
    if asked.evaluated is None and asked.fed.origin == "samples":
        return "the sample portraits are drawings. Give --pairs, or --images with two faces."
    if asked.evaluated is None and len(asked.fed.crops) < 2:
        return "there is only one face. Give --images with two, or --pairs."
    return ""


def _path(network: Network) -> Path:
    """The model's file; only what was read from one can be audited."""
    path = network.graph.source.path
    if path is None:
        raise UsageError("the network was not read from a file; load it with refnet.load(FILE)")
    return path


def _notes(asked: Asked, measured: Measured, count: int) -> list[str]:
    """What was done on less than everything, or not at all."""
    said = []
    if count < len(asked.fed.crops):
        said.append(
            f"Every tensor was computed in float64 for the first {count} of {len(asked.fed.crops)} images (--float64-images)."
        )
    if measured.other is None:
        said.append("No other runtime was asked: tensors stand beside refnet's own float64 alone.")
    if asked.evaluated is None:
        said.append("No pairs were given, so accuracy was not measured. Give labelled pairs with --pairs.")
    if asked.explain and (why := _why_unexplained(asked)):
        said.append(f"No pair was explained: {why}")
    return said


def written(value: Any) -> Any:
    """The same as any reader of JSON and any UTF-8 file can hold it: no NaN, no tuples, no halves of characters.

    Names of files may be bytes that are no text; Python holds them as lone surrogates, which are written as escapes.
    """
    if isinstance(value, dict):
        return {written(key): written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if isinstance(value, float) and not math.isfinite(value) else value
