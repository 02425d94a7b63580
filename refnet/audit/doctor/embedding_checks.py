"""Files of embeddings: collapsed, doubled, mixed, of another model."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refnet.audit.doctor.embedding_rows import EmbeddingRows
from refnet.audit.doctor.embedding_spread import effective_rank, mean_cosine
from refnet.audit.doctor.finding import Check, Evidence, Finding, Severity, Skipped
from refnet.graph import Array

UNEQUAL = Skipped("rows differ in length; see embedding-length")
UNIT_TOLERANCE = 1e-3
MOST_COMPARED = 2000  # rows, evenly spaced; all pairs of them
# Mean cosine, on two trained MobileFaceNets and 1,200 photographs of LFW: 0.01 and 0.03 over all, 0.71 and 0.66 for two
# photographs of one person (median). Fed with pixels scaled twice, one of them gives 0.9996. The effective rank was 101
# and 71 of 128, and half of what is possible for 64 people.
COLLAPSED, CROWDED = 0.9, 0.6
FEW_DIMENSIONS = 0.1  # of what so many vectors could span
LISTED = 5


@dataclass(frozen=True)
class Files:
    """Files of embeddings, and how long the model's embeddings are, if there is a model."""

    files: Sequence[EmbeddingRows]
    dimension: int | None = None
    model_sha256: str = ""


def finite(subject: Files) -> list[Finding]:
    """NaN, infinity, and embeddings of length zero."""
    evidence = []
    for file in subject.files:
        for name, row in zip(file.names, file.rows, strict=True):
            if not np.isfinite(row).all():
                evidence.append(
                    Evidence(
                        f"{file.path.name}: {name}",
                        f"{np.count_nonzero(~np.isfinite(row))} numbers are NaN or infinite",
                        "finite",
                    )
                )
            elif not row.any():
                evidence.append(Evidence(f"{file.path.name}: {name}", "all numbers are 0", "an embedding"))
    if not evidence:
        return []
    return [Finding("problem", f"{len(evidence)} embeddings have no direction", tuple(evidence[:LISTED]))]


def lengths(subject: Files) -> list[Finding]:
    """Rows of different numbers of numbers, or others than the model gives."""
    counts: defaultdict[int, list[str]] = defaultdict(list)
    for file in subject.files:
        for name, row in zip(file.names, file.rows, strict=True):
            counts[len(row)].append(f"{file.path.name}: {name}")
    expected = f"{subject.dimension}, as the model gives" if subject.dimension else "one length for all"
    if set(counts) == {subject.dimension} or (subject.dimension is None and len(counts) == 1):
        return []
    evidence = tuple(
        Evidence(places[0], f"{count} numbers, as {len(places)} embeddings have", expected)
        for count, places in sorted(counts.items())
    )
    return [Finding("problem", "embeddings have not the length they should have", evidence[:LISTED])]


def collapsed(subject: Files) -> list[Finding] | Skipped:
    """Embeddings that are all alike: mean cosine, and how many dimensions they fill."""
    findings = []
    asked = False
    for file in subject.files:
        unit = _unit(file)
        if unit is None or len(unit) < 4:
            continue
        asked = True
        cosine, rank = mean_cosine(unit), effective_rank(unit)
        most = min(unit.shape)
        evidence = (
            Evidence(
                f"{file.path.name}, {len(unit)} rows",
                f"mean cosine of different rows {cosine:.3f}",
                "about 0 for different people",
            ),
            Evidence("effective rank", f"{rank:.1f} of {most}", f"above {FEW_DIMENSIONS * most:.1f}"),
        )
        if cosine > COLLAPSED:
            findings.append(Finding("problem", f"embeddings are collapsed ({file.path.name})", evidence))
        elif cosine > CROWDED or rank < FEW_DIMENSIONS * most:
            sentence = f"embeddings are crowded: all of one person, or a mistake before the network ({file.path.name})"
            findings.append(Finding("warning", sentence, evidence))
    return findings if asked else Skipped("it takes four embeddings of one length")


def doubled(subject: Files) -> list[Finding]:
    """The same numbers under different names."""
    findings = []
    for file in subject.files:
        groups: defaultdict[bytes, list[str]] = defaultdict(list)
        for name, row in zip(file.names, file.rows, strict=True):
            if np.isfinite(row).all() and row.any():
                groups[row.tobytes()].append(name)
        same = [names for names in groups.values() if len(set(names)) > 1]
        if not same:
            continue
        count = sum(len(names) for names in same)
        severity: Severity = "problem" if 2 * count > len(file.rows) and len(file.rows) > 2 else "warning"
        evidence = tuple(
            Evidence(
                f"{file.path.name}: {names[0]} = {names[1]}", f"{len(names)} rows, the same bits", "rows of their own"
            )
            for names in same[:LISTED]
        )
        findings.append(
            Finding(severity, f"{count} of {len(file.rows)} embeddings are not the only ones of their kind", evidence)
        )
    return findings


def mixed_lengths(subject: Files) -> list[Finding]:
    """Raw and unit embeddings side by side."""
    norms = np.concatenate(
        [[np.linalg.norm(row) for row in file.rows if np.isfinite(row).all() and row.any()] for file in subject.files]
    )
    unit = abs(norms - 1) < UNIT_TOLERANCE
    if not len(norms):
        return []
    evidence = (
        (
            Evidence(
                "lengths",
                f"{unit.sum()} of {len(norms)} are 1, the others {norms[~unit].min():.4g} to {norms[~unit].max():.4g}",
                "all 1, or none",
            ),
        )
        if not unit.all()
        else ()
    )
    if unit.any() and not unit.all():
        return [Finding("problem", "raw and unit embeddings are mixed", evidence)]
    if not unit.any():
        return [
            Finding(
                "note",
                "embeddings are raw: divide by the length before taking a distance",
                (Evidence("lengths", f"{norms.min():.4g} to {norms.max():.4g}"),),
            )
        ]
    return []


def origins(subject: Files) -> list[Finding]:
    """Embeddings of different models or pipelines."""
    findings = []
    for field, what in (("model_sha256", "models"), ("input", "inputs"), ("pipeline", "pipelines")):
        seen: defaultdict[str, list[str]] = defaultdict(list)
        for file in subject.files:
            for name, said in zip(file.names, file.provenances, strict=True):
                seen[said.get(field, "")].append(f"{file.path.name}: {name}")
        if field == "model_sha256" and subject.model_sha256:
            seen[subject.model_sha256].append("the model given")
        known = {value: places for value, places in seen.items() if value}
        if len(known) > 1:
            evidence = tuple(
                Evidence(places[0], f"{field} {value[:40]}", "one for all") for value, places in known.items()
            )
            findings.append(
                Finding("problem", f"embeddings come from {len(known)} different {what}", evidence[:LISTED])
            )
        elif field == "model_sha256" and "" in seen:
            evidence = (Evidence(seen[""][0], "no model_sha256", "the digest of the model"),)
            findings.append(
                Finding("note", f"{len(seen[''])} embeddings do not say which model they come from", evidence)
            )
    return findings


def _unit(file: EmbeddingRows) -> Array | None:
    """The file's finite rows at length 1, at most `MOST_COMPARED`; None if rows differ in length."""
    matrix = file.matrix
    if matrix is None:
        return None
    usable = matrix[np.isfinite(matrix).all(axis=1) & matrix.any(axis=1)]
    usable = usable[:: max(1, -(-len(usable) // MOST_COMPARED))]
    unit: Array = usable / np.linalg.norm(usable, axis=1, keepdims=True)
    return unit


CHECKS = (
    Check(
        "embeddings-finite", "embeddings", "Is an embedding NaN, infinite or zero?",
        "It has no direction, and is like nothing; some programs rank it first.",
        "Compute it again; see the checks of the model if it comes back.",
        finite,
        ("https://github.com/onnx/models/issues/217",),
    ),
    Check(
        "embedding-length", "embeddings", "Do embeddings have the wrong number of numbers?",
        "They come from another model, or from another of its outputs.",
        "Compute all of them with one model.",
        lengths,
    ),
    Check(
        "embeddings-collapsed", "embeddings", "Are all embeddings alike?",
        "Similarities between strangers of 0.9 and more: wrong scaling, a dead layer, the same picture every time.",
        "Run the doctor on the model with the pictures (--image).",
        collapsed,
        (
            "https://github.com/zhouyuchong/face-recognition-deepstream/issues/39",
            "https://github.com/bytedeco/javacpp-presets/issues/912",
        ),
    ),
    Check(
        "embeddings-doubled", "embeddings", "Do different names have the same bits?",
        "A buffer was used again before it was copied, or one picture is there twice.",
        "Copy each output before the next run (numpy: array.copy()); compare the pictures.",
        doubled,
        ("https://github.com/awslabs/multi-model-server/issues/651",),
    ),
    Check(
        "embeddings-mixed", "embeddings", "Are raw and unit embeddings mixed?",
        "Distances between them mean nothing; cosines are right all the same.",
        "Divide every embedding by its length.",
        mixed_lengths,
        (
            "https://github.com/deepinsight/insightface/issues/1786",
            "https://github.com/deepinsight/insightface/issues/2030",
        ),
    ),
    Check(
        "embeddings-origins", "embeddings", "Do embeddings come from different models?",
        "Embeddings of two models lie in two spaces, however alike their lengths.",
        "Compute all of them again with one model and one pipeline.",
        origins,
        (
            "https://github.com/deepinsight/insightface/issues/1838",
            "https://github.com/serengil/deepface/issues/1520",
        ),
    ),
)  # fmt: skip
