"""`refnet doctor`: which of the mistakes people make has been made here."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet import zoo
from refnet.audit.doctor.alignment import found_landmarks
from refnet.audit.doctor.checks import all_checks
from refnet.audit.doctor.diagnosis import Diagnosis, examine
from refnet.audit.doctor.embedding_checks import Files
from refnet.audit.doctor.embedding_rows import read_rows
from refnet.audit.doctor.fed import read_fed, read_landmarks
from refnet.audit.doctor.finding import Finding, Result
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.audit.doctor.threshold_check import Said
from refnet.cli.console import print_data, print_json, printable, progress
from refnet.cli.deciding import MetricOption
from refnet.cli.options import JsonFlag, announce_compiling
from refnet.errors import UsageError
from refnet.faces.detect import load_detector
from refnet.following import SIDE


def doctor(
    model: str | None = None,
    /,
    *,
    image: Annotated[list[Path], Parameter(negative="", consume_multiple=True)] = [],  # noqa: B006  (cyclopts reads the default)
    landmarks: Path | None = None,
    detector: str | None = None,
    embeddings: Annotated[list[Path], Parameter(negative="", consume_multiple=True)] = [],  # noqa: B006
    threshold: float | None = None,
    metric: MetricOption = None,
    run: Annotated[bool, Parameter(negative="--no-run")] = True,
    json: JsonFlag = False,
) -> int:
    """Look for the mistakes people make with these models; exit status 1 where a problem is found.

    Parameters
    ----------
    model
        Model file or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8; none, if only
        embeddings or a threshold are to be looked at.
    image
        Aligned face crops, or one array in FILE.npy as your program feeds the network. Default: the sample portraits.
    landmarks
        FILE.json or FILE.npy: five points for each image, in the crop's pixels.
    detector
        Find the landmarks: a detector's file, or its card's name, such as face_detection_yunet_2023mar.
    embeddings
        Files of embeddings: .npz, .csv, .jsonl, .npy.
    threshold
        A threshold that is in use; its unit is that of --metric.
    run
        Run the network too.
    json
        Print JSON on stdout.
    """
    if metric is not None and threshold is None:
        raise UsageError("--metric says how --threshold is meant; give --threshold too")
    if (landmarks is not None or detector is not None) and not image:
        raise UsageError("landmarks are of images; give --image too")
    if landmarks is not None and detector is not None:
        raise UsageError("--landmarks says where they are; give it without --detector")
    if not run and image:
        raise UsageError("--image is for running the network; give it without --no-run")
    alone = model is None and not image and (embeddings or threshold is not None)
    patient = None if alone else Patient(zoo.resolve(model))
    rows = [read_rows(path) for path in embeddings]
    running, why_not = _running(patient, image, landmarks, detector) if run else (None, "--no-run")
    with progress("examining", len(all_checks())) as advance:
        diagnosis = examine(
            patient,
            running,
            Files(rows, _dimension(patient), _sha256(patient)) if rows else None,
            None if threshold is None else Said(threshold, metric or "cosine"),
            not_run=why_not,
            progress=advance,
        )
    if json:
        print_json(diagnosis.to_json())
    else:
        for line in report(diagnosis):
            print_data(printable(line))
    return 0 if diagnosis.healthy else 1


def _running(
    patient: Patient | None, image: list[Path], landmarks: Path | None, detector: str | None
) -> tuple[Running | None, str]:
    """What is to be run, or why nothing can be."""
    if patient is None:
        return None, "no model was given"
    if patient.network is None:
        return None, "refnet cannot read the model"
    announce_compiling()
    _, height, width = patient.network.contract.shape
    images, names, origin = read_fed(image, height or SIDE, width or SIDE)
    count = 1 if images.ndim == 3 else len(images)
    points = None if landmarks is None else read_landmarks(landmarks, names, count)
    if detector is not None:
        if origin != "pictures":
            raise UsageError("--detector looks at pictures; give landmarks of an array with --landmarks")
        points = found_landmarks(images, load_detector(detector))
    return Running(patient.network, images, names, origin, points), ""


def _dimension(patient: Patient | None) -> int | None:
    """How many numbers the model's embeddings have, where it says so."""
    if patient is None or patient.graph is None or len(patient.graph.outputs) != 1:
        return None
    return patient.graph.outputs[0].shape[-1]


def _sha256(patient: Patient | None) -> str:
    return patient.sha256 if patient else ""


def report(diagnosis: Diagnosis) -> Iterator[str]:
    """The findings by group, the worst first, and what was asked besides."""
    order = {"problem": 0, "warning": 1, "note": 2}
    groups = dict.fromkeys(it.group for it in diagnosis.results)
    for group in groups:
        results = [it for it in diagnosis.results if it.group == group]
        found = [(it, finding) for it in results for finding in it.findings]
        statuses = Counter(it.status for it in results)
        if statuses["skipped"] == len(results) and len({it.reason for it in results}) == 1:
            yield f"{group}: skipped, {results[0].reason}"
            continue
        yield f"{group}: {statuses['passed']} of {len(results) - statuses['skipped']} checks found nothing"
        for it, finding in sorted(found, key=lambda pair: order[pair[1].severity]):
            yield from _finding(it, finding)
        for reason in dict.fromkeys(it.reason for it in results if it.status == "skipped"):
            yield f"  skipped {', '.join(it.id for it in results if it.reason == reason)}: {reason}"
    counts = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for word in order for n in [len(diagnosis.findings(word))])
    yield f"{'healthy' if diagnosis.healthy else 'not healthy'}: {counts}"


def _finding(it: Result, finding: Finding) -> Iterator[str]:
    """One finding; notes without their remedy, which their sentence holds."""
    yield f"  {finding.severity} {it.id}: {finding.sentence}"
    for evidence in finding.evidence:
        expected = f"; expected {evidence.expected}" if evidence.expected else ""
        yield f"      {evidence.where}: {evidence.found}{expected}"
    if finding.severity != "note":
        yield f"      do: {finding.remedy}"
        if it.threads:
            yield f"      see {' '.join(it.threads[:2])}"
