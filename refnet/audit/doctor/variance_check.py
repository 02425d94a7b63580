"""Running variances, as they lie in the file: refnet refuses negative ones, so its graph cannot be asked."""

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.raw_weights import raw_weights

LISTED = 5  # places named in a finding
EPSILON = 1e-5  # ONNX's default


def variances(patient: Patient) -> list[Finding] | Skipped:
    """Running variances that are negative, or zero."""
    if patient.skeleton is None:
        return Skipped("it is no ONNX file that can be parsed")
    epsilons = {
        node.input[4]: next((a.f for a in node.attribute if a.name == "epsilon"), EPSILON)
        for node in patient.skeleton.graph.node
        if node.op_type == "BatchNormalization" and len(node.input) == 5
    }
    negative, zero = [], []
    for name, array in raw_weights(patient):
        if name not in epsilons or not array.size or not (low := float(array.min())) <= 0:
            continue
        if low < 0:
            nan = ", and with epsilon still negative: its root is NaN" if low + epsilons[name] < 0 else ""
            negative.append(Evidence(f"variance {name!r}", f"smallest {low:.6g}{nan}", "at least 0"))
        else:
            zero.append(Evidence(f"variance {name!r}", "smallest 0", "above 0"))
    findings = []
    if negative:
        findings.append(Finding("problem", f"{len(negative)} running variances are negative", tuple(negative[:LISTED])))
    if zero:
        sentence = f"{len(zero)} running variances are zero: those channels never varied in training"
        findings.append(Finding("warning", sentence, tuple(zero[:LISTED])))
    return findings


CHECKS = (
    Check(
        "variances",
        "weights",
        "Is a running variance negative or zero?",
        "The root of a negative variance is NaN; a variance of zero multiplies rounding errors by a large number.",
        "Negative: the file is damaged. Zero: look at the filter before it, which is likely dead.",
        variances,
        ("https://github.com/onnx/models/issues/217",),
    ),
)
