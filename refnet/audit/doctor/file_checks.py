"""The file itself: whether it is a model at all, the one its name says, and one that refnet can compute."""

from collections import Counter

import onnx

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.raw_weights import not_finite
from refnet.audit.doctor.slope_check import ambiguous_slopes
from refnet.audit.doctor.variance_check import variances
from refnet.formats.onnx_attributes import QUANTISED
from refnet.zoo.cards import Card, ModelFile, cards


def file_kind(patient: Patient) -> list[Finding]:
    """A pointer, a web page, another format."""
    if not patient.disguise:
        return []
    evidence = Evidence(patient.path.name, f"{patient.size_bytes} bytes, of another kind", "an ONNX model")
    return [Finding("problem", patient.disguise, (evidence,))]


def digest(patient: Patient) -> list[Finding] | Skipped:
    """The name or the size of a published file, and not its digest."""
    if patient.disguise:
        return Skipped("it is no model")
    if published(patient) or _is_synthetic(patient):
        return []
    expected = " or ".join(sorted({file.sha256[:16] + "..." for _, file in _known() if _alike(patient, file)}))
    if not expected:
        return Skipped("refnet has no card of a file of this name or size")
    evidence = [Evidence("sha256", patient.sha256[:16] + "...", expected)]
    named = [file for _, file in _known() if file.name == patient.path.name]
    if named and patient.size_bytes not in {file.size_bytes for file in named}:
        sizes = " or ".join(f"{size} bytes" for size in sorted({file.size_bytes for file in named}))
        evidence.append(Evidence("size", f"{patient.size_bytes} bytes", sizes))
    what = "name" if named else "size"
    severity = "problem" if named else "warning"
    sentence = f"it has the {what} of a published model, and is not that model: its digest is another"
    return [Finding(severity, sentence, tuple(evidence))]  # type: ignore[arg-type]


def published_file(patient: Patient) -> list[Finding]:
    """Which published binary it is."""
    known = published(patient)
    if known is None:
        return []
    card, file = known
    sentence = f"it is {card.name}, the file of {file.note}; {card.title}; declared licence {card.licence}"
    return [Finding("note", sentence, (Evidence("sha256", patient.sha256, file.sha256),))]


def synthetic_weights(patient: Patient) -> list[Finding] | Skipped:
    """Weights that are made up say so."""
    if patient.network is None:
        return Skipped("refnet cannot read the model")
    if not patient.network.synthetic:
        return []
    return [Finding("note", patient.network.synthetic, (Evidence("fc1_moving_mean", "the watermark's sentence"),))]


def quantised(patient: Patient) -> list[Finding] | Skipped:
    """Integers where floats are expected."""
    if patient.skeleton is None:
        return Skipped("it is no ONNX file that can be parsed")
    counts = Counter(node.op_type for node in patient.skeleton.graph.node if node.op_type.startswith(QUANTISED))
    if not counts:
        return []
    first = next(node for node in patient.skeleton.graph.node if node.op_type in counts)
    listed = ", ".join(f"{count} {op}" for op, count in counts.most_common())
    evidence = (
        Evidence(f"node {first.name or first.output[0]!r}", first.op_type),
        Evidence("operators", listed, "none"),
    )
    return [Finding("problem", "it is a quantised model (8-bit integers)", evidence)]


def damaged(patient: Patient) -> list[Finding] | Skipped:
    """Refused by the reader, and by no check that says it better."""
    if patient.path.suffix.lower() != ".xml" and patient.skeleton is None and not patient.disguise:
        return [Finding("problem", patient.refusal or "it cannot be parsed as an ONNX model")]
    better = (
        file_kind(patient),
        quantised(patient),
        ambiguous_slopes(patient),
        patient.refusal and not_finite(patient),
        patient.refusal and variances(patient),
    )
    if any(isinstance(answer, list) and answer for answer in better):
        return Skipped("another check says why refnet refuses the file")
    return [Finding("problem", f"refnet refuses it: {patient.refusal}")] if patient.refusal else []


def published(patient: Patient) -> tuple[Card, ModelFile] | None:
    """The published file with the patient's digest."""
    sizes = {file.size_bytes for _, file in _known()}
    if patient.size_bytes not in sizes:
        return None
    return next(((card, file) for card, file in _known() if file.sha256 == patient.sha256), None)


def _known() -> list[tuple[Card, ModelFile]]:
    return [(card, file) for card in cards() for file in card.files]


def _alike(patient: Patient, file: ModelFile) -> bool:
    return file.name == patient.path.name or file.size_bytes == patient.size_bytes


def _is_synthetic(patient: Patient) -> bool:
    return patient.network is not None and bool(patient.network.synthetic)


def weights_as_inputs(patient: Patient) -> list[Finding] | Skipped:
    """Initializers that are also graph inputs."""
    model = patient.skeleton
    if model is None:
        return Skipped("it is no ONNX file that can be parsed")
    weights = {tensor.name for tensor in model.graph.initializer}
    both = [info.name for info in model.graph.input if info.name in weights]
    if not both:
        return []
    evidence = Evidence(
        "graph.input", f"{len(both)} weights, {both[0]!r} the first; IR {model.ir_version}", "images only"
    )
    return [Finding("note", "its weights are also graph inputs, as IR version 3 demanded", (evidence,))]


def evaluator(patient: Patient) -> list[Finding] | Skipped:
    """An opset at which onnx's own reference evaluator is wrong."""
    model = patient.skeleton
    if model is None:
        return Skipped("it is no ONNX file that can be parsed")
    opset = onnx_opset(model)
    normalisations = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    if not normalisations or not 0 < opset < 14:
        return []
    sentence = (
        "onnx's ReferenceEvaluator cannot judge it: BatchNormalization below opset 14 raises there, or takes the "
        "statistics of the batch"
    )
    return [Finding("note", sentence, (Evidence("opset", str(opset), "14 or later"),))]


def onnx_opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators; 0 if none is named."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


CHECKS = (
    Check(
        "file-kind", "model file", "Is it a pointer, a web page or another format instead of a model?",
        "Under the model's name lies something else: a Git LFS pointer, an error page, an archive.",
        "Fetch the file itself (`git lfs pull`, or a direct download) and compare its digest.",
        file_kind,
        ("https://github.com/onnx/models/issues/569", "https://github.com/onnx/models/issues/317"),
    ),
    Check(
        "digest", "model file", "Does it have the name or size of a published file, but not its digest?",
        "Files of one name differ: half a download, a re-export, another training.",
        "Fetch it again and compare the sha256 with the model's card; if it is meant to be another model, rename it.",
        digest,
        ("https://github.com/deepinsight/insightface/issues/2517", "https://github.com/onnx/models/issues/575"),
    ),
    Check(
        "published-file", "model file", "Is it a published file?",
        "Of arcfaceresnet100-8 there are two, of 2020 and 2022, which differ in one attribute (`spatial`) and compute the same.",
        "Nothing to do. Keep the digest with the embeddings.",
        published_file,
        ("https://github.com/onnx/models/pull/480",),
    ),
    Check(
        "synthetic-weights", "model file", "Are the weights made up?",
        "The weights come from a seed: numerically complete, no identity in them.",
        "Use it to measure and to test; recognise nobody with it.",
        synthetic_weights,
    ),
    Check(
        "quantised", "model file", "Is it a quantised (8-bit) model?",
        "Embeddings of the int8 model are not those of the float32 model; similarities of a pair may move by tenths.",
        "Take the float32 model it was made from. Never compare embeddings of the two.",
        quantised,
        (
            "https://github.com/AXERA-TECH/ax-samples/issues/139",
            "https://github.com/deepinsight/insightface/issues/1493",
        ),
    ),
    Check(
        "damaged", "model file", "Does refnet refuse it for another reason?",
        "The file is damaged, or asks for something refnet does not implement.",
        "Fetch the file again; if its digest is right, export the model as the sentence says.",
        damaged,
        ("https://github.com/deepinsight/insightface/issues/2069",),
    ),
    Check(
        "weights-as-inputs", "model file", "Are weights also graph inputs?",
        "Runtimes may not treat such weights as constants: they warn, fold less and run slower.",
        "For other runtimes drop the weights from graph.input (IR 4 or later). No number changes.",
        weights_as_inputs,
        ("https://github.com/onnx/models/issues/242",),
    ),
    Check(
        "evaluator", "model file", "Is its opset one that onnx's ReferenceEvaluator gets wrong?",
        "Below opset 14 onnx's own evaluator raises on BatchNormalization, or is silently wrong.",
        "Before using that evaluator, convert to opset 14 or later with onnx.version_converter.",
        evaluator,
        ("https://github.com/onnx/onnx/pull/8442", "https://github.com/onnx/onnx/issues/5799"),
    ),
)  # fmt: skip
