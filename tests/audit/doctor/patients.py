"""Models on the table: a small one of the real form, whole or with a fault planted, and how to ask one check."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import onnx

from refnet.audit.doctor.checks import all_checks
from refnet.audit.doctor.finding import Result, result
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph
from refnet.network import Network
from refnet.zoo.samples import sample_crops
from refnet.zoo.synthetic import synthetic_model


@cache
def small() -> Graph:
    """The real graph with one unit a stage at a sixteenth of its width."""
    return synthetic_model(0, width=Fraction(1, 16), units=(1, 1, 1, 1))


def ask(check: str, subject: object) -> Result:
    """What one check says."""
    return result(next(it for it in all_checks() if it.id == check), subject)


def found(check: str, subject: object) -> tuple[str, str, str]:
    """Severity, sentence and evidence of the one finding of a check; fails if there is another number of them."""
    said = ask(check, subject)
    assert len(said.findings) == 1, said
    (finding,) = said.findings
    assert finding.remedy
    evidence = "; ".join(f"{it.where}: {it.found}, expected {it.expected}" for it in finding.evidence)
    return finding.severity, finding.sentence, evidence


def written(graph: Graph, path: Path, like: str = "mxnet", spatial: int = 1) -> Patient:
    """A graph as a patient."""
    write_model(graph, path, like=like, spatial=spatial)  # type: ignore[arg-type]
    return Patient(path)


def rewritten(graph: Graph, path: Path, edit: Callable[[onnx.ModelProto], object]) -> Patient:
    """A graph as a patient whose file was edited by the onnx package, past everything refnet checks."""
    write_model(graph, path, like="mxnet")
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)
    return Patient(path)


def initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    """A weight of a file."""
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def with_constants(graph: Graph, **changes: Callable[[Array], None]) -> Graph:
    """The graph with copies of constants, each changed in place by its function."""
    constants = dict(graph.constants)
    for name, change in changes.items():
        constants[name] = np.array(constants[name])
        change(constants[name])
    return replace(graph, constants=constants)


def running(graph: Graph, images: Array | None = None, origin: str = "samples", **options: object) -> Running:
    """A graph and what it is fed; the sample portraits, if nothing else is."""
    network = Network(graph, engine="fast")
    return Running(network, sample_crops() if images is None else images, (), origin, **options)  # type: ignore[arg-type]
