"""What the model wants as input, and where tools that guess it guess wrong."""

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.patient import Patient

UNREADABLE = Skipped("refnet cannot read the model")
LEAST_SPAN = 0.1  # of what pixels 0..255 become; ArcFace's scaling makes 2 of them


def scaling(patient: Patient) -> list[Finding] | Skipped:
    """Where pixels are scaled; and whether the graph does it twice."""
    if patient.network is None:
        return UNREADABLE
    contract = patient.network.contract
    if not contract.inside:
        evidence = Evidence(f"input {contract.name!r}", "no scaling behind it")
        return [Finding("note", f"scale pixels outside: {contract.evidence}", (evidence,))]
    low, high = -contract.mean * contract.scale, (255 - contract.mean) * contract.scale
    seen = Evidence("the first convolution", f"pixels 0..255 become {low:.6g}..{high:.6g}", "about -1..1")
    if high - low < LEAST_SPAN:
        return [Finding("problem", f"pixels are scaled twice in the graph: {contract.evidence}", (seen,))]
    return [Finding("note", f"feed pixels 0..255 as they are: {contract.evidence}", (seen,))]


def scaling_by_name(patient: Patient) -> list[Finding] | Skipped:
    """Whether insightface, which goes by the names of the first nodes, would scale as the graph needs it.

    Its rule (deepinsight/insightface python-package/insightface/model_zoo/arcface_onnx.py): among the first eight nodes
    one name starts with Sub or _minus and one with Mul or _mul.
    """
    if patient.network is None:
        return UNREADABLE
    if patient.skeleton is None:
        return Skipped("the rule is about ONNX files")
    names = [node.name for node in patient.skeleton.graph.node[:8]]
    by_name = any(name.startswith(("Sub", "_minus")) for name in names) and any(
        name.startswith(("Mul", "_mul")) for name in names
    )
    inside = patient.network.contract.inside
    if by_name == inside:
        return []
    would = "scale pixels a second time" if inside else "not scale pixels, which the graph needs"
    evidence = Evidence(
        "names of the first nodes",
        ", ".join(filter(None, names)) or "none",
        "_minusscalar0, _mulscalar0" if inside else "none of Sub*, _minus*, Mul*, _mul*",
    )
    return [Finding("warning", f"insightface goes by the names of the first nodes, and would {would}", (evidence,))]


def batch(patient: Patient) -> list[Finding] | Skipped:
    """A batch that is written into the file."""
    if patient.graph is None:
        return UNREADABLE
    declared = patient.graph.inputs[0]
    if declared.shape[0] is None:
        return []
    evidence = Evidence(f"input {declared.name!r}", f"batch {declared.shape[0]}", "free")
    sentence = f"it declares a batch of {declared.shape[0]}; refnet computes any number of images"
    return [Finding("note", sentence, (evidence,))]


def spatial(patient: Patient) -> list[Finding] | Skipped:
    """BatchNormalization with ``spatial = 0``."""
    if patient.skeleton is None:
        return Skipped("it is no ONNX file that can be parsed")
    found = [
        node.name or node.output[0]
        for node in patient.skeleton.graph.node
        if node.op_type == "BatchNormalization" and any(a.name == "spatial" and a.i == 0 for a in node.attribute)
    ]
    if not found:
        return []
    evidence = Evidence(f"node {found[0]!r} and {len(found) - 1} more", "spatial = 0", "spatial = 1")
    return [Finding("note", "its BatchNormalizations say spatial = 0, and mean one value a channel", (evidence,))]


CHECKS = (
    Check(
        "scaling", "model file", "Where are pixels scaled, and is it once?",
        "MXNet exports scale in the graph and take 0..255; PyTorch exports want (pixel - 127.5) / 127.5 from the caller. Doing it twice, or not at all, leaves embeddings that look like embeddings.",
        "Feed exactly what the sentence says.",
        scaling,
        (
            "https://github.com/deepinsight/insightface/issues/113",
            "https://github.com/deepinsight/insightface/issues/2660",
            "https://github.com/onnx/models/issues/551",
        ),
    ),
    Check(
        "scaling-by-name", "model file", "Would a tool that goes by node names scale wrongly?",
        "insightface decides by the names of the first nodes whether to scale; optimisers rename nodes.",
        "Give such tools mean and scale explicitly, or keep the names of the original export.",
        scaling_by_name,
        ("https://github.com/deepinsight/insightface/issues/78",),
    ),
    Check(
        "batch", "model file", "Is the batch fixed?",
        "Other runtimes refuse any other number of images.",
        "For other runtimes make the first axis of input and output free.",
        batch,
        (
            "https://github.com/SthPhoenix/InsightFace-REST/issues/139",
            "https://github.com/deepinsight/insightface/issues/2593",
        ),
    ),
    Check(
        "spatial", "model file", "Does BatchNormalization say spatial = 0?",
        "Older runtimes gave NaN, newer ones refuse: `Invalid input scale: NumDimensions() != 3`.",
        "For other runtimes set spatial to 1; refnet reads both the same, bit by bit.",
        spatial,
        (
            "https://github.com/onnx/models/issues/156",
            "https://github.com/onnx/models/issues/242",
            "https://github.com/microsoft/onnxruntime/issues/2045",
        ),
    ),
)  # fmt: skip
